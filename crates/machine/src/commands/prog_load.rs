//! `BPF_PROG_LOAD`: decode, resolve maps, verify, translate, compile, publish.

use crate::objects::LoadStages;
use crate::{Body, BtfObject, Connection, MapBody, Object, Prog, name, tag};
use skep_btf::Btf;
use skep_btf::core::KernelBtf;
use skep_contracts::{Version, prog_type};
use skep_exec::{Image, Native, PublishError};
use skep_isa::{Imm64, Insn, InsnIdx, Program, RawInsn, decode};
use skep_maps::MapRef;
use skep_sys::clock::{Clock, now_ns};
use skep_uapi::{
    BPF_F_ANY_ALIGNMENT, BPF_F_RDONLY_PROG, BPF_F_SLEEPABLE, BPF_F_STRICT_ALIGNMENT,
    BPF_F_TEST_REG_INVARIANTS, BPF_F_TEST_RND_HI32, BPF_F_TEST_STATE_FREQ,
    BPF_F_XDP_DEV_BOUND_ONLY, BPF_F_XDP_HAS_FRAGS, Errno, Handle, MapType, ProgId, ProgLoad, Reply,
    TAG_SIZE, TypeId, Value,
};
use skep_verifier::{Env, FuncInfo, LineInfo, Log, LogLevel, MapDesc, Reject, Verified};
use skep_xlate::{TranslateError, Xlated};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

/// Longest program (kernel `BPF_COMPLEXITY_LIMIT_INSNS`).
const INSNS_MAX: usize = 1_000_000;
/// Program flags that skep knows; tokens it has none, and without a device being bound to one means nothing.
const FLAGS: u32 = BPF_F_XDP_DEV_BOUND_ONLY
    | BPF_F_STRICT_ALIGNMENT
    | BPF_F_ANY_ALIGNMENT
    | BPF_F_TEST_RND_HI32
    | BPF_F_TEST_STATE_FREQ
    | BPF_F_SLEEPABLE
    | BPF_F_XDP_HAS_FRAGS
    | BPF_F_TEST_REG_INVARIANTS;
/// Bits of the log level: two of verbosity, statistics, and a buffer that does not wrap (which skep's log never does).
const LOG_LEVELS: u32 = 15;
/// Maps that a program can use (kernel `MAX_USED_MAPS`).
const MAPS_MAX: usize = 64;
/// Bytes of the records that skep reads; longer ones are taken if the rest is zero.
const FUNC_INFO_BYTES: usize = 8;
const LINE_INFO_BYTES: usize = 16;
/// Longest record (kernel `MAX_FUNCINFO_REC_SIZE`, `MAX_LINEINFO_REC_SIZE`).
const RECORD_BYTES_MAX: u32 = 252;
/// The last line of Linux's log of a program that was refused before any path was walked.
const NOTHING_PROCESSED: &str = "processed 0 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 \
                                 mark_read 0";
/// Licences that Linux counts as compatible with the GPL (`include/linux/license.h`).
const GPL_COMPATIBLE: [&str; 6] = [
    "GPL",
    "GPL v2",
    "GPL and additional rights",
    "Dual BSD/GPL",
    "Dual MIT/GPL",
    "Dual MPL/GPL",
];

pub(crate) fn load(connection: &Connection, load: &ProgLoad) -> Reply {
    let mut log = Log::new(LogLevel(load.log_level));
    let result = try_load(connection, load, &mut log);
    Reply {
        result: result.map(Value::Handle),
        log: log.into_text(),
    }
}

fn try_load(connection: &Connection, load: &ProgLoad, log: &mut Log) -> Result<Handle, Errno> {
    let begun = now_ns(Clock::Monotonic);
    let Decoded {
        raw,
        program,
        info,
        maps,
    } = read(connection, load, log)?;
    let verified = with_env(load, &maps, &info, |env| {
        skep_verifier::verify(program, env, log).map_err(|reject| Errno::from(&reject))
    })?;
    let ready = make_ready(&verified, &maps, begun, log)?;
    publish(connection, load, info, tag::tag(&raw), ready)
}

/// A program that can be verified, and what it refers to.
pub(super) struct Decoded {
    raw: Vec<RawInsn>,
    pub(super) program: Program,
    pub(super) info: Info,
    pub(super) maps: Vec<Referenced>,
}

/// Checks what a load says of itself and decodes its program.
pub(super) fn read(
    connection: &Connection,
    load: &ProgLoad,
    log: &mut Log,
) -> Result<Decoded, Errno> {
    name::check(&load.name)?;
    if load.ifindex != 0 || load.prog_flags & !FLAGS != 0 || load.log_level & !LOG_LEVELS != 0 {
        return Err(Errno::EINVAL);
    }
    prog_type(load.prog_type).ok_or(Errno::EINVAL)?;
    let raw = slots(&load.insns)?;
    let info = Info {
        btf: load.btf.map(|handle| connection.btf(handle)).transpose()?,
        funcs: func_records(load)?,
        lines: line_records(load)?,
        kernel: connection.machine().config().kernel.clone(),
    };
    let program = decode(&raw).map_err(|error| {
        log.line(&error.to_string());
        log.line(NOTHING_PROCESSED);
        Errno::EINVAL
    })?;
    let maps = referenced_maps(connection, &program, &load.fd_array, log)?;
    Ok(Decoded {
        raw,
        program,
        info,
        maps,
    })
}

/// What BTF says about a program, and the kernel's types.
pub(super) struct Info {
    btf: Option<Arc<BtfObject>>,
    funcs: Vec<FuncInfo>,
    lines: Vec<LineInfo>,
    kernel: Option<Arc<KernelBtf>>,
}

/// A program that can run, or that can only be shown.
struct Ready {
    body: Body,
    maps: Vec<Arc<MapBody>>,
    verified_insns: u32,
    stages: LoadStages,
}

/// Translates and compiles a program whose verification `begun` at that time and has just ended.
fn make_ready(
    verified: &Verified,
    referenced: &[Referenced],
    begun: u64,
    log: &mut Log,
) -> Result<Ready, Errno> {
    let verified_insns = verified.stats().processed_insns;
    let verified_at = now_ns(Clock::Monotonic);
    let used = verified.used_maps().iter();
    let maps: Vec<_> = used
        .map(|used| Arc::clone(&referenced[used.index].map))
        .collect();
    let xlated = skep_xlate::translate(verified);
    let translated_at = now_ns(Clock::Monotonic);
    let values = maps.iter().map(|map| Arc::clone(&map.map)).collect();
    let body = body(verified, xlated, values).map_err(|refusal| {
        log.line(&refusal.why);
        refusal.errno
    })?;
    Ok(Ready {
        body,
        maps,
        verified_insns,
        stages: LoadStages {
            verify_ns: verified_at - begun,
            translate_ns: translated_at - verified_at,
            compile_ns: now_ns(Clock::Monotonic) - translated_at,
        },
    })
}

/// Why a verified program is refused after all.
struct Refusal {
    why: String,
    errno: Errno,
}

impl From<TranslateError> for Refusal {
    fn from(error: TranslateError) -> Self {
        Self {
            why: error.to_string(),
            errno: Errno::ERANGE,
        }
    }
}

/// What a verified program becomes. Whatever skep lacks to run it is no refusal: it is shown then.
fn body(
    verified: &Verified,
    xlated: Result<Xlated, TranslateError>,
    maps: Vec<MapRef>,
) -> Result<Body, Refusal> {
    let shown = |why: String| {
        let draft = skep_xlate::draft(verified)?;
        Ok(Body::Shown { draft, why })
    };
    let xlated = match xlated {
        Ok(xlated) => xlated,
        Err(error @ TranslateError::JumpOutOfRange { .. }) => return Err(error.into()),
        Err(error) => return shown(error.to_string()),
    };
    let (error, errno) = match Image::publish(xlated, maps, Native::IfPossible) {
        Ok(image) => return Ok(Body::Runs(image)),
        Err(error @ PublishError::Memory(_)) => (error, Errno::ENOMEM),
        Err(error @ PublishError::OtherMap { .. }) => (error, Errno::EINVAL),
        Err(error) => return shown(error.to_string()),
    };
    Err(Refusal {
        why: error.to_string(),
        errno,
    })
}

/// Gives a program its id and the loader a handle of it.
fn publish(
    connection: &Connection,
    load: &ProgLoad,
    info: Info,
    tag: [u8; TAG_SIZE],
    ready: Ready,
) -> Result<Handle, Errno> {
    let machine = connection.machine();
    let load_time_ns = machine.config().host.clock_ns(skep_helpers::Clock::Boot);
    let made = machine.progs.insert(|id| {
        Ok(Prog {
            id: ProgId(id),
            name: load.name.clone(),
            prog_type: load.prog_type,
            expected_attach_type: load.expected_attach_type,
            tag,
            func_tags: tag::of_functions(tag, ready.body.listing()),
            gpl_compatible: gpl_compatible(&load.license),
            load_time_ns,
            uid: connection.peer().uid,
            body: ready.body,
            maps: ready.maps,
            bound_maps: Mutex::default(),
            btf: info.btf,
            func_info: info.funcs,
            line_info: info.lines,
            verified_insns: ready.verified_insns,
            stages: ready.stages,
        })
    });
    connection.open(Object::Prog(made.unwrap_or(Err(Errno::ENOSPC))?))
}

fn gpl_compatible(license: &str) -> bool {
    GPL_COMPATIBLE.contains(&license)
}

fn slots(bytes: &[u8]) -> Result<Vec<RawInsn>, Errno> {
    let (slots, rest) = bytes.as_chunks::<{ RawInsn::SIZE }>();
    if !rest.is_empty() {
        return Err(Errno::EINVAL);
    }
    if slots.is_empty() || slots.len() > INSNS_MAX {
        return Err(Errno::E2BIG);
    }
    Ok(slots
        .iter()
        .map(|slot| RawInsn::from_bytes(*slot))
        .collect())
}

/// A map that the program names, and by which descriptor.
pub(super) struct Referenced {
    fd: i32,
    map: Arc<MapBody>,
}

/// The maps that instructions name, by descriptor or through the fd array, in order of first reference. The verifier says what
/// is wrong with a descriptor that leads nowhere and with a map too many; references behind either do not matter.
fn referenced_maps(
    connection: &Connection,
    program: &Program,
    fd_array: &[Handle],
    log: &mut Log,
) -> Result<Vec<Referenced>, Errno> {
    let mut maps: Vec<Referenced> = Vec::new();
    let fds = program
        .insns()
        .iter()
        .filter_map(|insn| named_fd(insn, fd_array));
    for fd in fds {
        if maps.iter().any(|map| map.fd == fd) {
            continue;
        }
        let handle = u32::try_from(fd).map(Handle).map_err(|_| Errno::EBADF);
        match handle.and_then(|handle| connection.map(handle)) {
            Ok(map) => maps.push(Referenced { fd, map }),
            Err(Errno::EBADF) => break,
            Err(other_object) => {
                log.line(&Reject::BadMapFd { fd }.to_string());
                log.line(NOTHING_PROCESSED);
                return Err(other_object);
            }
        }
        if maps.len() > MAPS_MAX {
            break;
        }
    }
    Ok(maps)
}

/// The descriptor of the map that an instruction names.
fn named_fd(insn: &Insn, fd_array: &[Handle]) -> Option<i32> {
    let Insn::LoadImm64 { imm, .. } = insn else {
        return None;
    };
    match *imm {
        Imm64::MapFd(fd) | Imm64::MapValue { fd, .. } => Some(fd),
        Imm64::MapIdx(idx) | Imm64::MapIdxValue { idx, .. } => {
            let handle = fd_array.get(usize::try_from(idx).ok()?)?;
            Some(handle.0.cast_signed())
        }
        Imm64::Value(_) | Imm64::BtfId { .. } | Imm64::Func(_) => None,
    }
}

/// A map as the verifier sees it; `fd` is how the program names it.
fn describe(map: &MapBody, fd: i32) -> MapDesc {
    let create = &map.create;
    let constant = create.map_type == MapType::ARRAY
        && create.max_entries == 1
        && create.map_flags & BPF_F_RDONLY_PROG != 0
        && map.frozen.load(Ordering::SeqCst);
    MapDesc {
        fd,
        id: map.id,
        name: create.name.clone(),
        map_type: create.map_type,
        key_size: create.key_size,
        value_size: create.value_size,
        max_entries: create.max_entries,
        map_flags: create.map_flags,
        constant: constant
            .then(|| map.map.object().read(&[0; 4]).ok())
            .flatten()
            .map(Into::into),
        map_extra: create.map_extra,
        btf: map.btf.as_ref().map(|btf| Arc::clone(&btf.btf)),
        value_type: create.btf_value_type_id,
        fields: Arc::clone(&map.fields),
        inner: map.inner.as_ref().map(|inner| describe_inner(inner)),
    }
}

/// What is known of the maps in a map of maps: their definition, not their content. Maps of maps are not in one another.
fn describe_inner(inner: &MapBody) -> Arc<MapDesc> {
    Arc::new(MapDesc {
        constant: None,
        ..describe(inner, -1)
    })
}

/// Does something in the environment that a load gives its program.
pub(super) fn with_env<R>(
    load: &ProgLoad,
    maps: &[Referenced],
    info: &Info,
    work: impl FnOnce(&Env<'_>) -> R,
) -> R {
    let descs: Vec<_> = maps.iter().map(|map| describe(&map.map, map.fd)).collect();
    // What no instruction names is no map of the program's: the verifier refuses the index, should one name it after all.
    let index_of = |handle: &Handle| {
        let fd = handle.0.cast_signed();
        let index = maps.iter().position(|map| map.fd == fd);
        index.unwrap_or(usize::MAX)
    };
    let fd_array: Vec<_> = load.fd_array.iter().map(index_of).collect();
    let btf: Option<&Btf> = info.btf.as_ref().map(|btf| btf.btf.as_ref());
    let env = Env {
        prog_type: load.prog_type,
        expected_attach_type: load.expected_attach_type,
        prog_flags: load.prog_flags,
        gpl_compatible: gpl_compatible(&load.license),
        maps: &descs,
        fd_array: &fd_array,
        btf,
        kernel: info.kernel.as_deref(),
        func_info: &info.funcs,
        line_info: &info.lines,
        profile: Version::DEFAULT,
    };
    work(&env)
}

/// Splits records of `size` bytes and gives the `known` first bytes of each; E2BIG if the rest is not zero.
fn records(bytes: &[u8], size: u32, known: usize) -> Result<Vec<&[u8]>, Errno> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let len = usize::try_from(size).map_err(|_| Errno::EINVAL)?;
    let good = len >= known
        && size <= RECORD_BYTES_MAX
        && len.is_multiple_of(4)
        && bytes.len().is_multiple_of(len);
    if !good {
        return Err(Errno::EINVAL);
    }
    bytes
        .chunks_exact(len)
        .map(|record| {
            let (record, unknown) = record.split_at(known);
            if unknown.iter().all(|byte| *byte == 0) {
                Ok(record)
            } else {
                Err(Errno::E2BIG)
            }
        })
        .collect()
}

fn word(record: &[u8], number: usize) -> u32 {
    record
        .as_chunks::<4>()
        .0
        .get(number)
        .map_or(0, |word| u32::from_ne_bytes(*word))
}

fn func_records(load: &ProgLoad) -> Result<Vec<FuncInfo>, Errno> {
    let records = records(&load.func_info, load.func_info_rec_size, FUNC_INFO_BYTES)?;
    Ok(records
        .iter()
        .map(|record| FuncInfo {
            at: InsnIdx(word(record, 0)),
            type_id: TypeId(word(record, 1)),
        })
        .collect())
}

fn line_records(load: &ProgLoad) -> Result<Vec<LineInfo>, Errno> {
    let records = records(&load.line_info, load.line_info_rec_size, LINE_INFO_BYTES)?;
    let line = |record: &&[u8]| LineInfo {
        at: InsnIdx(word(record, 0)),
        file_name_off: word(record, 1),
        line_off: word(record, 2),
        line_col: word(record, 3),
    };
    Ok(records.iter().map(line).collect())
}

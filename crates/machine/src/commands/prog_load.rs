//! `BPF_PROG_LOAD`: decode, resolve maps, verify, translate, compile, publish.

use crate::objects::LoadStages;
use crate::{BtfObject, Connection, MapBody, Object, Prog, name, tag};
use skep_btf::Btf;
use skep_contracts::{Version, prog_type};
use skep_exec::{Image, Native};
use skep_isa::{Imm64, Insn, InsnIdx, Program, RawInsn, decode};
use skep_sys::clock::{Clock, now_ns};
use skep_uapi::{
    BPF_F_ANY_ALIGNMENT, BPF_F_RDONLY_PROG, BPF_F_SLEEPABLE, BPF_F_STRICT_ALIGNMENT,
    BPF_F_TEST_REG_INVARIANTS, BPF_F_TEST_RND_HI32, BPF_F_TEST_STATE_FREQ, BPF_F_XDP_HAS_FRAGS,
    Errno, Handle, MapType, ProgId, ProgLoad, Reply, TypeId, Value,
};
use skep_verifier::{Env, FuncInfo, LineInfo, Log, LogLevel, MapDesc, Verified};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

/// Longest program (kernel `BPF_COMPLEXITY_LIMIT_INSNS`).
const INSNS_MAX: usize = 1_000_000;
/// Program flags that skep knows; devices to bind to and tokens it has none.
const FLAGS: u32 = BPF_F_STRICT_ALIGNMENT
    | BPF_F_ANY_ALIGNMENT
    | BPF_F_TEST_RND_HI32
    | BPF_F_TEST_STATE_FREQ
    | BPF_F_SLEEPABLE
    | BPF_F_XDP_HAS_FRAGS
    | BPF_F_TEST_REG_INVARIANTS;
/// Bytes of the records that skep reads; longer ones are taken if the rest is zero.
const FUNC_INFO_BYTES: usize = 8;
const LINE_INFO_BYTES: usize = 16;
/// Longest record (kernel `MAX_FUNCINFO_REC_SIZE`, `MAX_LINEINFO_REC_SIZE`).
const RECORD_BYTES_MAX: u32 = 252;
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
    name::check(&load.name)?;
    if load.ifindex != 0 || load.prog_flags & !FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    prog_type(load.prog_type).ok_or(Errno::EINVAL)?;
    let raw = slots(&load.insns)?;
    let btf = load.btf.map(|handle| connection.btf(handle)).transpose()?;
    let func_info = func_records(load)?;
    let line_info = line_records(load)?;
    let begun = now_ns(Clock::Monotonic);
    let program = decode(&raw).map_err(|error| {
        log.line(&error.to_string());
        Errno::EINVAL
    })?;
    let maps = referenced_maps(connection, &program, &load.fd_array)?;
    let verified = verify(
        load,
        program,
        &maps,
        btf.as_deref(),
        (&func_info, &line_info),
        log,
    )?;
    let tag = tag::tag(&raw);
    let verified_insns = verified.stats().processed_insns;
    let verified_at = now_ns(Clock::Monotonic);
    let xlated = skep_xlate::translate(verified).map_err(|error| {
        log.line(&error.to_string());
        Errno::ERANGE
    })?;
    let func_tags = tag::of_functions(tag, &xlated);
    let used: Vec<_> = xlated
        .used_maps()
        .iter()
        .map(|index| Arc::clone(&maps[*index].map))
        .collect();
    let translated_at = now_ns(Clock::Monotonic);
    let values = used.iter().map(|map| Arc::clone(&map.map)).collect();
    let image = Image::publish(xlated, values, Native::IfPossible).map_err(|error| {
        log.line(&error.to_string());
        Errno::ENOTSUPP
    })?;
    let stages = LoadStages {
        verify_ns: verified_at - begun,
        translate_ns: translated_at - verified_at,
        compile_ns: now_ns(Clock::Monotonic) - translated_at,
    };
    let made = connection.machine().progs.insert(|id| {
        Ok(Prog {
            id: ProgId(id),
            name: load.name.clone(),
            prog_type: load.prog_type,
            expected_attach_type: load.expected_attach_type,
            tag,
            func_tags,
            gpl_compatible: gpl_compatible(&load.license),
            load_time_ns: connection
                .machine()
                .config()
                .host
                .clock_ns(skep_helpers::Clock::Boot),
            uid: connection.peer().uid,
            image,
            maps: used,
            bound_maps: Mutex::default(),
            btf,
            func_info,
            line_info,
            verified_insns,
            stages,
        })
    });
    connection.open(Object::Prog(made.unwrap_or(Err(Errno::ENOSPC))?))
}

fn gpl_compatible(license: &str) -> bool {
    GPL_COMPATIBLE.contains(&license)
}

fn slots(bytes: &[u8]) -> Result<Vec<RawInsn>, Errno> {
    let (slots, rest) = bytes.as_chunks::<{ RawInsn::SIZE }>();
    if slots.is_empty() || slots.len() > INSNS_MAX {
        return Err(Errno::E2BIG);
    }
    if rest.is_empty() {
        Ok(slots
            .iter()
            .map(|slot| RawInsn::from_bytes(*slot))
            .collect())
    } else {
        Err(Errno::EINVAL)
    }
}

/// A map that the program names, and by which descriptor.
struct Referenced {
    fd: i32,
    map: Arc<MapBody>,
}

/// The maps that instructions name by descriptor (what is no map is left for the verifier to say), then those of the fd array.
fn referenced_maps(
    connection: &Connection,
    program: &Program,
    fd_array: &[Handle],
) -> Result<Vec<Referenced>, Errno> {
    let mut maps: Vec<Referenced> = Vec::new();
    let fds = program.insns().iter().filter_map(|insn| match insn {
        Insn::LoadImm64 {
            imm: Imm64::MapFd(fd) | Imm64::MapValue { fd, .. },
            ..
        } => Some(*fd),
        _ => None,
    });
    for fd in fds {
        if maps.iter().any(|map| map.fd == fd) {
            continue;
        }
        if let Some(map) = u32::try_from(fd)
            .ok()
            .and_then(|fd| connection.map(Handle(fd)).ok())
        {
            maps.push(Referenced { fd, map });
        }
    }
    for handle in fd_array {
        let map = connection.map(*handle)?;
        let fd = i32::try_from(handle.0).map_err(|_| Errno::EBADF)?;
        if !maps.iter().any(|map| map.fd == fd) {
            maps.push(Referenced { fd, map });
        }
    }
    Ok(maps)
}

fn describe(referenced: &Referenced) -> MapDesc {
    let (map, create) = (&referenced.map, &referenced.map.create);
    let constant = create.map_type == MapType::ARRAY
        && create.max_entries == 1
        && create.map_flags & BPF_F_RDONLY_PROG != 0
        && map.frozen.load(Ordering::SeqCst);
    MapDesc {
        fd: referenced.fd,
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
    }
}

fn verify(
    load: &ProgLoad,
    program: Program,
    maps: &[Referenced],
    btf: Option<&BtfObject>,
    (func_info, line_info): (&[FuncInfo], &[LineInfo]),
    log: &mut Log,
) -> Result<Verified, Errno> {
    let descs: Vec<_> = maps.iter().map(describe).collect();
    let index_of = |handle: &Handle| {
        maps.iter()
            .position(|map| u32::try_from(map.fd) == Ok(handle.0))
    };
    let fd_array: Vec<_> = load.fd_array.iter().filter_map(index_of).collect();
    let btf: Option<&Btf> = btf.map(|btf| &btf.btf);
    let env = Env {
        prog_type: load.prog_type,
        expected_attach_type: load.expected_attach_type,
        prog_flags: load.prog_flags,
        gpl_compatible: gpl_compatible(&load.license),
        maps: &descs,
        fd_array: &fd_array,
        btf,
        func_info,
        line_info,
        profile: Version::DEFAULT,
    };
    skep_verifier::verify(program, &env, log).map_err(|reject| Errno::from(&reject))
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

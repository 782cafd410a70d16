//! Asking the running kernel what a case asks.

use crate::common::Question;
use skep_btf::Kind;
use skep_btf::core::KernelBtf;
use skep_isa::{CallTarget, Imm64, Insn, Program};
use skep_sys::bpf::{self, Log, Map, MapCreate, Name, ProgLoad};
use skep_uapi::BPF_F_RDONLY_PROG;
use skep_uapi::TypeId;
use skep_verifier::MapDesc;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// The line to compare: of an accepted program the figures, else the last one that says something about the program.
pub(crate) fn telling_line(errno: i32, log: &str) -> &str {
    if errno == 0 {
        return log.lines().next_back().unwrap_or_default();
    }
    let about_run = ["processed ", "verification time ", "stack depth "];
    log.lines()
        .filter(|line| !about_run.iter().any(|start| line.starts_with(start)))
        .rfind(|line| !line.is_empty())
        // One refusal of Linux has no end of line.
        .map(|line| {
            let end = line.find("callprocessed ").map(|at| at + "call".len());
            end.map_or(line, |end| &line[..end])
        })
        .unwrap_or_default()
}

/// Error number and log. The log buffer has `log_bytes`.
pub(crate) fn ask_linux(question: &Question, log_bytes: usize) -> io::Result<(i32, String)> {
    let maps: Vec<OwnedFd> = question
        .maps
        .iter()
        .map(create)
        .collect::<io::Result<_>>()?;
    ask_with(question, log_bytes, &maps)
}

/// As [`ask_linux`], with the question's maps.
pub(crate) fn ask_with(
    question: &Question,
    log_bytes: usize,
    maps: &[OwnedFd],
) -> io::Result<(i32, String)> {
    let insns = with_fds(&question.program, maps);
    let insns = with_kfuncs(insns, question)?.to_bytes();
    let btf = question.functions.btf.as_ref();
    let btf = btf.map(|btf| {
        bpf::btf_load(
            &btf.to_bytes(),
            Log {
                level: 0,
                buffer: &mut [],
            },
        )
    });
    let btf = btf.transpose()?;
    let infos = question.functions.infos.iter();
    let words = infos.flat_map(|info| [info.at.0, info.type_id.0]);
    let func_info: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
    let licence = CString::new(question.licence.as_str()).unwrap();
    let mut log = vec![0; if question.level == 0 { 0 } else { log_bytes }];
    let loaded = bpf::prog_load(ProgLoad {
        prog_type: question.prog_type.0,
        insns: &insns,
        license: &licence,
        prog_flags: question.flags,
        name: Name::new("case").unwrap(),
        ifindex: 0,
        expected_attach_type: question.attach,
        btf: btf.as_ref().map(AsFd::as_fd),
        func_info: &func_info,
        func_info_rec_size: if func_info.is_empty() { 0 } else { 8 },
        line_info: &[],
        line_info_rec_size: 0,
        attach_btf_id: 0,
        fd_array: &[],
        log: Log {
            level: question.level.min(1),
            buffer: &mut log,
        },
    });
    let errno = match loaded {
        Ok(_) => 0,
        Err(error) => error.raw_os_error().unwrap_or(-1),
    };
    let text = log.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok((errno, String::from_utf8_lossy(text).into_owned()))
}

pub(crate) fn create(map: &MapDesc) -> io::Result<OwnedFd> {
    let types = match map.fields.first() {
        Some(lock) => Some(value_types(map.value_size, lock.offset)?),
        None => None,
    };
    let typed = types.is_some();
    let fd = bpf::map_create(&MapCreate {
        map_type: map.map_type.0,
        key_size: map.key_size,
        value_size: map.value_size,
        max_entries: map.max_entries,
        map_flags: map.map_flags,
        inner_map: None,
        numa_node: 0,
        name: Name::new("m").unwrap(),
        btf: types.as_ref().map(AsFd::as_fd),
        btf_key_type_id: u32::from(typed),
        btf_value_type_id: if typed { 3 } else { 0 },
        map_extra: 0,
    })?;
    let Some(constant) = &map.constant else {
        return Ok(fd);
    };
    assert_ne!(
        map.map_flags & BPF_F_RDONLY_PROG,
        0,
        "a constant is read-only"
    );
    let ops = Map::from_fd(fd.try_clone()?)?;
    ops.update(&[0; 4], constant, 0)?;
    ops.freeze()?;
    Ok(fd)
}

/// BTF of a value with nothing but a lock in it: 1 is the key, an integer, 2 the lock, 3 the value.
fn value_types(value_bytes: u32, lock: u32) -> io::Result<OwnedFd> {
    let strings = b"\0int\0bpf_spin_lock\0val\0value\0lock\0";
    let (int, structure) = (1 << 24, (4 << 24) | 1);
    let types: [u32; 16] = [
        1,
        int,
        4,
        (1 << 24) | 32, // int
        5,
        structure,
        4,
        19,
        1,
        0, // struct bpf_spin_lock { int val; }
        23,
        structure,
        value_bytes,
        29,
        2,
        lock * 8, // struct value { struct bpf_spin_lock lock; }
    ];
    let types: Vec<u8> = types.iter().flat_map(|word| word.to_le_bytes()).collect();
    let lengths = [types.len(), strings.len()].map(|len| u32::try_from(len).unwrap());
    let header = [24, 0, lengths[0], lengths[0], lengths[1]];
    let mut blob = vec![0x9f, 0xeb, 1, 0];
    blob.extend(header.iter().flat_map(|word: &u32| word.to_le_bytes()));
    blob.extend(types);
    blob.extend_from_slice(strings);
    let mut text = [0; 4096];
    let log = Log {
        level: 0,
        buffer: &mut text[..0],
    };
    bpf::btf_load(&blob, log)
}

/// The program with the case's map numbers replaced by descriptors.
fn with_fds(program: &Program, maps: &[OwnedFd]) -> Program {
    let fd = |number: i32| {
        let map = usize::try_from(number)
            .ok()
            .and_then(|number| maps.get(number));
        map.map_or(number, AsRawFd::as_raw_fd)
    };
    let mut insns = program.insns().to_vec();
    for insn in &mut insns {
        if let Insn::LoadImm64 { imm, .. } = insn {
            *imm = match *imm {
                Imm64::MapFd(number) => Imm64::MapFd(fd(number)),
                Imm64::MapValue { fd: number, off } => Imm64::MapValue {
                    fd: fd(number),
                    off,
                },
                other => other,
            };
        }
    }
    Program::new(insns).unwrap()
}

/// The program with the case's numbers of kernel functions replaced by the running kernel's.
fn with_kfuncs(program: Program, question: &Question) -> io::Result<Program> {
    let Some(ours) = &question.functions.kernel else {
        return Ok(program);
    };
    let theirs = KernelBtf::parse(&std::fs::read("/sys/kernel/btf/vmlinux")?).unwrap();
    let mut insns = program.insns().to_vec();
    for insn in &mut insns {
        if let Insn::Call(CallTarget::Kfunc { id, .. }) = insn {
            let name = ours.btf().name(TypeId(id.cast_unsigned()));
            let found = theirs.find(name, |kind| matches!(kind, Kind::Func(_)));
            *id = found.map_or(*id, |found| found.0.cast_signed());
        }
    }
    Ok(Program::new(insns).unwrap())
}

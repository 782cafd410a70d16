//! What the kernel tells about objects, as the typed replies.

use crate::fdinfo::Fdinfo;
use crate::handles::Handles;
use crate::{Outcome, errno, host_arch, symbols};
use skep_sys::bpf;
use skep_uapi::{
    Arch, BtfId, BtfInfo, Errno, Handle, Jited, LinkId, LinkInfo, MapId, MapInfo, MapType,
    ObjectKind, ProgCode, ProgId, ProgInfo, ProgType, TypeId, Value,
};
use std::os::fd::{AsFd, BorrowedFd};

pub(crate) fn prog(handles: &Handles, prog: Handle) -> Outcome {
    let prog = handles.of_kind(prog, ObjectKind::Prog)?;
    let fdinfo = Fdinfo::read(prog.as_fd())?;
    let info = match bpf::prog_info(prog.as_fd()).map_err(errno) {
        Ok(info) => info,
        Err(Errno::ENODEV) => return Ok(Value::ProgInfo(Box::new(orphan(&fdinfo)))),
        Err(errno) => return Err(errno),
    };
    Ok(Value::ProgInfo(Box::new(ProgInfo {
        id: ProgId(info.id),
        prog_type: ProgType(info.prog_type),
        name: info.name,
        tag: info.tag,
        gpl_compatible: info.gpl_compatible,
        load_time_ns: info.load_time,
        uid: info.created_by_uid,
        orphaned: false,
        bytes_xlated: info.xlated_prog_len,
        bytes_jited: info.jited_prog_len,
        bytes_memlock: fdinfo.value("memlock"),
        map_ids: info.map_ids.into_iter().map(MapId).collect(),
        btf_id: BtfId(info.btf_id),
        ifindex: info.ifindex,
        run_time_ns: info.run_time_ns,
        run_cnt: info.run_cnt,
        recursion_misses: info.recursion_misses,
        verified_insns: info.verified_insns,
    })))
}

/// A program whose device is gone: the kernel answers `ENODEV`, and only its fdinfo is left.
fn orphan(fdinfo: &Fdinfo) -> ProgInfo {
    ProgInfo {
        id: ProgId(fdinfo.value("prog_id").unwrap_or(0)),
        prog_type: ProgType(fdinfo.value("prog_type").unwrap_or(0)),
        orphaned: true,
        bytes_memlock: fdinfo.value("memlock"),
        ..ProgInfo::default()
    }
}

pub(crate) fn code(handles: &Handles, prog: Handle) -> Outcome {
    let prog = handles.of_kind(prog, ObjectKind::Prog)?;
    Ok(Value::ProgCode(Box::new(prog_code(prog.as_fd())?)))
}

/// The machine code that the kernel made, which it made for its own architecture only.
pub(crate) fn compile(handles: &Handles, prog: Handle, arch: Arch) -> Outcome {
    let prog = handles.of_kind(prog, ObjectKind::Prog)?;
    if host_arch() != Some(arch) {
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(Value::Jited(Box::new(prog_code(prog.as_fd())?.jited)))
}

fn prog_code(prog: BorrowedFd<'_>) -> Result<ProgCode, Errno> {
    let arrays = bpf::prog_arrays(prog).map_err(errno)?;
    let symbols = symbols::of_program(&arrays);
    Ok(ProgCode {
        xlated: arrays.xlated_prog_insns,
        jited: Jited {
            code: arrays.jited_prog_insns,
            func_lens: arrays.jited_func_lens,
            ksyms: arrays.jited_ksyms,
            line_addrs: arrays.jited_line_info,
            arch: host_arch(),
            symbols,
        },
        func_info: arrays.func_info,
        line_info: arrays.line_info,
        prog_tags: arrays.prog_tags,
    })
}

pub(crate) fn map(handles: &Handles, map: Handle) -> Outcome {
    let map = handles.of_kind(map, ObjectKind::Map)?;
    let info = bpf::map_info(map.as_fd()).map_err(errno)?;
    let fdinfo = Fdinfo::read(map.as_fd())?;
    Ok(Value::MapInfo(Box::new(MapInfo {
        id: MapId(info.id),
        map_type: MapType(info.map_type),
        name: info.name,
        map_flags: info.map_flags,
        key_size: info.key_size,
        value_size: info.value_size,
        max_entries: info.max_entries,
        bytes_memlock: fdinfo.value("memlock"),
        frozen: fdinfo.flag("frozen"),
        btf_id: BtfId(info.btf_id),
        btf_key_type_id: TypeId(info.btf_key_type_id),
        btf_value_type_id: TypeId(info.btf_value_type_id),
        owner_prog_type: fdinfo.value("owner_prog_type").map(ProgType),
        owner_jited: fdinfo.flag("owner_jited"),
        ifindex: info.ifindex,
        map_extra: info.map_extra,
    })))
}

pub(crate) fn btf(handles: &Handles, btf: Handle) -> Outcome {
    let btf = handles.of_kind(btf, ObjectKind::Btf)?;
    let info = bpf::btf_info(btf.as_fd()).map_err(errno)?;
    Ok(Value::BtfInfo(Box::new(BtfInfo {
        id: BtfId(info.id),
        data: info.data,
        name: info.name,
        kernel_btf: info.kernel_btf,
    })))
}

pub(crate) fn link(handles: &Handles, link: Handle) -> Outcome {
    let link = handles.of_kind(link, ObjectKind::Link)?;
    let info = bpf::link_info(link.as_fd()).map_err(errno)?;
    Ok(Value::LinkInfo(LinkInfo {
        id: LinkId(info.id),
        link_type: info.link_type,
        prog_id: ProgId(info.prog_id),
        ifindex: info.ifindex,
    }))
}

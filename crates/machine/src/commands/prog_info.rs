//! `BPF_OBJ_GET_INFO_BY_FD` of programs: what `prog show` and `prog dump` print.

use crate::commands::compile;
use crate::{Connection, Prog};
use skep_exec::{helper_addr, host_arch};
use skep_isa::{InsnIdx, RawInsn};
use skep_uapi::{BtfId, Errno, Handle, HelperId, Jited, ProgCode, ProgInfo, Value};
use skep_xlate::WireNames;
use std::sync::{Arc, PoisonError};

/// Bytes of the structure that Linux allocates in front of the instructions (`struct bpf_prog`).
const PROG_HEADER_BYTES: u64 = 72;
/// Linux charges programs by the page.
const PAGE_BYTES: u64 = 4096;

pub(crate) fn info(connection: &Connection, handle: Handle) -> Result<Value, Errno> {
    let prog = connection.prog(handle)?;
    let count = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    let bytes_xlated = count(prog.listing().insns().len() * RawInsn::SIZE);
    let bound = prog
        .bound_maps
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    Ok(Value::ProgInfo(Box::new(ProgInfo {
        id: prog.id,
        prog_type: prog.prog_type,
        name: prog.name.clone(),
        tag: prog.tag,
        gpl_compatible: prog.gpl_compatible,
        load_time_ns: prog.load_time_ns,
        uid: prog.uid,
        orphaned: false,
        bytes_xlated,
        bytes_jited: prog
            .compiled()
            .map_or(0, |compiled| count(compiled.code().bytes().len())),
        bytes_memlock: Some(
            (PROG_HEADER_BYTES + u64::from(bytes_xlated)).next_multiple_of(PAGE_BYTES),
        ),
        map_ids: prog
            .maps
            .iter()
            .chain(bound.iter())
            .map(|map| map.id)
            .collect(),
        btf_id: prog.btf.as_ref().map_or(BtfId(0), |btf| btf.id),
        ifindex: 0,
        run_time_ns: 0,
        run_cnt: 0,
        recursion_misses: 0,
        verified_insns: prog.verified_insns,
    })))
}

pub(crate) fn bind_map(connection: &Connection, prog: Handle, map: Handle) -> Result<Value, Errno> {
    let (prog, map) = (connection.prog(prog)?, connection.map(map)?);
    let mut bound = prog
        .bound_maps
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if !prog
        .maps
        .iter()
        .chain(bound.iter())
        .any(|there| Arc::ptr_eq(there, &map))
    {
        bound.push(map);
    }
    Ok(Value::Unit)
}

/// The base from which helper calls are counted, as `__bpf_call_base` is in Linux: below every helper of this process.
pub(crate) fn call_base() -> u64 {
    let lowest = skep_helpers::IMPLEMENTED
        .iter()
        .filter_map(|id| helper_addr(*id))
        .min();
    lowest.unwrap_or(0).saturating_sub(16)
}

/// Distance of a helper from [`call_base`].
pub(crate) fn helper_imm(id: i32, call_base: u64) -> i32 {
    let addr = helper_addr(HelperId(id.cast_unsigned())).unwrap_or(call_base);
    i32::try_from(addr.wrapping_sub(call_base)).unwrap_or(0)
}

struct Names<'a> {
    prog: &'a Prog,
    call_base: u64,
}

impl WireNames for Names<'_> {
    fn map_id(&self, index: u32) -> u32 {
        let map = usize::try_from(index)
            .ok()
            .and_then(|index| self.prog.maps.get(index));
        map.map_or(0, |map| map.id.0)
    }

    fn helper_imm(&self, id: i32) -> i32 {
        helper_imm(id, self.call_base)
    }
}

/// For each record of the loaded program that survived translation, the slot where it begins now. A record survives if any
/// instruction from it up to the next record does, as in Linux.
pub(crate) fn moved(prog: &Prog, starts: &[InsnIdx]) -> Vec<Option<InsnIdx>> {
    let origin = prog.listing().origin();
    let place = |(number, start): (usize, &InsnIdx)| {
        let end = starts.get(number + 1).copied().unwrap_or(InsnIdx(u32::MAX));
        let first = origin.partition_point(|from| from < start);
        let found = origin.get(first).is_some_and(|from| *from < end);
        found.then(|| InsnIdx(u32::try_from(first).expect("programs are shorter than 2^32 slots")))
    };
    starts.iter().enumerate().map(place).collect()
}

pub(crate) fn code(connection: &Connection, handle: Handle) -> Result<Value, Errno> {
    let prog = connection.prog(handle)?;
    let call_base = call_base();
    let xlated = prog.listing().wire(&Names {
        prog: &prog,
        call_base,
    });
    let mut jited = match (prog.compiled(), host_arch()) {
        (Some(compiled), Some(arch)) => compile::of_host(&prog, compiled, arch),
        _ => Jited::default(),
    };
    jited
        .symbols
        .push((call_base, "__bpf_call_base".to_owned()));
    for id in skep_helpers::IMPLEMENTED {
        jited
            .symbols
            .extend(helper_addr(*id).map(|addr| (addr, id.to_string())));
    }
    let func_starts: Vec<_> = prog.func_info.iter().map(|record| record.at).collect();
    let line_starts: Vec<_> = prog.line_info.iter().map(|record| record.at).collect();
    let func_info = prog
        .func_info
        .iter()
        .zip(moved(&prog, &func_starts))
        .filter_map(|(record, at)| {
            Some([at?.0.to_ne_bytes(), record.type_id.0.to_ne_bytes()].concat())
        });
    let line_info = prog
        .line_info
        .iter()
        .zip(moved(&prog, &line_starts))
        .filter_map(|(record, at)| {
            let words = [
                at?.0,
                record.file_name_off,
                record.line_off,
                record.line_col,
            ];
            Some(words.map(u32::to_ne_bytes).concat())
        });
    Ok(Value::ProgCode(Box::new(ProgCode {
        xlated: xlated.iter().flat_map(|slot| slot.to_bytes()).collect(),
        func_info: func_info.flatten().collect(),
        line_info: line_info.flatten().collect(),
        prog_tags: prog.func_tags.clone(),
        jited,
    })))
}

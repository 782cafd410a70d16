//! Machine code for dumps: of this host as it runs, of another architecture as it would.

use crate::commands::prog_info::moved;
use crate::{Connection, Prog};
use skep_exec::{Compiled, PublishError, compile_for, helper_addr, host_arch};
use skep_isa::InsnIdx;
use skep_jit::{Code, Reloc, Symbol, Target};
use skep_uapi::{Arch, Errno, Handle, HelperId, Jited, Value};

/// Address at which code of another architecture is shown.
const FOREIGN_BASE: u64 = 0;

pub(crate) fn compile(connection: &Connection, handle: Handle, arch: Arch) -> Result<Value, Errno> {
    let prog = connection.prog(handle)?;
    if let (Some(compiled), Some(host)) = (prog.compiled(), host_arch())
        && host == arch
    {
        return Ok(Value::Jited(Box::new(of_host(&prog, compiled, arch))));
    }
    let target = match arch {
        Arch::X86_64 => Target::X86_64,
        Arch::Aarch64 => Target::Aarch64,
    };
    let image = prog.image().map_err(|_| Errno::EOPNOTSUPP)?;
    let code = compile_for(image.xlated(), target).map_err(|error| match error {
        PublishError::Compile(_) => Errno::EOPNOTSUPP,
        _ => Errno::EINVAL,
    })?;
    let placed =
        skep_exec::relocated(&code, FOREIGN_BASE, image.maps()).map_err(|_| Errno::EINVAL)?;
    Ok(Value::Jited(Box::new(describe(
        &prog,
        &code,
        placed,
        FOREIGN_BASE,
        arch,
    ))))
}

/// The code that runs on this host.
pub(crate) fn of_host(prog: &Prog, compiled: &Compiled, arch: Arch) -> Jited {
    describe(
        prog,
        compiled.code(),
        compiled.bytes().to_vec(),
        compiled.addr(),
        arch,
    )
}

fn describe(prog: &Prog, code: &Code, bytes: Vec<u8>, base: u64, arch: Arch) -> Jited {
    let starts = code.functions();
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let ends = starts
        .iter()
        .copied()
        .skip(1)
        .chain([code.callback_thunk().unwrap_or(len)]);
    let line_starts: Vec<_> = prog.line_info.iter().map(|record| record.at).collect();
    let lines = moved(prog, &line_starts).into_iter().flatten();
    Jited {
        func_lens: starts
            .iter()
            .zip(ends)
            .map(|(start, end)| end.saturating_sub(*start))
            .collect(),
        ksyms: starts
            .iter()
            .map(|start| base + u64::from(*start))
            .collect(),
        line_addrs: lines
            .map(|at| base + u64::from(offset_of(code, at)))
            .collect(),
        arch: Some(arch),
        symbols: symbols(prog, code, base),
        code: bytes,
    }
}

/// Byte offset of the first code of a slot at or after `at`.
fn offset_of(code: &Code, at: InsnIdx) -> u32 {
    let map = code.pc_map();
    let first = map.partition_point(|entry| entry.at < at);
    map.get(first).map_or(0, |entry| entry.offset)
}

/// What the addresses in the code are called.
fn symbols(prog: &Prog, code: &Code, base: u64) -> Vec<(u64, String)> {
    let mut symbols: Vec<_> = code
        .relocs()
        .iter()
        .filter_map(|reloc| symbol(prog, reloc))
        .collect();
    for (start, function) in code.functions().iter().zip(prog.listing().functions()) {
        symbols.push((base + u64::from(*start), function.name.clone()));
    }
    symbols.sort();
    symbols.dedup();
    symbols
}

fn symbol(prog: &Prog, reloc: &Reloc) -> Option<(u64, String)> {
    let map = |index: u32| prog.maps.get(usize::try_from(index).ok()?);
    let named = |name: &str, id: u32| {
        if name.is_empty() {
            format!("map[id:{id}]")
        } else {
            name.to_owned()
        }
    };
    match reloc.symbol {
        Symbol::Map { index } => {
            map(index).map(|map| (map.map.addr(), named(&map.create.name, map.id.0)))
        }
        Symbol::MapValue { index, offset } => {
            let map = map(index)?;
            let start = map.map.object().direct_value()?.start;
            Some((
                start + u64::from(offset),
                format!("{}[0]+{offset}", named(&map.create.name, map.id.0)),
            ))
        }
        Symbol::Helper { id } => {
            helper_addr(HelperId(id)).map(|addr| (addr, HelperId(id).to_string()))
        }
        Symbol::Function { .. } => None,
    }
}

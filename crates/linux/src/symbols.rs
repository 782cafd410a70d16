//! Names for the addresses in a program's machine code, from `/proc/kallsyms`.
//!
//! Which addresses those are is not decoded: every address that could be one is looked up, and only those that begin
//! a symbol are kept. A chance hit costs an unused name. Without the right to see addresses there are no names.

use skep_sys::bpf::ProgArrays;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};

/// The address that the displacements of helper calls in translated instructions count from.
const CALL_BASE: &str = "__bpf_call_base";

/// Call of a function: in the first slot of translated instructions its code, for every source.
const CALL: u8 = 0x85;

/// Names for the starts of the program's functions and for what its code refers to, by address.
pub(crate) fn of_program(arrays: &ProgArrays) -> Vec<(u64, String)> {
    if arrays.jited_prog_insns.is_empty() || arrays.jited_ksyms.iter().all(|&addr| addr == 0) {
        return Vec::new();
    }
    let displacements = call_displacements(&arrays.xlated_prog_insns);
    let mut wanted: BTreeSet<u64> = arrays.jited_ksyms.iter().copied().collect();
    if cfg!(target_arch = "x86_64") {
        functions(arrays).for_each(|(addr, code)| x86_references(addr, code, &mut wanted));
    }
    if !displacements.is_empty()
        && let Some(base) = address_of(CALL_BASE)
    {
        wanted.extend(
            displacements
                .iter()
                .map(|&imm| base.wrapping_add_signed(imm.into())),
        );
    }
    wanted.remove(&0);
    names(&wanted).into_iter().collect()
}

/// Immediates of calls in translated instructions.
fn call_displacements(xlated: &[u8]) -> BTreeSet<i32> {
    let slots = xlated.as_chunks::<8>().0.iter();
    slots
        .filter(|slot| slot[0] == CALL)
        .map(|slot| i32::from_ne_bytes([slot[4], slot[5], slot[6], slot[7]]))
        .collect()
}

/// Address and code of each function.
fn functions(arrays: &ProgArrays) -> impl Iterator<Item = (u64, &[u8])> {
    let mut rest = arrays.jited_prog_insns.as_slice();
    arrays
        .jited_ksyms
        .iter()
        .zip(&arrays.jited_func_lens)
        .map(move |(&addr, &len)| {
            let len = usize::try_from(len).unwrap_or(usize::MAX).min(rest.len());
            let (code, tail) = rest.split_at(len);
            rest = tail;
            (addr, code)
        })
}

/// Targets of everything that looks like `call rel32`, `jmp rel32` or `movabs imm64`, at every offset.
fn x86_references(start: u64, code: &[u8], wanted: &mut BTreeSet<u64>) {
    const CALL_REL32: u8 = 0xe8;
    const JMP_REL32: u8 = 0xe9;
    for (offset, tail) in (0_u64..).zip((0..code.len()).map(|at| &code[at..])) {
        match *tail {
            [CALL_REL32 | JMP_REL32, a, b, c, d, ..] => {
                let next = start.wrapping_add(offset + 5);
                wanted.insert(next.wrapping_add_signed(i32::from_le_bytes([a, b, c, d]).into()));
            }
            [0x48 | 0x49, 0xb8..=0xbf, a, b, c, d, e, f, g, h, ..] => {
                wanted.insert(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
            }
            _ => {}
        }
    }
}

/// Runs `each` over addresses and names until it gives something.
fn find_symbol<T>(mut each: impl FnMut(u64, &str) -> Option<T>) -> Option<T> {
    let mut reader = BufReader::with_capacity(1 << 16, File::open("/proc/kallsyms").ok()?);
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some((addr, name)) = parse(&line)
            && let Some(found) = each(addr, name)
        {
            return Some(found);
        }
    }
}

/// `address type name [module]`.
fn parse(line: &str) -> Option<(u64, &str)> {
    let mut fields = line.split_ascii_whitespace();
    let addr = u64::from_str_radix(fields.next()?, 16).ok()?;
    Some((addr, fields.nth(1)?))
}

fn address_of(symbol: &str) -> Option<u64> {
    find_symbol(|addr, name| (name == symbol && addr != 0).then_some(addr))
}

/// The first name of each wanted address that has one.
fn names(wanted: &BTreeSet<u64>) -> BTreeMap<u64, String> {
    let mut names = BTreeMap::new();
    let _: Option<()> = find_symbol(|addr, name| {
        if wanted.contains(&addr) {
            names.entry(addr).or_insert_with(|| name.to_owned());
        }
        None
    });
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbol_lines() {
        assert_eq!(
            parse("ffffffff81000000 T _text\n"),
            Some((0xffff_ffff_8100_0000, "_text"))
        );
        assert_eq!(
            parse("ffffffffc0000000 t bpf_prog_6deef7357e7b4530_x\t[bpf]"),
            Some((0xffff_ffff_c000_0000, "bpf_prog_6deef7357e7b4530_x"))
        );
        assert_eq!(parse("xyz T _text"), None);
        assert_eq!(parse("12 T"), None);
    }

    #[test]
    fn references() {
        let mut wanted = BTreeSet::new();
        x86_references(
            0x1000,
            &[
                0x90, 0xe8, 0xfa, 0xff, 0xff, 0xff, 0x48, 0xbf, 1, 2, 3, 4, 5, 6, 7, 8, 0xe8, 0,
            ],
            &mut wanted,
        );
        assert!(wanted.contains(&0x1000));
        assert!(wanted.contains(&0x0807_0605_0403_0201));
        let call = [0x85, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff];
        assert_eq!(
            call_displacements(&call).into_iter().collect::<Vec<_>>(),
            [-2]
        );
        assert!(call_displacements(&call[..7]).is_empty());
    }
}

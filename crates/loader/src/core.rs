//! CO-RE in instructions: the compiler's number is replaced by the kernel's.
//!
//! Four shapes hold such a number: the immediate of arithmetic, the offset of a load or store, and the two immediates of
//! a wide load. An access of a field that has another size in the kernel gets that size, where the meaning stays. An
//! instruction whose question has no answer becomes a call of a helper that does not exist: the program loads as long
//! as the verifier sees that it cannot be reached.

use crate::error::CoreFlaw;
use skep_btf::core::{Answer, Width};
use skep_isa::RawInsn;

/// Bytes of a slot.
const SLOT: usize = RawInsn::SIZE;
/// Opcode of a call.
const CALL: u8 = 0x85;
/// Opcode of a wide load.
const LOAD_WIDE: u8 = 0x18;
/// Helper number that stands for "no answer"; the verifier's log shows it, so it is libbpf's (`0xbad2310`).
const UNANSWERED: i32 = 0x0bad_2310;
/// Bits of an opcode that hold its class.
const CLASS: u8 = 0x07;
/// Class of loads.
const LDX: u8 = 0x01;
/// Class of stores of immediates.
const ST: u8 = 0x02;
/// Class of stores of registers.
const STX: u8 = 0x03;
/// Class of 32-bit arithmetic.
const ALU: u8 = 0x04;
/// Class of 64-bit arithmetic.
const ALU64: u8 = 0x07;
/// Set where the second operand is a register.
const FROM_REGISTER: u8 = 0x08;
/// Bits of a load's or store's opcode that hold its size, and the sizes in bytes.
const SIZE: u8 = 0x18;
const SIZES: [(u8, u32); 4] = [(0x00, 4), (0x08, 2), (0x10, 1), (0x18, 8)];

/// Writes an answer into the instruction at the start of `insns`, which holds the rest of the function.
pub(crate) fn patch(insns: &mut [u8], answer: Answer) -> Result<(), CoreFlaw> {
    let mut insn = slot(insns, 0).ok_or(CoreFlaw::Outside)?;
    let Some(value) = answer.value else {
        return poison(insns, insn);
    };
    match insn.code & CLASS {
        _ if insn.code == LOAD_WIDE => return patch_wide(insns, insn, answer.written, value),
        ALU | ALU64 => {
            if insn.code & FROM_REGISTER != 0 {
                return Err(CoreFlaw::Instruction(insn.code));
            }
            let holds = i64::from(insn.imm).cast_unsigned();
            expect(holds, answer.written)?;
            insn.imm = low_half(value);
        }
        LDX | ST | STX => {
            if answer.width == Width::Incompatible {
                return poison(insns, insn);
            }
            expect(i64::from(insn.off).cast_unsigned(), answer.written)?;
            insn.off = i16::try_from(value).map_err(|_| CoreFlaw::TooFar(value))?;
            if let Width::Changed(old, new) = answer.width {
                insn.code = resized(insn.code, old, new)?;
            }
        }
        _ => return Err(CoreFlaw::Instruction(insn.code)),
    }
    set_slot(insns, 0, insn);
    Ok(())
}

fn patch_wide(
    insns: &mut [u8],
    first: RawInsn,
    written: Option<u64>,
    value: u64,
) -> Result<(), CoreFlaw> {
    let second = slot(insns, 1).ok_or(CoreFlaw::Outside)?;
    if first.src != 0 || first.off != 0 || second.code != 0 {
        return Err(CoreFlaw::Instruction(first.code));
    }
    let halves = [first.imm, second.imm].map(|half| u64::from(half.cast_unsigned()));
    expect(halves[0] | halves[1] << 32, written)?;
    let imm = low_half(value);
    set_slot(insns, 0, RawInsn { imm, ..first });
    let imm = low_half(value >> 32);
    set_slot(insns, 1, RawInsn { imm, ..second });
    Ok(())
}

/// Replaces an instruction, both slots of a wide one, by the call that cannot be made.
fn poison(insns: &mut [u8], insn: RawInsn) -> Result<(), CoreFlaw> {
    let poisoned = RawInsn {
        code: CALL,
        imm: UNANSWERED,
        ..RawInsn::default()
    };
    if insn.code == LOAD_WIDE {
        if slot(insns, 1).is_none() {
            return Err(CoreFlaw::Outside);
        }
        set_slot(insns, 1, poisoned);
    }
    set_slot(insns, 0, poisoned);
    Ok(())
}

fn expect(holds: u64, written: Option<u64>) -> Result<(), CoreFlaw> {
    match written {
        Some(expected) if expected != holds => Err(CoreFlaw::Unexpected { holds, expected }),
        Some(_) | None => Ok(()),
    }
}

/// The opcode of an access of `new` bytes in place of `old`.
fn resized(code: u8, old: u32, new: u32) -> Result<u8, CoreFlaw> {
    let (_, bytes) = SIZES[usize::from((code & SIZE) >> 3)];
    if bytes != old {
        return Err(CoreFlaw::AccessSize { bytes, field: old });
    }
    let size = SIZES.iter().find(|(_, bytes)| *bytes == new);
    let (size, _) = size.ok_or(CoreFlaw::FieldSize(new))?;
    Ok(code & !SIZE | size)
}

fn slot(insns: &[u8], at: usize) -> Option<RawInsn> {
    let bytes = insns.get(at * SLOT..)?.first_chunk()?;
    Some(RawInsn::from_bytes(*bytes))
}

fn set_slot(insns: &mut [u8], at: usize, insn: RawInsn) {
    insns[at * SLOT..][..SLOT].copy_from_slice(&insn.to_bytes());
}

fn low_half(value: u64) -> i32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn answer(written: u64, value: Option<u64>, width: Width) -> Answer {
        Answer {
            written: Some(written),
            value,
            width,
        }
    }

    /// Instruction, answer, what becomes of it.
    #[test]
    fn numbers_are_replaced_where_instructions_hold_them() {
        let same = Width::Same;
        let cases: &[(&str, Answer, &str)] = &[
            (
                "b701000008000000",
                answer(8, Some(16), same),
                "b701000010000000",
            ),
            (
                "0701000008000000",
                answer(8, Some(0), same),
                "0701000000000000",
            ),
            (
                "7911080000000000",
                answer(8, Some(24), same),
                "7911180000000000",
            ),
            (
                "6111080000000000",
                answer(8, Some(8), Width::Changed(4, 8)),
                "7911080000000000",
            ),
            (
                "7b21080000000000",
                answer(8, Some(4), Width::Changed(8, 1)),
                "7321040000000000",
            ),
            (
                "6111080000000000",
                answer(8, Some(8), Width::Incompatible),
                "850000001023ad0b",
            ),
            (
                "b701000008000000",
                answer(8, None, same),
                "850000001023ad0b",
            ),
            (
                "18010000080000000000000000000000",
                answer(8, Some(0x1_0000_0002), same),
                "18010000020000000000000001000000",
            ),
            (
                "18010000080000000000000000000000",
                answer(8, None, same),
                "850000001023ad0b850000001023ad0b",
            ),
        ];
        for (before, answer, after) in cases {
            let mut insns = bytes(before);
            patch(&mut insns, *answer).unwrap();
            assert_eq!(insns, bytes(after), "{before}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_refused() {
        let same = Width::Same;
        let cases: &[(&str, Answer)] = &[
            ("b701000008000000", answer(4, Some(16), same)),
            ("bf21000000000000", answer(0, Some(16), same)),
            ("9500000000000000", answer(0, Some(16), same)),
            ("7911080000000000", answer(8, Some(0x8000), same)),
            ("7911080000000000", answer(8, Some(8), Width::Changed(4, 8))),
            ("7911080000000000", answer(8, Some(8), Width::Changed(8, 3))),
            ("1801000008000000", answer(8, Some(16), same)),
            ("1801000008000000", answer(8, None, same)),
            ("", answer(8, None, same)),
        ];
        for (before, answer) in cases {
            assert!(patch(&mut bytes(before), *answer).is_err(), "{before}");
        }
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex
            .chars()
            .map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap())
            .collect();
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()
    }
}

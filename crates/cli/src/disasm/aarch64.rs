//! 64-bit Arm code. `yaxpeax-arm` decodes and words; numbers are turned into decimal as LLVM prints them.

use super::MachineInsn;
use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::{ARMv8, Operand};

const INSN_BYTES: usize = 4;

pub(super) fn disassemble(
    code: &[u8],
    address: u64,
    symbol: &dyn Fn(u64) -> Option<String>,
) -> Vec<MachineInsn> {
    let mut out = Vec::new();
    let mut wide = WideMove::default();
    for (number, bytes) in code.chunks(INSN_BYTES).enumerate() {
        let offset = number * INSN_BYTES;
        let here = address.wrapping_add(u64::try_from(offset).unwrap_or_default());
        out.push(MachineInsn {
            offset,
            bytes: bytes.to_vec(),
            text: one(bytes, here, symbol, &mut wide),
        });
    }
    out
}

/// The value that a run of `mov`, `movk` builds up in one register.
#[derive(Default)]
struct WideMove {
    register: u32,
    value: u64,
}

impl WideMove {
    /// Follows one instruction; the value if it was one of these.
    fn follow(&mut self, word: u32) -> Option<u64> {
        let register = word & 0x1f;
        let shift = 16 * ((word >> 21) & 3);
        let immediate = u64::from((word >> 5) & 0xffff) << shift;
        // 64-bit MOVN, MOVZ and MOVK (Arm ARM C6.2: move wide immediate).
        match word >> 23 {
            0b1_0010_0101 => self.value = !immediate,
            0b1_1010_0101 => self.value = immediate,
            0b1_1110_0101 if self.register == register => {
                self.value = self.value & !(0xffff << shift) | immediate
            }
            _ => return None,
        }
        self.register = register;
        Some(self.value)
    }
}

fn one(
    bytes: &[u8],
    address: u64,
    symbol: &dyn Fn(u64) -> Option<String>,
    wide: &mut WideMove,
) -> String {
    let Ok(word) = <[u8; INSN_BYTES]>::try_from(bytes).map(u32::from_le_bytes) else {
        let text: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
        return format!(".byte\t{}", text.join(", "));
    };
    let built = wide.follow(word);
    let Ok(insn) =
        <ARMv8 as yaxpeax_arch::Arch>::Decoder::default().decode(&mut U8Reader::new(bytes))
    else {
        return format!(".long\t{word:#x}");
    };
    let target = insn.operands.iter().find_map(|operand| match operand {
        Operand::PCOffset(distance) => Some(address.wrapping_add_signed(*distance)),
        _ => None,
    });
    let text = insn.to_string();
    let (mnemonic, operands) = text.split_once(' ').unwrap_or((text.as_str(), ""));
    let operands = match (target, mnemonic) {
        // The distance is the last operand.
        (Some(target), _) => match operands.rsplit_once(", ") {
            Some((first, _)) => format!("{}, {target:#x}", decimal(first, u64::cast_signed)),
            None => format!("{target:#x}"),
        },
        // Masks stay hexadecimal.
        (None, "and" | "ands" | "orr" | "eor" | "tst") if has_immediate(operands) => {
            operands.to_owned()
        }
        (None, "mov") if operands.starts_with('w') => decimal(operands, signed32),
        (None, _) => decimal(operands, u64::cast_signed),
    };
    let mut text = match landing_pad(word) {
        Some(text) => text.to_owned(),
        None if operands.is_empty() => mnemonic.to_owned(),
        None => format!("{mnemonic}\t{operands}"),
    };
    if let Some(name) = target.or(built).and_then(symbol) {
        text.push_str(&format!(" <{name}>"));
    }
    text
}

/// Whether the last operand is an immediate.
fn has_immediate(operands: &str) -> bool {
    operands
        .rsplit(", ")
        .next()
        .is_some_and(|last| last.starts_with('#'))
}

/// Branch targets (`bti`), which are hints to older processors.
fn landing_pad(word: u32) -> Option<&'static str> {
    match word {
        0xd503_241f => Some("bti"),
        0xd503_245f => Some("bti\tc"),
        0xd503_249f => Some("bti\tj"),
        0xd503_24df => Some("bti\tjc"),
        _ => None,
    }
}

/// A number of 32 bits as a signed one.
fn signed32(value: u64) -> i64 {
    u32::try_from(value).map_or(value.cast_signed(), |value| value.cast_signed().into())
}

/// Hexadecimal numbers as signed decimal ones.
fn decimal(operands: &str, signed: fn(u64) -> i64) -> String {
    let mut out = String::with_capacity(operands.len());
    let mut rest = operands;
    while let Some(at) = rest.find("0x") {
        let (before, number) = rest.split_at(at);
        let digits = number.get(2..).unwrap_or_default();
        let len = digits
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(digits.len());
        let (digits, after) = digits.split_at(len);
        out.push_str(before);
        match u64::from_str_radix(digits, 16) {
            Ok(value) => out.push_str(&signed(value).to_string()),
            Err(_) => {
                out.push_str("0x");
                out.push_str(digits);
            }
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Words and LLVM's text for them, each at its address in the list.
    #[test]
    fn words_as_llvm_words_them() {
        let cases: Vec<(u32, &str)> = include_str!("../../tests/data/aarch64.txt")
            .lines()
            .map(|line| line.split_once('\t').unwrap())
            .map(|(word, text)| (u32::from_str_radix(word, 16).unwrap(), text))
            .collect();
        let code: Vec<u8> = cases
            .iter()
            .flat_map(|(word, _)| word.to_le_bytes())
            .collect();
        let got = disassemble(&code, 0, &|_| None);
        let different: String = got
            .iter()
            .zip(&cases)
            .filter(|(got, (_, want))| got.text != *want)
            .map(|(got, (_, want))| format!("{want} | {}\n", got.text))
            .collect();
        assert_eq!(different, "");
    }

    #[test]
    fn numbers_become_decimal() {
        assert_eq!(
            decimal("x29, x30, [sp, #-0x10]!", u64::cast_signed),
            "x29, x30, [sp, #-16]!"
        );
        assert_eq!(
            decimal("x0, #0xfffffffffffffffe", u64::cast_signed),
            "x0, #-2"
        );
    }
}

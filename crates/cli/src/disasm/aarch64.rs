//! 64-bit Arm code. `yaxpeax-arm` decodes and words; numbers are turned into decimal as LLVM prints them.

use super::MachineInsn;
use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::{ARMv8, Operand};

const INSN_BYTES: usize = 4;

pub(super) fn disassemble(code: &[u8], address: u64, symbol: &dyn Fn(u64) -> Option<String>) -> Vec<MachineInsn> {
    let mut out = Vec::new();
    let mut wide = WideMove::default();
    for (number, bytes) in code.chunks(INSN_BYTES).enumerate() {
        let offset = number * INSN_BYTES;
        let here = address.wrapping_add(u64::try_from(offset).unwrap_or_default());
        out.push(MachineInsn { offset, bytes: bytes.to_vec(), text: one(bytes, here, symbol, &mut wide) });
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
            0b1_1110_0101 if self.register == register => self.value = self.value & !(0xffff << shift) | immediate,
            _ => return None,
        }
        self.register = register;
        Some(self.value)
    }
}

fn one(bytes: &[u8], address: u64, symbol: &dyn Fn(u64) -> Option<String>, wide: &mut WideMove) -> String {
    let Ok(word) = <[u8; INSN_BYTES]>::try_from(bytes).map(u32::from_le_bytes) else {
        let text: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
        return format!(".byte\t{}", text.join(", "));
    };
    let built = wide.follow(word);
    let Ok(insn) = <ARMv8 as yaxpeax_arch::Arch>::Decoder::default().decode(&mut U8Reader::new(bytes)) else {
        return format!(".long\t{word:#x}");
    };
    let target = insn.operands.iter().find_map(|operand| match operand {
        Operand::PCOffset(distance) => Some(address.wrapping_add_signed(*distance)),
        _ => None,
    });
    let text = insn.to_string();
    let (mnemonic, operands) = text.split_once(' ').unwrap_or((text.as_str(), ""));
    let operands = match target {
        // The distance is the last operand.
        Some(target) => match operands.rsplit_once(", ") {
            Some((first, _)) => format!("{}, {target:#x}", decimal(first)),
            None => format!("{target:#x}"),
        },
        None => decimal(operands),
    };
    let mut text = if operands.is_empty() { mnemonic.to_owned() } else { format!("{mnemonic}\t{operands}") };
    if let Some(name) = target.or(built).and_then(symbol) {
        text.push_str(&format!(" <{name}>"));
    }
    text
}

/// Hexadecimal numbers below 2^31 in decimal; wider ones (addresses, masks) stay.
fn decimal(operands: &str) -> String {
    let mut out = String::with_capacity(operands.len());
    let mut rest = operands;
    while let Some(at) = rest.find("0x") {
        let (before, number) = rest.split_at(at);
        let digits = number.get(2..).unwrap_or_default();
        let len = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
        let (digits, after) = digits.split_at(len);
        out.push_str(before);
        match u32::from_str_radix(digits, 16) {
            Ok(value) if value < 1 << 31 => out.push_str(&value.to_string()),
            Ok(_) | Err(_) => {
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
    use super::*;

    #[test]
    fn numbers_become_decimal() {
        assert_eq!(decimal("x29, x30, [sp, #-0x10]!"), "x29, x30, [sp, #-16]!");
        assert_eq!(decimal("x0, #0xffff0000ffff0000"), "x0, #0xffff0000ffff0000");
    }
}

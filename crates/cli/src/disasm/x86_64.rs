//! x86-64 code in LLVM's AT&T wording.
//!
//! `iced-x86` decodes; its GNU formatter is close to LLVM's. What differs is bent here: a tab after the mnemonic, decimal
//! numbers, a `lock` prefix as an instruction of its own, and signs of immediates by their encoding.

use super::MachineInsn;
use iced_x86::{
    Code, Decoder, DecoderOptions, Formatter, GasFormatter, Instruction, MemorySizeOptions,
    Mnemonic, NumberBase, OpKind, Register,
};

const BITS: u32 = 64;
const LOCK: u8 = 0xf0;

pub(super) fn disassemble(
    code: &[u8],
    address: u64,
    symbol: &dyn Fn(u64) -> Option<String>,
) -> Vec<MachineInsn> {
    let mut formatter = formatter();
    let mut out = Vec::new();
    let mut offset = 0;
    while let Some(rest) = code.get(offset..).filter(|rest| !rest.is_empty()) {
        let (text, len) = match rest {
            [LOCK, ..] => ("lock".to_owned(), 1),
            _ => one(
                &mut formatter,
                rest,
                address.wrapping_add(u64::try_from(offset).unwrap_or_default()),
                symbol,
            ),
        };
        out.push(MachineInsn {
            offset,
            bytes: rest.iter().take(len).copied().collect(),
            text,
        });
        offset += len;
    }
    out
}

fn formatter() -> GasFormatter {
    let mut formatter = GasFormatter::new();
    let options = formatter.options_mut();
    options.set_number_base(NumberBase::Decimal);
    options.set_signed_immediate_operands(false);
    options.set_signed_memory_displacements(true);
    options.set_displacement_leading_zeros(false);
    options.set_branch_leading_zeros(false);
    options.set_uppercase_hex(false);
    options.set_small_hex_numbers_in_decimal(true);
    options.set_space_after_operand_separator(true);
    options.set_gas_show_mnemonic_size_suffix(true);
    options.set_memory_size_options(MemorySizeOptions::Default);
    options.set_show_branch_size(false);
    options.set_rip_relative_addresses(true);
    formatter
}

/// The first instruction of `code` and its length.
fn one(
    formatter: &mut GasFormatter,
    code: &[u8],
    address: u64,
    symbol: &dyn Fn(u64) -> Option<String>,
) -> (String, usize) {
    let mut decoder = Decoder::with_ip(BITS, code, address, DecoderOptions::NONE);
    let insn = decoder.decode();
    if insn.code() == Code::INVALID {
        let byte = code.first().copied().unwrap_or_default();
        return (format!(".byte\t0x{byte:02x}"), 1);
    }
    let mut text = String::new();
    let known = if is_branch(&insn) {
        formatter.format_mnemonic(&insn, &mut text);
        let target = insn.near_branch_target();
        text = format!("{} {target:#x}", branch_mnemonic(&text));
        symbol(target)
    } else {
        if has_signed_immediate(&insn) {
            formatter.options_mut().set_signed_immediate_operands(true);
        }
        formatter.format(&insn, &mut text);
        formatter.options_mut().set_signed_immediate_operands(false);
        immediate64(&insn).and_then(symbol)
    };
    let text = llvm_form(&insn, text);
    let mut text = llvm_text(&text);
    if let Some(name) = known {
        text.push_str(&format!(" <{name}>"));
    }
    (text, insn.len())
}

/// What LLVM words otherwise.
fn llvm_form(insn: &Instruction, text: String) -> String {
    match insn.mnemonic() {
        Mnemonic::Leave => "leave".to_owned(),
        Mnemonic::Xchg if text.ends_with("%ax, %ax") => "nop".to_owned(),
        Mnemonic::Nop if text.ends_with("%ax, %ax") => "nop".to_owned(),
        // A shift by the implied one names no count.
        Mnemonic::Shl
        | Mnemonic::Shr
        | Mnemonic::Sar
        | Mnemonic::Rol
        | Mnemonic::Ror
        | Mnemonic::Rcl
        | Mnemonic::Rcr
            if is_shift_by_one(insn.code()) =>
        {
            text.replacen("$1, ", "", 1)
        }
        // The destination is named even if it is the source.
        Mnemonic::Imul if insn.op_count() == 3 && text.matches('%').count() == 1 => {
            match text.rsplit_once('%') {
                Some((_, register)) => format!("{text}, %{register}"),
                None => text,
            }
        }
        _ => signed_absolute(insn, text),
    }
}

/// An address without registers is a displacement of 32 bits, which LLVM prints with its sign.
fn signed_absolute(insn: &Instruction, text: String) -> String {
    let absolute = insn.memory_base() == Register::None && insn.memory_index() == Register::None;
    let displacement = insn.memory_displacement64();
    let signed = displacement.cast_signed();
    if absolute && signed < 0 {
        text.replacen(&displacement.to_string(), &signed.to_string(), 1)
    } else {
        text
    }
}

fn is_shift_by_one(code: Code) -> bool {
    let name = format!("{code:?}");
    name.ends_with("_1")
}

fn is_branch(insn: &Instruction) -> bool {
    matches!(
        insn.op0_kind(),
        OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64
    )
}

/// LLVM has a size suffix on calls only.
fn branch_mnemonic(text: &str) -> &str {
    match text {
        "call" | "callq" => "callq",
        "jmpq" => "jmp",
        other => other,
    }
}

/// The immediate of `movabs`, which may be an address.
fn immediate64(insn: &Instruction) -> Option<u64> {
    (insn.op_count() == 2 && insn.op1_kind() == OpKind::Immediate64).then(|| insn.immediate64())
}

/// LLVM prints immediates as they were encoded: sign-extended ones with their sign, others as unsigned numbers, except
/// that 64-bit ones are signed.
fn has_signed_immediate(insn: &Instruction) -> bool {
    (0..insn.op_count()).any(|operand| {
        matches!(
            insn.op_kind(operand),
            OpKind::Immediate8
                | OpKind::Immediate8to16
                | OpKind::Immediate8to32
                | OpKind::Immediate8to64
                | OpKind::Immediate32to64
                | OpKind::Immediate64
        )
    })
}

fn llvm_text(text: &str) -> String {
    match text.split_once(' ') {
        None => text.to_owned(),
        Some((mnemonic, operands)) => format!("{mnemonic}\t{}", operands.trim_start()),
    }
}

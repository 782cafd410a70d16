//! Which native register holds what (ARCHITECTURE.md, "Run-time ABI").

use super::asm::{Gpr, Mem, OpSize};
use crate::driver::Address;
use skep_isa::{Reg, Size, Width};

/// The run context.
pub(super) const RUN_CTX: Gpr = Gpr::R12;
/// Sixth argument of a helper.
pub(super) const HELPER_RUN_CTX: Gpr = Gpr::R9;
/// Second argument of an entry: the run context.
pub(super) const ENTRY_RUN_CTX: Gpr = Gpr::RSI;

const NATIVE: [Gpr; Reg::COUNT] = [
    Gpr::RAX,
    Gpr::RDI,
    Gpr::RSI,
    Gpr::RDX,
    Gpr::RCX,
    Gpr::R8,
    Gpr::RBX,
    Gpr::R13,
    Gpr::R14,
    Gpr::R15,
    Gpr::RBP,
];

/// The native register of a BPF register.
pub(super) fn native(reg: Reg) -> Gpr {
    NATIVE[reg.index()]
}

/// The native memory operand of an address.
pub(super) fn memory(address: Address) -> Mem {
    Mem {
        base: native(address.base),
        disp: i32::from(address.off),
    }
}

impl From<Width> for OpSize {
    fn from(width: Width) -> Self {
        match width {
            Width::W32 => Self::W32,
            Width::W64 => Self::W64,
        }
    }
}

impl From<Size> for OpSize {
    fn from(size: Size) -> Self {
        match size {
            Size::B => Self::B8,
            Size::H => Self::W16,
            Size::W => Self::W32,
            Size::Dw => Self::W64,
        }
    }
}

//! Which native register holds what (ARCHITECTURE.md, "Run-time ABI").
//!
//! Scratch registers by use: x9 a constant operand, an old value or a call's target; x10 a quotient, a new value or an
//! offset; x11 the status of an exclusive store; x12 the address of an atomic access.

use super::asm::{Access, Gpr, Mem, OpSize};
use crate::driver::Address;
use skep_isa::{Reg, Size, Width};

/// The run context.
pub(super) const RUN_CTX: Gpr = Gpr::X23;
/// Sixth argument of a helper.
pub(super) const HELPER_RUN_CTX: Gpr = Gpr::X5;
/// Second argument of an entry: the run context.
pub(super) const ENTRY_RUN_CTX: Gpr = Gpr::X1;
/// r0, which is not where a function returns it: x0 is r1, so that calls need no moves of arguments.
pub(super) const R0: Gpr = Gpr::X7;
/// Where a function, native or BPF, returns its result.
pub(super) const RESULT: Gpr = Gpr::X0;
/// r10.
pub(super) const FRAME: Gpr = Gpr::X25;

/// A constant operand, an old value, the target of a call.
pub(super) const OPERAND: Gpr = Gpr::X9;
/// A quotient, a new value.
pub(super) const SECOND: Gpr = Gpr::X10;
/// The status of an exclusive store.
pub(super) const STATUS: Gpr = Gpr::X11;
/// The address of an atomic access.
pub(super) const ADDRESS: Gpr = Gpr::X12;

const NATIVE: [Gpr; Reg::COUNT] = [
    R0,
    Gpr::X0,
    Gpr::X1,
    Gpr::X2,
    Gpr::X3,
    Gpr::X4,
    Gpr::X19,
    Gpr::X20,
    Gpr::X21,
    Gpr::X22,
    FRAME,
];

/// The native register of a BPF register.
pub(super) fn native(reg: Reg) -> Gpr {
    NATIVE[reg.index()]
}

/// The native memory operand of an address.
pub(super) fn memory(address: Address) -> Mem {
    Mem {
        base: native(address.base),
        off: i32::from(address.off),
    }
}

impl From<Width> for OpSize {
    fn from(width: Width) -> Self {
        match width {
            Width::W32 => Self::W,
            Width::W64 => Self::X,
        }
    }
}

impl From<Size> for Access {
    fn from(size: Size) -> Self {
        match size {
            Size::B => Self::B1,
            Size::H => Self::B2,
            Size::W => Self::B4,
            Size::Dw => Self::B8,
        }
    }
}

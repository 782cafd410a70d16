//! Lowering of instruction shapes, one file per family.

pub(super) mod alu;
pub(super) mod atomic;
pub(super) mod branch;
pub(super) mod call;
pub(super) mod mem;
pub(super) mod muldiv;
pub(super) mod shift;
pub(super) mod swap;
pub(super) mod tail_call;

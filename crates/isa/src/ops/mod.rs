//! The families of operations, one table each: code, kernel text and meaning of every operation stand in one row, and
//! the enum, its list, its codes, its text and its evaluation derive from that row.
//!
//! The evaluators are the only statement of scalar meaning in skep: interpreter and constant folding call them. They
//! are total: no operand makes them panic.
//! This module does not know registers, memory or programs.

mod alu;
mod atomic;
mod class;
mod jmp;
mod mem;
mod swap;

pub use alu::{AluOp, eval_mov, eval_movsx, eval_neg};
pub use atomic::AtomicOp;
pub(crate) use class::{Class, SOURCE_REG, special};
pub use jmp::JmpOp;
pub(crate) use mem::Mode;
pub use mem::{Size, Width};
pub use swap::SwapKind;

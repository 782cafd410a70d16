//! The BPF instruction set (RFC 9669 and what Linux 6.18 adds).
//!
//! One table per family of operations names code, text and meaning (`ops`); everything else derives from it: the
//! shapes that the rest of skep matches on (`insn`), the wire format (`raw`, `decode`, `encode`), assembler and
//! disassembler text ([`text`]), and the scalar semantics that interpreter and constant folding share.
//!
//! Invariants: a decoded [`Insn`] has no reserved bits set and no register above r10; a [`Program`] holds one entry
//! per *slot*, so that an index is the kernel's instruction index (the second half of a wide instruction is
//! [`Insn::Imm64High`]).
//! This crate does not know contexts, helpers' prototypes, maps or the meaning of a pseudo source beyond its number.
//! Classic BPF is not here yet; its conversion will be a module beside `decode` that yields a [`Program`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod decode;
mod encode;
mod insn;
mod ops;
mod program;
mod raw;
pub mod text;

pub use decode::{DecodeError, DecodeErrorKind, Family, decode, decode_bytes, decode_one};
pub use insn::*;
pub use ops::{AluOp, AtomicOp, JmpOp, Size, SwapKind, Width, eval_mov, eval_movsx, eval_neg};
pub use program::Program;
pub use raw::RawInsn;

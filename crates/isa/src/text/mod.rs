//! Instructions as text: two disassemblers ([`kernel`], [`llvm`]) and the assembler ([`assemble`]) of the kernel's
//! syntax.
//!
//! The disassemblers print one instruction each and know no names: what a call or an address is called comes through
//! a hook ([`Names`], [`llvm::Symbols`]). Both print every instruction that decodes; nothing here fails but assembly.

mod asm;
mod asm_lex;
mod asm_parse;
pub mod kernel;
pub mod llvm;

pub use asm::{AsmError, AsmErrorKind, assemble, assemble_with};
pub use kernel::{AsmNames, Names, PlainNames};

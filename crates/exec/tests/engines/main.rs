//! The engines against the meaning of each instruction, and against each other.
//!
//! Programs here are made of instructions that the verifier need not accept; each runs on the trusted interpreter and as
//! machine code, where this host has a compiler. What they give is compared with `isa`'s evaluation, or with a model
//! of the instruction beside the test.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod atomics;
mod cases;
mod control;
mod memory;
mod rig;
mod scalars;

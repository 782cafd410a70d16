//! 64-bit Arm, AAPCS64, little-endian.
//!
//! Registers are those of ARCHITECTURE.md: r1 to r5 sit where a helper expects its arguments, so that a call needs no
//! moves but that of its result. x9 to x12 are scratch within one instruction and hold nothing between two. The flags
//! hold nothing between two either.
//!
//! `asm` encodes, `imm` are the immediates that have an encoding, `branch` the sized branches, `frame` is prologue and
//! epilogue, `lower` has one file per family of shapes, `fuse` the pairs with a shorter sequence of their own.

mod asm;
mod branch;
mod frame;
mod fuse;
mod imm;
mod lower;
mod regs;

use crate::driver::{self, Address, Backend, Condition, FunctionPlan, RunCtxUse, Wide};
use crate::layout::{Label, Stream};
use crate::{CallModel, Code, CompileError, Options};
use asm::Asm;
use branch::A64Branch;
use frame::Frame;
use lower::alu::Operands;
use regs::native;
use skep_isa::{AluOp, AtomicOp, Insn, Operand, Reg, Size, SwapKind, Width};
use skep_xlate::Xlated;

/// Compiles for aarch64.
///
/// # Errors
/// See [`CompileError`].
pub(crate) fn compile(program: &Xlated, options: &Options) -> Result<Code, CompileError> {
    let backend = Aarch64 {
        asm: Asm::new(program.insns().len()),
        frame: Frame::default(),
    };
    driver::compile(program, options, backend, |backend| {
        backend.asm.into_stream()
    })
}

struct Aarch64 {
    asm: Asm,
    /// Frame of the function that is being emitted.
    frame: Frame,
}

impl Backend for Aarch64 {
    type Branch = A64Branch;

    fn stream(&mut self) -> &mut Stream<A64Branch> {
        self.asm.stream()
    }

    fn begin_function(&mut self, plan: &FunctionPlan) {
        self.frame = Frame::new(plan);
        self.frame.enter(&mut self.asm);
    }

    fn end_function(&mut self) {}

    fn fuse(&mut self, first: &Insn, second: &Insn) -> bool {
        fuse::pair(&mut self.asm, &self.frame, first, second)
    }

    fn alu(&mut self, op: AluOp, width: Width, dst: Reg, src: Operand) {
        lower::alu::alu(&mut self.asm, op, Operands::in_place(width, dst, src));
    }

    fn neg(&mut self, width: Width, dst: Reg) {
        lower::alu::neg(&mut self.asm, width, dst);
    }

    fn mov(&mut self, width: Width, dst: Reg, src: Operand) {
        lower::alu::mov(&mut self.asm, width, native(dst), src);
    }

    fn mov_sx(&mut self, width: Width, dst: Reg, src: Reg, from: Size) {
        lower::alu::mov_sx(&mut self.asm, width, dst, src, from);
    }

    fn swap(&mut self, kind: SwapKind, dst: Reg, size: Size) {
        lower::swap::swap(&mut self.asm, kind, dst, size);
    }

    fn load_wide(&mut self, dst: Reg, value: Wide) {
        lower::mem::load_wide(&mut self.asm, dst, value);
    }

    fn load(&mut self, size: Size, dst: Reg, address: Address) {
        lower::mem::load(&mut self.asm, size, dst, address);
    }

    fn load_sx(&mut self, size: Size, dst: Reg, address: Address) {
        lower::mem::load_sx(&mut self.asm, size, dst, address);
    }

    fn store(&mut self, size: Size, address: Address, src: Operand) {
        lower::mem::store(&mut self.asm, size, address, src);
    }

    fn atomic(&mut self, op: AtomicOp, size: Size, address: Address, value: Reg) {
        lower::atomic::atomic(&mut self.asm, op, size, address, value);
    }

    fn jump(&mut self, target: Label) {
        self.asm.branch(A64Branch::Jump, target);
    }

    fn jump_if(&mut self, condition: Condition, target: Label) {
        lower::branch::jump_if(&mut self.asm, condition, target);
    }

    fn may_goto(&mut self, target: Label) {
        lower::branch::may_goto(&mut self.asm, target);
    }

    fn call_helper(&mut self, id: u32, run: RunCtxUse, model: CallModel) {
        lower::call::helper(&mut self.asm, id, run, model);
    }

    fn call_local(&mut self, function: Label) {
        lower::call::local(&mut self.asm, function);
    }

    fn tail_call(&mut self, model: CallModel) {
        lower::tail_call::tail_call(&mut self.asm, &self.frame, model);
    }

    fn exit(&mut self) {
        self.frame.exit(&mut self.asm);
    }

    fn callback_thunk(&mut self) {
        lower::call::callback_thunk(&mut self.asm);
    }
}

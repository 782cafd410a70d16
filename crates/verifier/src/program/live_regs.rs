//! Which registers may still be read, per instruction: one backward pass over the whole program, function by function.

use super::kfuncs::kfunc_params;
use super::structure::successors;
use crate::env::Env;
use skep_contracts::{ArgKind, helper};
use skep_isa::{AtomicOp, CallTarget, Insn, InsnIdx, Operand, Reg};
use skep_uapi::HelperId;

/// Registers as bits.
type Regs = u16;

const CALL_CLOBBERS: Regs = 0b11_1111;
const CALL_ARGS: Regs = 0b11_1110;

const fn bit(reg: Reg) -> Regs {
    1 << reg.number()
}

fn operand(operand: Operand) -> Regs {
    match operand {
        Operand::Reg(reg) => bit(reg),
        Operand::Imm(_) => 0,
    }
}

/// Registers live before each instruction.
pub(crate) fn compute(insns: &[Insn], env: &Env<'_>) -> Vec<Regs> {
    let effects: Vec<(Regs, Regs)> = insns.iter().map(|insn| effect(insn, env)).collect();
    let mut live = vec![0; insns.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for at in (0..insns.len()).rev() {
            let slot = InsnIdx(u32::try_from(at).unwrap_or(u32::MAX));
            let after = successors(insns, slot)
                .into_iter()
                .flatten()
                .fold(0, |all, next| all | live[next.index()]);
            let (used, set) = effects[at];
            let before = used | (after & !set);
            changed |= before != live[at];
            live[at] = before;
        }
    }
    live
}

/// Registers that an instruction reads, and those that it overwrites.
fn effect(insn: &Insn, env: &Env<'_>) -> (Regs, Regs) {
    match *insn {
        Insn::Alu { dst, src, .. } => (bit(dst) | operand(src), bit(dst)),
        Insn::Neg { dst, .. } | Insn::Swap { dst, .. } => (bit(dst), bit(dst)),
        Insn::Mov { dst, src, .. } => (operand(src), bit(dst)),
        Insn::MovSx { dst, src, .. } | Insn::AddrSpaceCast { dst, src, .. } => (bit(src), bit(dst)),
        Insn::LoadImm64 { dst, .. } => (0, bit(dst)),
        Insn::Load { dst, base, .. } => (bit(base), bit(dst)),
        Insn::Store { base, src, .. } => (bit(base) | operand(src), 0),
        Insn::Atomic { op, dst, src, .. } => atomic(op, dst, src),
        Insn::LoadAbs { .. } => (bit(Reg::R6), CALL_CLOBBERS),
        Insn::LoadInd { src, .. } => (bit(Reg::R6) | bit(src), CALL_CLOBBERS),
        Insn::JumpIf { dst, src, .. } => (bit(dst) | operand(src), 0),
        Insn::Call(target) => (call_args(target, env), CALL_CLOBBERS),
        Insn::CallReg { reg } => (bit(reg) | CALL_ARGS, CALL_CLOBBERS),
        Insn::Exit => (bit(Reg::R0), 0),
        Insn::Imm64High | Insn::Jump { .. } | Insn::MayGoto { .. } => (0, 0),
    }
}

fn atomic(op: AtomicOp, dst: Reg, src: Reg) -> (Regs, Regs) {
    match op {
        AtomicOp::LoadAcquire => (bit(src), bit(dst)),
        AtomicOp::Cmpxchg => (bit(dst) | bit(src) | bit(Reg::R0), bit(Reg::R0)),
        AtomicOp::Xchg
        | AtomicOp::Add { fetch: true }
        | AtomicOp::Or { fetch: true }
        | AtomicOp::And { fetch: true }
        | AtomicOp::Xor { fetch: true } => (bit(dst) | bit(src), bit(src)),
        AtomicOp::Add { fetch: false }
        | AtomicOp::Or { fetch: false }
        | AtomicOp::And { fetch: false }
        | AtomicOp::Xor { fetch: false }
        | AtomicOp::StoreRelease => (bit(dst) | bit(src), 0),
    }
}

/// A helper or kernel function reads as many registers as its prototype has arguments.
fn call_args(target: CallTarget, env: &Env<'_>) -> Regs {
    let id = match target {
        CallTarget::Helper(id) => id,
        CallTarget::Kfunc { id, .. } => {
            let params = Reg::ALL[1..=5].iter().take(kfunc_params(env, id));
            return params.fold(0, |all, reg| all | bit(*reg));
        }
        CallTarget::Local(_) => return CALL_ARGS,
    };
    let Some(row) = helper(HelperId(id.cast_unsigned())) else {
        return CALL_ARGS;
    };
    let args = Reg::ALL[1..=5].iter().zip(row.args);
    args.filter(|(_, kind)| *kind != ArgKind::None)
        .fold(0, |all, (reg, _)| all | bit(*reg))
}

//! Atomic accesses. Locked instructions are fully ordered, as BPF's fetching operations are; plain loads acquire and plain
//! stores release on this architecture.

use crate::driver::Address;
use crate::x86_64::asm::{Asm, Cond, Gpr, Group1, Mem, OpSize, Rm, op};
use crate::x86_64::regs::{memory, native};
use skep_isa::{AtomicOp, Operand, Reg, Size};

/// The new value in a compare-and-exchange loop.
const NEW: Gpr = Gpr::R11;

/// Keeps rax, or the operand where that is in rax.
const SAVED_RAX: Gpr = Gpr::R9;

/// One atomic access; `value` is the operand, or a load-acquire's destination.
pub(in crate::x86_64) fn atomic(
    asm: &mut Asm,
    op: AtomicOp,
    size: Size,
    address: Address,
    value: Reg,
) {
    let mem = memory(address);
    let reg = native(value);
    match op {
        AtomicOp::Add { fetch: true } => asm.locked(op::XADD, size.into(), reg, mem),
        AtomicOp::Add { fetch: false } => asm.locked(Group1::Add.store(), size.into(), reg, mem),
        AtomicOp::Or { fetch: false } => asm.locked(Group1::Or.store(), size.into(), reg, mem),
        AtomicOp::And { fetch: false } => asm.locked(Group1::And.store(), size.into(), reg, mem),
        AtomicOp::Xor { fetch: false } => asm.locked(Group1::Xor.store(), size.into(), reg, mem),
        AtomicOp::Or { fetch: true } => fetch(asm, Group1::Or, size.into(), mem, reg),
        AtomicOp::And { fetch: true } => fetch(asm, Group1::And, size.into(), mem, reg),
        AtomicOp::Xor { fetch: true } => fetch(asm, Group1::Xor, size.into(), mem, reg),
        // An exchange with memory is locked by itself.
        AtomicOp::Xchg => asm.reg_rm(op::XCHG, size.into(), reg, Rm::Mem(mem)),
        AtomicOp::Cmpxchg => compare_exchange(asm, size.into(), mem, reg),
        AtomicOp::LoadAcquire => super::mem::load(asm, size, value, address),
        AtomicOp::StoreRelease => super::mem::store(asm, size, address, Operand::Reg(value)),
    }
}

fn compare_exchange(asm: &mut Asm, size: OpSize, mem: Mem, new: Gpr) {
    asm.locked(op::CMPXCHG, size, new, mem);
    if size != OpSize::W64 {
        // After success eax was not written, and the upper half of r0 is still there.
        asm.mov(OpSize::W32, Gpr::RAX, Gpr::RAX);
    }
}

/// The logical operations that return the old value: a loop, since the processor has none.
fn fetch(asm: &mut Asm, group: Group1, size: OpSize, mem: Mem, reg: Gpr) {
    // rax takes part in the exchange. Whatever it held moves away: an operand, an address, or a bystander.
    asm.mov(OpSize::W64, SAVED_RAX, Gpr::RAX);
    let operand = if reg == Gpr::RAX { SAVED_RAX } else { reg };
    let mem = if mem.base == Gpr::RAX {
        Mem {
            base: SAVED_RAX,
            ..mem
        }
    } else {
        mem
    };
    asm.load(size, Gpr::RAX, mem);
    let again = asm.position();
    asm.mov(size, NEW, Gpr::RAX);
    asm.group1(group, size, NEW, operand);
    asm.locked(op::CMPXCHG, size, NEW, mem);
    asm.short_jcc_back(Cond::NotEqual, again);
    if reg != Gpr::RAX {
        asm.mov(size, reg, Gpr::RAX);
        asm.mov(OpSize::W64, Gpr::RAX, SAVED_RAX);
    }
}

//! Atomic accesses, by exclusive loads and stores, which every processor has.
//!
//! Operations that return the old value are fully ordered (Linux, `atomic_t.txt`, "ORDERING"): the store releases, and a
//! barrier follows. The others have no order. Load-acquire and store-release are single instructions.

use super::alu::{Operands, Source, Sum, sum};
use crate::aarch64::asm::{Access, Asm, Gpr, OpSize, ThreeReg, op};
use crate::aarch64::branch::{A64Branch, Cond, Is};
use crate::aarch64::regs::{ADDRESS, OPERAND, R0, SECOND, STATUS, memory, native};
use crate::driver::Address;
use skep_isa::{AtomicOp, Reg, Size};

/// Holds the old value.
const OLD: Gpr = OPERAND;
/// Holds the new value.
const NEW: Gpr = SECOND;

/// What an access works on.
#[derive(Clone, Copy, Debug)]
struct Target {
    access: Access,
    /// Operand size of the computation.
    size: OpSize,
    base: Gpr,
    /// Operand register.
    value: Gpr,
}

/// One atomic access; `value` is the operand, or a load-acquire's destination.
pub(in crate::aarch64) fn atomic(
    asm: &mut Asm,
    op: AtomicOp,
    size: Size,
    address: Address,
    value: Reg,
) {
    let target = Target {
        access: size.into(),
        size: match size {
            Size::B | Size::H | Size::W => OpSize::W,
            Size::Dw => OpSize::X,
        },
        base: base(asm, address),
        value: native(value),
    };
    match op {
        AtomicOp::Add { fetch: false } => update(asm, op::ADD, target),
        AtomicOp::Or { fetch: false } => update(asm, op::ORR, target),
        AtomicOp::And { fetch: false } => update(asm, op::AND, target),
        AtomicOp::Xor { fetch: false } => update(asm, op::EOR, target),
        AtomicOp::Add { fetch: true } => fetch(asm, op::ADD, target),
        AtomicOp::Or { fetch: true } => fetch(asm, op::ORR, target),
        AtomicOp::And { fetch: true } => fetch(asm, op::AND, target),
        AtomicOp::Xor { fetch: true } => fetch(asm, op::EOR, target),
        AtomicOp::Xchg => exchange(asm, target),
        AtomicOp::Cmpxchg => compare_exchange(asm, target),
        AtomicOp::LoadAcquire => {
            asm.load_ordered(op::LDAR, target.access, target.value, target.base);
        }
        AtomicOp::StoreRelease => {
            asm.load_ordered(op::STLR, target.access, target.value, target.base);
        }
    }
}

/// The address in a register: these accesses have no offset.
fn base(asm: &mut Asm, address: Address) -> Gpr {
    let mem = memory(address);
    if mem.off == 0 {
        return mem.base;
    }
    let operands = Operands {
        size: OpSize::X,
        dst: ADDRESS,
        left: mem.base,
        src: Source::Imm(mem.off.into()),
    };
    sum(asm, Sum::ADD, operands);
    ADDRESS
}

/// `*base = *base op value`.
fn update(asm: &mut Asm, operation: ThreeReg, target: Target) {
    let again = asm.here();
    asm.load_ordered(op::LDXR, target.access, OLD, target.base);
    asm.three(operation, target.size, NEW, OLD, target.value);
    asm.store_exclusive(op::STXR, target.access, STATUS, (NEW, target.base));
    asm.branch(A64Branch::IfReg(Is::NotZero, OpSize::W, STATUS), again);
}

/// The same, and `value` becomes the old value.
fn fetch(asm: &mut Asm, operation: ThreeReg, target: Target) {
    let again = asm.here();
    asm.load_ordered(op::LDXR, target.access, OLD, target.base);
    asm.three(operation, target.size, NEW, OLD, target.value);
    asm.store_exclusive(op::STLXR, target.access, STATUS, (NEW, target.base));
    asm.branch(A64Branch::IfReg(Is::NotZero, OpSize::W, STATUS), again);
    asm.barrier();
    asm.mov(target.size, target.value, OLD);
}

fn exchange(asm: &mut Asm, target: Target) {
    let again = asm.here();
    asm.load_ordered(op::LDXR, target.access, OLD, target.base);
    asm.store_exclusive(
        op::STLXR,
        target.access,
        STATUS,
        (target.value, target.base),
    );
    asm.branch(A64Branch::IfReg(Is::NotZero, OpSize::W, STATUS), again);
    asm.barrier();
    asm.mov(target.size, target.value, OLD);
}

fn compare_exchange(asm: &mut Asm, target: Target) {
    let again = asm.here();
    let done = asm.stream().new_label();
    asm.load_ordered(op::LDXR, target.access, OLD, target.base);
    asm.three(op::SUBS, target.size, Gpr::ZR, OLD, R0);
    asm.branch(A64Branch::If(Cond::Ne), done);
    asm.store_exclusive(
        op::STLXR,
        target.access,
        STATUS,
        (target.value, target.base),
    );
    asm.branch(A64Branch::IfReg(Is::NotZero, OpSize::W, STATUS), again);
    asm.stream().bind(done);
    asm.barrier();
    asm.mov(target.size, R0, OLD);
}

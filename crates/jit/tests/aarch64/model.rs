//! What a program must do, by the meanings that `isa` gives its operations; the harness's helpers 1, 2 and 28 included.
//!
//! Memory is that of the run and the stacks of the functions. Addresses of the stack differ from the machine's, so
//! programs must not let them show.

use crate::batch::{CODE_BASE, Outcome, Run, address};
use skep_isa::{
    AtomicOp, CallTarget, Imm64, Insn, InsnIdx, Operand, Reg, Size, eval_mov, eval_movsx, eval_neg,
};
use skep_jit::Symbol;
use skep_xlate::{Xlated, jump_target, local_target};

const STACK_TOP: u64 = 0x7f00_0000_0000;
const STACK_BYTES: usize = 512 * 8;
/// The run context's `env` in the harness.
pub(crate) const ENV_MARK: u64 = 0x5eed_5eed_5eed_5eed;

struct Machine<'a> {
    insns: &'a [Insn],
    regs: [u64; Reg::COUNT],
    data_base: u64,
    data: Vec<u8>,
    stack: Vec<u8>,
    may_goto_left: u64,
    tail_calls_left: u32,
    /// Return slot and saved r6 to r10.
    frames: Vec<(usize, [u64; 5])>,
}

/// Runs a program in the model.
pub(crate) fn run(program: &Xlated, run: &Run) -> Outcome {
    let mut machine = Machine {
        insns: program.insns(),
        regs: [0; Reg::COUNT],
        data_base: crate::batch::DATA_BASE,
        data: run.memory.clone(),
        stack: vec![0; STACK_BYTES],
        may_goto_left: run.may_goto_left,
        tail_calls_left: run.tail_calls_left,
        frames: Vec::new(),
    };
    machine.regs[1] = run.ctx();
    machine.regs[10] = STACK_TOP;
    let mut at = Some(0);
    while let Some(slot) = at {
        at = machine.step(slot);
    }
    Outcome {
        r0: machine.regs[0],
        not_kept: 0,
        tail_calls_left: run.tail_calls_left.into(),
        may_goto_left: machine.may_goto_left,
        memory: machine.data,
    }
}

impl Machine<'_> {
    fn reg(&mut self, reg: Reg) -> &mut u64 {
        &mut self.regs[reg.index()]
    }

    fn operand(&mut self, src: Operand) -> u64 {
        match src {
            Operand::Reg(reg) => *self.reg(reg),
            Operand::Imm(imm) => i64::from(imm).cast_unsigned(),
        }
    }

    fn place(&mut self, address: u64, bytes: usize) -> &mut [u8] {
        let bottom = STACK_TOP - STACK_BYTES as u64;
        let (memory, base) = if address >= bottom {
            (&mut self.stack, bottom)
        } else {
            (&mut self.data, self.data_base)
        };
        let start = usize::try_from(address - base).unwrap();
        &mut memory[start..start + bytes]
    }

    fn load(&mut self, address: u64, size: Size) -> u64 {
        let mut bytes = [0; 8];
        let len = size.bytes() as usize;
        bytes[..len].copy_from_slice(self.place(address, len));
        u64::from_le_bytes(bytes)
    }

    fn store(&mut self, address: u64, size: Size, value: u64) {
        let len = size.bytes() as usize;
        let bytes = &value.to_le_bytes()[..len];
        self.place(address, len).copy_from_slice(bytes);
    }

    fn address(&mut self, base: Reg, off: i16) -> u64 {
        self.reg(base).wrapping_add_signed(off.into())
    }

    /// Executes a slot and gives the next one, if the program goes on.
    fn step(&mut self, at: usize) -> Option<usize> {
        let insn = self.insns[at];
        let here = InsnIdx(u32::try_from(at).unwrap());
        let taken = || jump_target(here, &insn).map(|target| usize::try_from(target).unwrap());
        match insn {
            Insn::Jump { .. } => return taken(),
            Insn::JumpIf {
                op,
                width,
                dst,
                src,
                ..
            } => {
                let (dst, src) = (*self.reg(dst), self.operand(src));
                if op.eval(width, dst, src) {
                    return taken();
                }
            }
            Insn::MayGoto { .. } => {
                if self.may_goto_left == 0 {
                    return taken();
                }
                self.may_goto_left -= 1;
            }
            Insn::Call(CallTarget::Helper(id)) => self.helper(id),
            Insn::Call(CallTarget::Local(_)) => {
                let saved = std::array::from_fn(|index| self.regs[6 + index]);
                self.frames.push((at + 1, saved));
                self.regs[10] -= 512;
                return local_target(here, &insn).map(|target| usize::try_from(target).unwrap());
            }
            Insn::Exit => {
                let (back, saved) = self.frames.pop()?;
                self.regs[6..].copy_from_slice(&saved);
                return Some(back);
            }
            other => self.arithmetic(other),
        }
        Some(at + 1)
    }

    fn arithmetic(&mut self, insn: Insn) {
        match insn {
            Insn::Alu {
                op,
                width,
                dst,
                src,
            } => {
                let src = self.operand(src);
                let dst = self.reg(dst);
                *dst = op.eval(width, *dst, src);
            }
            Insn::Neg { width, dst } => {
                let dst = self.reg(dst);
                *dst = eval_neg(width, *dst);
            }
            Insn::Mov { width, dst, src } => {
                *self.reg(dst) = eval_mov(width, self.operand(src));
            }
            Insn::MovSx {
                width,
                dst,
                src,
                from,
            } => {
                *self.reg(dst) = eval_movsx(width, from, *self.reg(src));
            }
            Insn::Swap { kind, dst, size } => {
                let dst = self.reg(dst);
                *dst = kind.eval(size, *dst);
            }
            Insn::LoadImm64 { dst, imm } => *self.reg(dst) = wide(imm),
            Insn::Imm64High => {}
            other => self.access(other),
        }
    }

    fn access(&mut self, insn: Insn) {
        match insn {
            Insn::Load {
                size,
                signed,
                dst,
                base,
                off,
            } => {
                let address = self.address(base, off);
                let value = self.load(address, size);
                *self.reg(dst) = if signed {
                    size.sign_extend(value)
                } else {
                    value
                };
            }
            Insn::Store {
                size,
                base,
                off,
                src,
            } => {
                let (address, value) = (self.address(base, off), self.operand(src));
                self.store(address, size, value);
            }
            Insn::Atomic {
                op,
                size,
                dst,
                src,
                off,
            } => self.atomic(op, size, (dst, src), off),
            other => panic!("not in the model: {other:?}"),
        }
    }

    fn atomic(&mut self, op: AtomicOp, size: Size, (dst, src): (Reg, Reg), off: i16) {
        let (base, value) = match op {
            AtomicOp::LoadAcquire => (src, dst),
            _ => (dst, src),
        };
        let address = self.address(base, off);
        let (old, operand) = (self.load(address, size), *self.reg(value));
        let new = match op {
            AtomicOp::Cmpxchg if old != size.truncate(self.regs[0]) => old,
            _ => op.eval(old, operand),
        };
        self.store(address, size, new);
        match op {
            AtomicOp::Add { fetch: true }
            | AtomicOp::Or { fetch: true }
            | AtomicOp::And { fetch: true }
            | AtomicOp::Xor { fetch: true }
            | AtomicOp::Xchg
            | AtomicOp::LoadAcquire => *self.reg(value) = old,
            AtomicOp::Cmpxchg => self.regs[0] = old,
            _ => {}
        }
    }

    fn helper(&mut self, id: i32) {
        if id == 12 {
            assert_eq!(self.tail_calls_left, 0, "the model makes no tail calls");
            return;
        }
        self.regs[0] = match id {
            1 | 28 => [1, 3, 5, 7, 11]
                .into_iter()
                .zip(&self.regs[1..])
                .fold(0, |sum, (factor, reg)| {
                    reg.wrapping_mul(factor).wrapping_add(sum)
                }),
            2 => ENV_MARK,
            _ => panic!("no helper {id} in the model"),
        };
        self.regs[1..=5].fill(0xdead_dead_dead_dead);
    }
}

fn wide(imm: Imm64) -> u64 {
    match imm {
        Imm64::Value(value) => value,
        Imm64::MapIdx(index) => address(Symbol::Map { index }),
        Imm64::MapIdxValue { idx, off } => address(Symbol::MapValue {
            index: idx,
            offset: off,
        }),
        other => panic!("not in the model: {other:?}, code at {CODE_BASE:#x}"),
    }
}

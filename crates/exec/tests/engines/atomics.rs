//! Atomic accesses: all operations and sizes, in all pairs of registers. r0, which a comparison uses, is among them.

use crate::rig::{TRUSTED, load64};
use crate::rig::{free, mov_imm, run, store64, wide, words, writable};
use skep_exec::EngineKind;
use skep_isa::{AtomicOp, Insn, Reg, Size};
use skep_memory::Block;

const OFFSETS: [i16; 4] = [0, 64, -128, 1024];
/// What memory holds before, and what r0 is compared with it: the same, the same in the low half, or another.
const OLD: u64 = 0x8899_aabb_ccdd_eeff;
const R0: [u64; 3] = [OLD, 0x1122_3344_ccdd_eeff, 7];
const OPERAND: u64 = 0xf0f0_f0f0_8765_4321;

/// Registers before and after, and the word of memory.
#[derive(Clone, Copy, Debug)]
struct State {
    regs: [u64; Reg::COUNT],
    word: u64,
}

/// One access of a program, and the state in which it starts.
#[derive(Clone, Copy, Debug)]
struct Access {
    op: AtomicOp,
    size: Size,
    dst: Reg,
    src: Reg,
    off: i16,
}

impl Access {
    fn base(self) -> Reg {
        match self.op {
            AtomicOp::LoadAcquire => self.src,
            AtomicOp::Add { .. }
            | AtomicOp::Or { .. }
            | AtomicOp::And { .. }
            | AtomicOp::Xor { .. }
            | AtomicOp::Xchg
            | AtomicOp::Cmpxchg
            | AtomicOp::StoreRelease => self.dst,
        }
    }

    fn insn(self) -> Insn {
        Insn::Atomic {
            op: self.op,
            size: self.size,
            dst: self.dst,
            src: self.src,
            off: self.off,
        }
    }

    fn start(self, addr: u64, r0: u64) -> State {
        let mut regs = [0; Reg::COUNT];
        regs[Reg::R0.index()] = r0;
        regs[self.src.index()] = OPERAND;
        if self.op == AtomicOp::LoadAcquire {
            regs[self.dst.index()] = OPERAND;
        }
        regs[self.base().index()] = addr.wrapping_add_signed(-i64::from(self.off));
        State { regs, word: OLD }
    }

    /// What the access does.
    fn apply(self, mut state: State) -> State {
        let size = self.size;
        let old = size.truncate(state.word);
        let operand = size.truncate(state.regs[self.src.index()]);
        let mut put = |value: u64| {
            state.word = state.word ^ old | size.truncate(value);
        };
        let result = match self.op {
            AtomicOp::Cmpxchg => {
                if size.truncate(state.regs[Reg::R0.index()]) == old {
                    put(operand);
                }
                Some(Reg::R0)
            }
            AtomicOp::LoadAcquire => Some(self.dst),
            AtomicOp::StoreRelease => {
                put(operand);
                None
            }
            AtomicOp::Xchg => {
                put(operand);
                Some(self.src)
            }
            AtomicOp::Add { fetch }
            | AtomicOp::Or { fetch }
            | AtomicOp::And { fetch }
            | AtomicOp::Xor { fetch } => {
                put(self.op.eval(old, operand));
                fetch.then_some(self.src)
            }
        };
        if let Some(reg) = result {
            state.regs[reg.index()] = old;
        }
        state
    }
}

/// Every access in one pair of registers.
fn accesses(dst: Reg, src: Reg) -> Vec<Access> {
    let mut all = Vec::new();
    for op in AtomicOp::ALL {
        let sizes: &[Size] = if op.is_read_modify_write() {
            &[Size::W, Size::Dw]
        } else {
            &Size::ALL
        };
        for &size in sizes {
            all.extend(OFFSETS.map(|off| Access {
                op,
                size,
                dst,
                src,
                off,
            }));
        }
    }
    all
}

fn check(engine: EngineKind, access: &[Access], (dst, src): (Reg, Reg), r0: u64) {
    let memory = Block::new(64).unwrap();
    let [out, other] = free(&[dst, src]);
    let results = Block::new(access.len() * 32).unwrap();
    let mut insns = wide(out, results.addr()).to_vec();
    let mut expected = Vec::new();
    for (number, access) in access.iter().enumerate() {
        let start = access.start(memory.addr(), r0);
        insns.extend(wide(other, memory.addr()));
        insns.extend(wide(src, OLD));
        insns.push(store64(other, 0, src));
        for reg in [Reg::R0, src, dst] {
            insns.extend(wide(reg, start.regs[reg.index()]));
        }
        insns.push(access.insn());
        let off = i16::try_from(number * 32).unwrap();
        let kept = [Reg::R0, src, dst];
        for (word, reg) in (0..).zip(kept) {
            insns.push(store64(out, off + word * 8, reg));
        }
        insns.extend([load64(other, other, 0), store64(out, off + 24, other)]);
        let end = access.apply(start);
        expected.push((kept.map(|reg| end.regs[reg.index()]), end.word));
    }
    insns.extend([mov_imm(Reg::R0, 0), Insn::Exit]);
    if run(engine, insns) {
        let words = words(&results, 0, access.len() * 4);
        for ((access, expected), got) in access.iter().zip(expected).zip(words.chunks(4)) {
            let got = ([got[0], got[1], got[2]], got[3]);
            assert_eq!(got, expected, "{engine:?}, r0 {r0:#x}: {access:?}");
        }
    }
}

#[test]
fn atomics() {
    for engine in TRUSTED {
        for (dst, src) in writable().flat_map(|dst| writable().map(move |src| (dst, src))) {
            for r0 in R0 {
                check(engine, &accesses(dst, src), (dst, src), r0);
            }
        }
    }
}

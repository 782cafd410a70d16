//! Loads and stores: all sizes, all pairs of registers, offsets of every encoding.

use crate::rig::{TRUSTED, free, load64, mov_imm, run, store64, wide, words, writable};
use skep_isa::{Insn, Operand, Reg, Size};
use skep_memory::Block;

/// Offsets with no displacement, with a short one and with a long one; unaligned ones too.
const OFFSETS: [i16; 10] = [0, 1, -1, 8, 127, 128, -128, -129, i16::MAX, i16::MIN];

/// Where the base points, so that every offset stays within the block.
const MIDDLE: usize = 0x8000;
const BLOCK_BYTES: usize = 0x1_0010;

/// A block in which no two neighbouring bytes are the same, and signs differ.
fn block() -> Block {
    let block = Block::new(BLOCK_BYTES).unwrap();
    let bytes: Vec<u8> = (0_u8..=250).cycle().take(BLOCK_BYTES).collect();
    block.write(0, &bytes);
    block
}

fn place(off: i16) -> usize {
    MIDDLE.wrapping_add_signed(off.into())
}

fn word_at(block: &Block, off: i16) -> u64 {
    let mut bytes = [0; 8];
    block.read(place(off), &mut bytes);
    u64::from_le_bytes(bytes)
}

/// Where results go: one word for each of a list.
struct Results {
    block: Block,
    out: Reg,
    insns: Vec<Insn>,
    expected: Vec<(String, u64)>,
}

impl Results {
    fn new(taken: &[Reg]) -> Self {
        let block = Block::new(4096).unwrap();
        let [out] = free(taken);
        let insns = wide(out, block.addr()).to_vec();
        Self {
            block,
            out,
            insns,
            expected: Vec::new(),
        }
    }

    /// Keeps a register, which has to be `value`.
    fn expect(&mut self, reg: Reg, value: u64, name: String) {
        let off = i16::try_from(self.expected.len() * 8).unwrap();
        self.insns.push(store64(self.out, off, reg));
        self.expected.push((name, value));
    }

    fn check(mut self, engine: skep_exec::EngineKind) {
        self.insns.extend([mov_imm(Reg::R0, 0), Insn::Exit]);
        if run(engine, self.insns) {
            let got = words(&self.block, 0, self.expected.len());
            for (got, (name, expected)) in got.into_iter().zip(self.expected) {
                assert_eq!(got, expected, "{engine:?}: {name}");
            }
        }
    }
}

#[test]
fn loads() {
    let block = block();
    let base_addr = block.addr() + MIDDLE as u64;
    for engine in TRUSTED {
        for (base, dst) in writable().flat_map(|base| writable().map(move |dst| (base, dst))) {
            let mut results = Results::new(&[base, dst]);
            for (size, off) in Size::ALL
                .into_iter()
                .flat_map(|size| OFFSETS.map(|off| (size, off)))
            {
                for signed in [false, true] {
                    if signed && size == Size::Dw {
                        continue;
                    }
                    let load = Insn::Load {
                        size,
                        signed,
                        dst,
                        base,
                        off,
                    };
                    let word = size.truncate(word_at(&block, off));
                    let value = if signed { size.sign_extend(word) } else { word };
                    results.insns.extend(wide(base, base_addr));
                    results.insns.push(load);
                    results.expect(dst, value, format!("{load:?}"));
                }
            }
            results.check(engine);
        }
    }
}

#[test]
fn stores() {
    const VALUE: u64 = 0x8182_8384_8586_8788;
    let block = block();
    let base_addr = block.addr() + MIDDLE as u64;
    for engine in TRUSTED {
        for (base, src) in writable().flat_map(|base| writable().map(move |src| (base, src))) {
            let mut results = Results::new(&[base, src]);
            let [_, other] = free(&[base, src]);
            for (size, off) in Size::ALL
                .into_iter()
                .flat_map(|size| OFFSETS.map(|off| (size, off)))
            {
                let value = if src == base { base_addr } else { VALUE };
                let imm = -0x1234_5678;
                let by_imm = (Operand::Imm(imm), i64::from(imm).cast_unsigned());
                for (operand, value) in [(Operand::Reg(src), value), by_imm] {
                    let store = Insn::Store {
                        size,
                        base,
                        off,
                        src: operand,
                    };
                    // The bytes behind the stored ones must stay.
                    let filler = 0x7172_7374_7576_7778;
                    results.insns.extend(wide(other, filler));
                    results.insns.extend(wide(src, VALUE));
                    results.insns.extend(wide(base, base_addr));
                    results.insns.push(store64(base, off, other));
                    results.insns.push(store);
                    results.insns.push(load64(other, base, off));
                    let kept = filler ^ size.truncate(filler);
                    results.expect(other, kept | size.truncate(value), format!("{store:?}"));
                }
            }
            results.check(engine);
        }
    }
}

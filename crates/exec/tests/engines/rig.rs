//! Programs without the verifier, run by an engine; and the loop that puts many operands through one of them.

use skep_exec::{EngineKind, Image, Native, Packet, PacketSpec, RunSettings, Runner};
use skep_helpers::{Clock, Services};
use skep_isa::{AluOp, Imm64, Insn, JmpOp, Operand, Program, Reg, Size, Width};
use skep_memory::Block;
use skep_xlate::Xlated;

/// The engines that take a program on trust; the checked one is compared with them in `interp`'s tests.
pub(crate) const TRUSTED: [EngineKind; 2] = [EngineKind::Interp, EngineKind::Native];

/// Services that no program of these tests asks for.
struct Nothing;

impl Services for Nothing {
    fn clock_ns(&self, _: Clock) -> u64 {
        0
    }

    fn random_u32(&self) -> u32 {
        0
    }

    fn trace(&self, _: u32, _: &[u8]) {}
}

/// Makes a program ready, or `None` where this host has no compiler.
pub(crate) fn image(engine: EngineKind, program: &Program) -> Option<Image> {
    let native = match engine {
        EngineKind::Native => Native::IfPossible,
        EngineKind::Interp | EngineKind::Checked => Native::Never,
    };
    let xlated = Xlated::assume_verified_for_tests(program);
    let image = Image::publish(xlated, Vec::new(), native).expect("the program can be published");
    (engine != EngineKind::Native || image.compiled().is_some()).then_some(image)
}

/// r0 of one run over a packet of 64 zeroes.
pub(crate) fn run_image(engine: EngineKind, image: &Image) -> u64 {
    let packet = Packet::new(&[0; 64], &PacketSpec::default()).expect("enough memory");
    run_on(engine, image, &packet)
}

/// r0 of one run over a packet.
pub(crate) fn run_on(engine: EngineKind, image: &Image, packet: &Packet) -> u64 {
    let settings = RunSettings {
        services: &Nothing,
        cpu: 0,
        numa_node: 0,
    };
    let outcome = Runner::new(image, settings).run(engine, packet, 1);
    outcome.expect("nothing stops these programs").retval
}

/// Runs the slots; whether this host has the engine.
pub(crate) fn run(engine: EngineKind, insns: Vec<Insn>) -> bool {
    let program = Program::new(insns).expect("the test's instructions can be encoded");
    let image = image(engine, &program);
    image.is_some_and(|image| run_image(engine, &image) == 0)
}

/// Both slots of `dst = value ll`.
pub(crate) fn wide(dst: Reg, value: u64) -> [Insn; 2] {
    let imm = Imm64::Value(value);
    [Insn::LoadImm64 { dst, imm }, Insn::Imm64High]
}

pub(crate) fn load64(dst: Reg, base: Reg, off: i16) -> Insn {
    Insn::Load {
        size: Size::Dw,
        signed: false,
        dst,
        base,
        off,
    }
}

pub(crate) fn store64(base: Reg, off: i16, src: Reg) -> Insn {
    Insn::Store {
        size: Size::Dw,
        base,
        off,
        src: Operand::Reg(src),
    }
}

pub(crate) fn mov_imm(dst: Reg, imm: i32) -> Insn {
    Insn::Mov {
        width: Width::W64,
        dst,
        src: Operand::Imm(imm),
    }
}

pub(crate) fn add_imm(dst: Reg, imm: i32) -> Insn {
    Insn::Alu {
        op: AluOp::Add,
        width: Width::W64,
        dst,
        src: Operand::Imm(imm),
    }
}

/// Registers of `wanted` that are not among `taken`.
pub(crate) fn free<const N: usize>(taken: &[Reg]) -> [Reg; N] {
    let candidates = [Reg::R6, Reg::R7, Reg::R8, Reg::R9];
    let mut left = candidates.into_iter().filter(|reg| !taken.contains(reg));
    std::array::from_fn(|_| left.next().expect("two of four may be taken"))
}

/// The registers that a program may change.
pub(crate) fn writable() -> impl Iterator<Item = Reg> + Clone {
    Reg::ALL.into_iter().filter(|reg| *reg != Reg::R10)
}

/// Reads the words of a block from `start` on.
pub(crate) fn words(block: &Block, start: usize, count: usize) -> Vec<u64> {
    let mut bytes = vec![0; count * 8];
    block.read(start, &mut bytes);
    let words = bytes.as_chunks::<8>().0.iter();
    words.map(|word| u64::from_le_bytes(*word)).collect()
}

/// One thing to do with the operands, and where its result is.
pub(crate) struct Step {
    pub(crate) insns: Vec<Insn>,
    pub(crate) result: Reg,
}

/// The operands' registers; `src` may be `dst`, which then holds the left operand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Regs {
    pub(crate) dst: Reg,
    pub(crate) src: Reg,
}

impl Regs {
    /// A register that the steps may use for a result of their own.
    pub(crate) fn result(self) -> Reg {
        let [_, _, result] = self.free();
        result
    }

    fn free(self) -> [Reg; 3] {
        let candidates = [Reg::R6, Reg::R7, Reg::R8, Reg::R9, Reg::R5];
        let mut left = candidates
            .into_iter()
            .filter(|reg| *reg != self.dst && *reg != self.src);
        std::array::from_fn(|_| left.next().expect("two of five may be taken"))
    }
}

/// Does all steps for all pairs of operands, in a loop, and gives the results: for each pair one word per step, then
/// `src` as the last step left it. `None` where this host has not the engine.
///
/// # Panics
/// If a register that no step names has changed.
pub(crate) fn sweep(
    engine: EngineKind,
    regs: Regs,
    steps: &[Step],
    pairs: &[(u64, u64)],
) -> Option<Vec<Vec<u64>>> {
    let row_words = steps.len() + 3;
    let row_bytes = row_words * 8;
    let table_bytes = row_bytes * pairs.len();
    let block = Block::new(table_bytes + Reg::COUNT * 8).expect("enough memory");
    for (row, (left, right)) in pairs.iter().enumerate() {
        block.write(row * row_bytes, &left.to_le_bytes());
        block.write(row * row_bytes + 8, &right.to_le_bytes());
    }
    let end = block.addr() + u64::try_from(table_bytes).expect("small");
    let insns = sweep_program(regs, steps, block.addr(), end);
    if !run(engine, insns) {
        return None;
    }
    let [row, limit, result] = regs.free();
    let after = words(&block, table_bytes, Reg::COUNT);
    for reg in writable().filter(|reg| ![regs.dst, regs.src, row, limit, result].contains(reg)) {
        assert_eq!(after[reg.index()], sentinel(reg), "{reg} changed: {regs:?}");
    }
    let all = words(&block, 0, row_words * pairs.len());
    Some(all.chunks(row_words).map(|row| row[2..].to_vec()).collect())
}

fn sentinel(reg: Reg) -> u64 {
    0x5eed_0000_0000_0000 | u64::from(reg.number()) << 33 | 1
}

fn sweep_program(regs: Regs, steps: &[Step], start: u64, end: u64) -> Vec<Insn> {
    let [row, limit, _] = regs.free();
    let offset = |word: usize| i16::try_from(word * 8).expect("rows are short");
    let mut insns = Vec::new();
    for reg in writable() {
        insns.extend(wide(reg, sentinel(reg)));
    }
    insns.extend(wide(row, start));
    insns.extend(wide(limit, end));
    let again = insns.len();
    for (number, step) in steps.iter().enumerate() {
        insns.push(load64(regs.dst, row, 0));
        if regs.src != regs.dst {
            insns.push(load64(regs.src, row, 8));
        }
        insns.extend(&step.insns);
        insns.push(store64(row, offset(number + 2), step.result));
    }
    insns.push(store64(row, offset(steps.len() + 2), regs.src));
    insns.push(add_imm(row, i32::from(offset(steps.len() + 3))));
    insns.push(Insn::JumpIf {
        op: JmpOp::Jne,
        width: Width::W64,
        dst: row,
        src: Operand::Reg(limit),
        off: i16::try_from(again).expect("short") - i16::try_from(insns.len() + 1).expect("short"),
    });
    for reg in writable() {
        insns.push(store64(limit, offset(reg.index()), reg));
    }
    insns.extend([mov_imm(Reg::R0, 0), Insn::Exit]);
    insns
}

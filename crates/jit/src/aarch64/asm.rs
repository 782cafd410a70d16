//! Encoder for the A64 instructions that the backend uses.
//!
//! An instruction is a row of [`op`]: its fixed bits, typed by the group whose operand fields it has. [`Asm`] has one
//! method per group, which puts typed operands into the fields; sections named are those of the Arm Architecture
//! Reference Manual, C4.1. Register 31 is the zero register or the stack pointer, depending on group and field; the methods
//! say which. This module does not know BPF.

use super::branch::A64Branch;
use super::imm::{ArithImm, Bit, Half, LogicalImm, Offset};
use crate::layout::{Label, Stream};
use crate::{RelocKind, Symbol};

/// A native register by its number in encodings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Gpr(u8);

impl Gpr {
    pub(super) const X0: Self = Self(0);
    pub(super) const X1: Self = Self(1);
    pub(super) const X2: Self = Self(2);
    pub(super) const X3: Self = Self(3);
    pub(super) const X4: Self = Self(4);
    pub(super) const X5: Self = Self(5);
    pub(super) const X7: Self = Self(7);
    pub(super) const X9: Self = Self(9);
    pub(super) const X10: Self = Self(10);
    pub(super) const X11: Self = Self(11);
    pub(super) const X12: Self = Self(12);
    pub(super) const X19: Self = Self(19);
    pub(super) const X20: Self = Self(20);
    pub(super) const X21: Self = Self(21);
    pub(super) const X22: Self = Self(22);
    pub(super) const X23: Self = Self(23);
    pub(super) const X25: Self = Self(25);
    /// The frame pointer.
    pub(super) const FP: Self = Self(29);
    /// The return address.
    pub(super) const LR: Self = Self(30);
    /// Always zero, where the field does not mean [`Self::SP`].
    pub(super) const ZR: Self = Self(31);
    /// The stack pointer, where the field does not mean [`Self::ZR`].
    pub(super) const SP: Self = Self(31);

    fn number(self) -> u32 {
        u32::from(self.0)
    }

    /// In the field Rd or Rt.
    pub(super) fn d(self) -> u32 {
        self.number()
    }

    /// In the field Rn.
    fn n(self) -> u32 {
        self.number() << 5
    }

    /// In the field Rm or Rs.
    fn m(self) -> u32 {
        self.number() << 16
    }

    /// In the field Ra or Rt2.
    fn a(self) -> u32 {
        self.number() << 10
    }
}

/// Operand size of data processing; W instructions clear the upper half of their destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OpSize {
    /// 32 bits.
    W,
    /// 64 bits.
    X,
}

impl OpSize {
    /// The field sf.
    pub(super) fn sf(self) -> u32 {
        match self {
            Self::W => 0,
            Self::X => 1 << 31,
        }
    }

    /// Number of the highest bit.
    pub(super) fn last_bit(self) -> u32 {
        match self {
            Self::W => 31,
            Self::X => 63,
        }
    }

    /// The bits of `value` that an operand of this size has.
    pub(super) fn truncate(self, value: u64) -> u64 {
        match self {
            Self::W => value & 0xffff_ffff,
            Self::X => value,
        }
    }
}

/// Bytes of an access, as their logarithm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    B1 = 0,
    B2 = 1,
    B4 = 2,
    B8 = 3,
}

impl Access {
    fn scale(self) -> u32 {
        self as u32
    }

    /// The field size.
    fn field(self) -> u32 {
        self.scale() << 30
    }
}

/// A memory operand `[base, #off]`; the base may be the stack pointer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mem {
    pub(super) base: Gpr,
    pub(super) off: i32,
}

/// Holds an offset that fits no load or store.
const INDEX: Gpr = Gpr::X10;

/// Data processing with three registers, none of them the stack pointer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ThreeReg(u32);
/// Data processing with two registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TwoReg(u32);
/// Multiplication and addition: four registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FourReg(u32);
/// Addition and subtraction of an immediate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Arith(u32);
/// Logic with an immediate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Logical(u32);
/// Moves of a 16-bit immediate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct WideMove(u32);
/// Bitfield moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bitfield(u32);
/// Loads and stores of one register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LoadStore(u32);
/// Loads and stores of two 64-bit registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Pair(u32);
/// Ordered loads and stores, whose address has no offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ordered(u32);
/// Branches to a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct BranchReg(u32);

/// When an access to the stack changes [`Gpr::SP`], by which it also addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Indexed {
    /// Before the access.
    Pre,
    /// After it.
    Post,
}

/// `[sp, #off]`.
pub(super) fn on_stack(off: i32) -> Mem {
    Mem { base: Gpr::SP, off }
}

/// The rows.
#[rustfmt::skip]
pub(super) mod op {
    use super::{
        Arith, Bitfield, BranchReg, FourReg, LoadStore, Logical, Ordered, Pair, ThreeReg, TwoReg, WideMove,
    };

    // C4.1.95, logical (shifted register) and add/subtract (shifted register), both without a shift.
    pub(in super::super) const AND: ThreeReg = ThreeReg(0x0a00_0000);
    pub(in super::super) const ORR: ThreeReg = ThreeReg(0x2a00_0000);
    pub(in super::super) const EOR: ThreeReg = ThreeReg(0x4a00_0000);
    pub(in super::super) const ANDS: ThreeReg = ThreeReg(0x6a00_0000);
    pub(in super::super) const ADD: ThreeReg = ThreeReg(0x0b00_0000);
    pub(in super::super) const SUB: ThreeReg = ThreeReg(0x4b00_0000);
    pub(in super::super) const SUBS: ThreeReg = ThreeReg(0x6b00_0000);
    // Data-processing (2 source).
    pub(in super::super) const UDIV: ThreeReg = ThreeReg(0x1ac0_0800);
    pub(in super::super) const SDIV: ThreeReg = ThreeReg(0x1ac0_0c00);
    pub(in super::super) const LSLV: ThreeReg = ThreeReg(0x1ac0_2000);
    pub(in super::super) const LSRV: ThreeReg = ThreeReg(0x1ac0_2400);
    pub(in super::super) const ASRV: ThreeReg = ThreeReg(0x1ac0_2800);
    // Data-processing (1 source).
    pub(in super::super) const REV16: TwoReg = TwoReg(0x5ac0_0400);
    /// Of the W size; the X size has a row of its own.
    pub(in super::super) const REV_W: TwoReg = TwoReg(0x5ac0_0800);
    /// Of the X size only.
    pub(in super::super) const REV_X: TwoReg = TwoReg(0x5ac0_0c00);
    // Data-processing (3 source).
    pub(in super::super) const MADD: FourReg = FourReg(0x1b00_0000);
    pub(in super::super) const MSUB: FourReg = FourReg(0x1b00_8000);

    // C4.1.92, data processing with an immediate.
    pub(in super::super) const ADD_IMM: Arith = Arith(0x1100_0000);
    pub(in super::super) const ADDS_IMM: Arith = Arith(0x3100_0000);
    pub(in super::super) const SUB_IMM: Arith = Arith(0x5100_0000);
    pub(in super::super) const SUBS_IMM: Arith = Arith(0x7100_0000);
    pub(in super::super) const AND_IMM: Logical = Logical(0x1200_0000);
    pub(in super::super) const ORR_IMM: Logical = Logical(0x3200_0000);
    pub(in super::super) const EOR_IMM: Logical = Logical(0x5200_0000);
    pub(in super::super) const ANDS_IMM: Logical = Logical(0x7200_0000);
    pub(in super::super) const MOVN: WideMove = WideMove(0x1280_0000);
    pub(in super::super) const MOVZ: WideMove = WideMove(0x5280_0000);
    pub(in super::super) const MOVK: WideMove = WideMove(0x7280_0000);
    pub(in super::super) const SBFM: Bitfield = Bitfield(0x1300_0000);
    pub(in super::super) const UBFM: Bitfield = Bitfield(0x5300_0000);

    // C4.1.94, loads and stores. Of one register: the field opc.
    pub(in super::super) const STR: LoadStore = LoadStore(0);
    pub(in super::super) const LDR: LoadStore = LoadStore(1 << 22);
    /// Sign-extending to 64 bits; not for eight bytes.
    pub(in super::super) const LDRS: LoadStore = LoadStore(2 << 22);
    pub(in super::super) const STP: Pair = Pair(0xa800_0000);
    pub(in super::super) const LDP: Pair = Pair(0xa840_0000);
    pub(in super::super) const LDXR: Ordered = Ordered(0x085f_7c00);
    pub(in super::super) const STXR: Ordered = Ordered(0x0800_7c00);
    pub(in super::super) const STLXR: Ordered = Ordered(0x0800_fc00);
    pub(in super::super) const LDAR: Ordered = Ordered(0x08df_fc00);
    pub(in super::super) const STLR: Ordered = Ordered(0x089f_fc00);

    // C4.1.93, branches and barriers.
    pub(in super::super) const BR: BranchReg = BranchReg(0xd61f_0000);
    pub(in super::super) const BLR: BranchReg = BranchReg(0xd63f_0000);
    pub(in super::super) const RET: BranchReg = BranchReg(0xd65f_0000);
    pub(super) const DMB_ISH: u32 = 0xd503_3bbf;
    pub(super) const BL: u32 = 0x9400_0000;
}

/// Emits instructions into a [`Stream`].
#[derive(Debug)]
pub(super) struct Asm {
    stream: Stream<A64Branch>,
}

impl Asm {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            stream: Stream::new(slots),
        }
    }

    pub(super) fn stream(&mut self) -> &mut Stream<A64Branch> {
        &mut self.stream
    }

    pub(super) fn into_stream(self) -> Stream<A64Branch> {
        self.stream
    }

    fn word(&mut self, word: u32) {
        self.stream.bytes().extend_from_slice(&word.to_le_bytes());
    }

    pub(super) fn branch(&mut self, branch: A64Branch, target: Label) {
        self.stream.branch(branch, target);
    }

    /// A label bound here.
    pub(super) fn here(&mut self) -> Label {
        let label = self.stream.new_label();
        self.stream.bind(label);
        label
    }

    /// `op d, n, m`.
    pub(super) fn three(&mut self, op: ThreeReg, size: OpSize, d: Gpr, n: Gpr, m: Gpr) {
        self.word(op.0 | size.sf() | m.m() | n.n() | d.d());
    }

    /// `op d, n`.
    pub(super) fn two(&mut self, op: TwoReg, size: OpSize, d: Gpr, n: Gpr) {
        self.word(op.0 | size.sf() | n.n() | d.d());
    }

    /// `op d, n, m, a`: a ± n × m.
    pub(super) fn four(&mut self, op: FourReg, size: OpSize, [d, n, m, a]: [Gpr; 4]) {
        self.word(op.0 | size.sf() | m.m() | a.a() | n.n() | d.d());
    }

    /// `op d, n, #imm`. n may be the stack pointer; so may d, unless the operation sets flags.
    pub(super) fn arith(&mut self, op: Arith, size: OpSize, d: Gpr, n: Gpr, imm: ArithImm) {
        self.word(op.0 | size.sf() | imm.fields() | n.n() | d.d());
    }

    /// `op d, n, #imm`. The immediate was made for `size`; d may be the stack pointer, unless flags are set.
    pub(super) fn logical(&mut self, op: Logical, size: OpSize, d: Gpr, n: Gpr, imm: LogicalImm) {
        self.word(op.0 | size.sf() | imm.fields() | n.n() | d.d());
    }

    /// `op d, #half, lsl #…`.
    pub(super) fn wide(&mut self, op: WideMove, size: OpSize, d: Gpr, half: Half) {
        self.word(op.0 | size.sf() | half.fields() | d.d());
    }

    /// `op d, n, #immr, #imms`; the field N is sf's equal.
    pub(super) fn bitfield(
        &mut self,
        op: Bitfield,
        size: OpSize,
        (d, n): (Gpr, Gpr),
        (immr, imms): (Bit, Bit),
    ) {
        let fields = size.sf() | size.sf() >> 9 | immr.number() << 16 | imms.number() << 10;
        self.word(op.0 | fields | n.n() | d.d());
    }

    /// `mov d, n`; neither is the stack pointer.
    pub(super) fn mov(&mut self, size: OpSize, d: Gpr, n: Gpr) {
        self.three(op::ORR, size, d, Gpr::ZR, n);
    }

    /// `mov d, n`, one of them the stack pointer.
    pub(super) fn mov_sp(&mut self, d: Gpr, n: Gpr) {
        self.arith(op::ADD_IMM, OpSize::X, d, n, ArithImm::ZERO);
    }

    /// `d = value` in the fewest instructions of the groups move wide and logical immediate.
    pub(super) fn constant(&mut self, d: Gpr, value: u64) {
        let (size, halves) = if value >> 32 == 0 {
            (OpSize::W, 2)
        } else {
            (OpSize::X, 4)
        };
        let halves = || (0..halves).map(|index| Half::of(value, index));
        let not_zero = halves().filter(|half| half.bits() != 0);
        let not_ones = halves().filter(|half| half.bits() != u16::MAX);
        let (zeroed, inverted) = (not_zero.clone().count(), not_ones.clone().count());
        if zeroed.min(inverted) > 1
            && let Some(imm) = LogicalImm::new(value, size)
        {
            self.logical(op::ORR_IMM, size, d, Gpr::ZR, imm);
        } else if zeroed <= inverted {
            self.halves(size, d, op::MOVZ, Half::of(0, 0), not_zero);
        } else {
            self.halves(size, d, op::MOVN, Half::of(0, 0), not_ones);
        }
    }

    /// A wide move of the first halfword, or of `none`, then one MOVK for each other.
    fn halves(
        &mut self,
        size: OpSize,
        d: Gpr,
        first: WideMove,
        none: Half,
        mut halves: impl Iterator<Item = Half>,
    ) {
        let half = match halves.next() {
            Some(half) if first == op::MOVN => half.inverted(),
            Some(half) => half,
            None => none,
        };
        self.wide(first, size, d, half);
        for half in halves {
            self.wide(op::MOVK, size, d, half);
        }
    }

    /// `d = address of symbol`, wherever it is.
    pub(super) fn mov_symbol(&mut self, d: Gpr, symbol: Symbol) {
        self.stream.reloc(RelocKind::A64Mov64, symbol);
        self.wide(op::MOVZ, OpSize::X, d, Half::of(0, 0));
        for index in 1..4 {
            self.wide(op::MOVK, OpSize::X, d, Half::of(0, index));
        }
    }

    /// `op t, [mem]`; t is not the stack pointer. An offset that does not fit goes through [`INDEX`].
    pub(super) fn access(&mut self, op: LoadStore, access: Access, t: Gpr, mem: Mem) {
        const SCALED: u32 = 0x3900_0000;
        const UNSCALED: u32 = 0x3800_0000;
        const REGISTER: u32 = 0x3820_6800;
        let form = match Offset::new(mem.off, access.scale()) {
            Some(Offset::Scaled(field)) => SCALED | field,
            Some(Offset::Unscaled(field)) => UNSCALED | field,
            None => {
                self.constant(INDEX, i64::from(mem.off).cast_unsigned());
                REGISTER | INDEX.m()
            }
        };
        self.word(op.0 | access.field() | form | mem.base.n() | t.d());
    }

    /// `op t, [sp, #bytes]!` or `op t, [sp], #bytes`, for eight bytes. `bytes` is within -256 to 255.
    pub(super) fn indexed(&mut self, op: LoadStore, t: Gpr, index: Indexed, bytes: i32) {
        let form = match index {
            Indexed::Post => 0x3800_0400,
            Indexed::Pre => 0x3800_0c00,
        };
        debug_assert!((-256..256).contains(&bytes), "frames are small");
        let field = (bytes.cast_unsigned() & 0x1ff) << 12;
        self.word(op.0 | Access::B8.field() | form | field | Gpr::SP.n() | t.d());
    }

    /// `op t, t2, [sp, #bytes]!` or `op t, t2, [sp], #bytes`. `bytes` is a multiple of 8 within -512 to 504.
    pub(super) fn pair_indexed(&mut self, op: Pair, pair: (Gpr, Gpr), index: Indexed, bytes: i32) {
        let form = match index {
            Indexed::Post => 0x0080_0000,
            Indexed::Pre => 0x0180_0000,
        };
        self.pair_form(op, form, pair, on_stack(bytes));
    }

    /// `op t, t2, [mem]`. The offset is a multiple of 8 within -512 to 504.
    pub(super) fn pair(&mut self, op: Pair, pair: (Gpr, Gpr), mem: Mem) {
        self.pair_form(op, 0x0100_0000, pair, mem);
    }

    fn pair_form(&mut self, op: Pair, form: u32, (t, t2): (Gpr, Gpr), Mem { base, off }: Mem) {
        debug_assert!(
            (-512..512).contains(&off) && off % 8 == 0,
            "frames are small"
        );
        let field = ((off / 8).cast_unsigned() & 0x7f) << 15;
        self.word(op.0 | form | field | t2.a() | base.n() | t.d());
    }

    /// `op t, [base]`, ordered or exclusive.
    pub(super) fn load_ordered(&mut self, op: Ordered, access: Access, t: Gpr, base: Gpr) {
        self.word(op.0 | access.field() | base.n() | t.d());
    }

    /// `op status, t, [base]`. The status register is neither of the others.
    pub(super) fn store_exclusive(
        &mut self,
        op: Ordered,
        access: Access,
        status: Gpr,
        (t, base): (Gpr, Gpr),
    ) {
        debug_assert!(status != t && status != base, "unpredictable otherwise");
        self.word(op.0 | access.field() | status.m() | base.n() | t.d());
    }

    /// `dmb ish`.
    pub(super) fn barrier(&mut self) {
        self.word(op::DMB_ISH);
    }

    /// `br n`, `blr n`, `ret n`.
    pub(super) fn branch_reg(&mut self, op: BranchReg, n: Gpr) {
        self.word(op.0 | n.n());
    }

    /// `bl symbol`, which must be within 128 MiB.
    pub(super) fn call_symbol(&mut self, symbol: Symbol) {
        self.stream.reloc(RelocKind::A64Call26, symbol);
        self.word(op::BL);
    }
}

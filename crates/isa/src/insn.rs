//! Instruction shapes: what the rest of skep matches on.
//!
//! One variant per shape, not per opcode: operation, width and size are fields, so that a reader of programs has one
//! arm per kind of work. The shapes can spell instructions that have no encoding (a sign-extending move from 64 bits);
//! only [`crate::Program`] promises that all of its instructions have one.

use core::fmt;

use crate::ops::{AluOp, AtomicOp, JmpOp, Size, SwapKind, Width};

/// Index of an instruction slot within a program, as the kernel counts (a wide instruction takes two).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct InsnIdx(pub u32);

impl InsnIdx {
    /// As an index into a slice.
    #[must_use]
    #[inline]
    pub fn index(self) -> usize {
        usize::try_from(self.0).expect("usize holds 32 bits on every host skep builds for")
    }

    /// The slot `slots` further on; wrapping, because a hostile offset may leave the program.
    #[must_use]
    #[inline]
    pub fn offset(self, slots: i64) -> i64 {
        i64::from(self.0).wrapping_add(slots)
    }
}

impl fmt::Display for InsnIdx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A register, r0 to r10.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Reg(u8);

impl Reg {
    /// Return value.
    pub const R0: Self = Self(0);
    /// First argument.
    pub const R1: Self = Self(1);
    /// Second argument.
    pub const R2: Self = Self(2);
    /// Third argument.
    pub const R3: Self = Self(3);
    /// Fourth argument.
    pub const R4: Self = Self(4);
    /// Fifth argument.
    pub const R5: Self = Self(5);
    /// First callee-saved register.
    pub const R6: Self = Self(6);
    /// Callee-saved.
    pub const R7: Self = Self(7);
    /// Callee-saved.
    pub const R8: Self = Self(8);
    /// Last callee-saved register.
    pub const R9: Self = Self(9);
    /// Read-only frame pointer.
    pub const R10: Self = Self(10);
    /// Registers that a program may name.
    pub const COUNT: usize = 11;
    /// All registers in order.
    pub const ALL: [Self; Self::COUNT] = [
        Self(0),
        Self(1),
        Self(2),
        Self(3),
        Self(4),
        Self(5),
        Self(6),
        Self(7),
        Self(8),
        Self(9),
        Self(10),
    ];

    /// The register numbered `number`, if there is one.
    #[must_use]
    #[inline]
    pub const fn new(number: u8) -> Option<Self> {
        if number <= 10 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Its number, 0 to 10.
    #[must_use]
    #[inline]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Its number as an index.
    #[must_use]
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// Second operand: a register or the sign-extended immediate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operand {
    /// A register (source bit X).
    Reg(Reg),
    /// The immediate (source bit K), sign-extended to 64 bits for 64-bit operations.
    Imm(i32),
}

/// What the 64-bit immediate of a wide load means (its pseudo source; RFC 9669, section 5.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Imm64 {
    /// Source 0: the value itself.
    Value(u64),
    /// Source 1: map by descriptor.
    MapFd(i32),
    /// Source 2: address within the value of a map given by descriptor.
    MapValue {
        /// Descriptor (first immediate).
        fd: i32,
        /// Byte offset into the value (second immediate).
        off: u32,
    },
    /// Source 3: a kernel variable by BTF id.
    BtfId {
        /// Type id of the variable.
        id: u32,
        /// Descriptor of the module's BTF, or 0.
        btf_fd: i32,
    },
    /// Source 4: address of a subprogram, as a slot offset relative to the next slot of this instruction's first
    /// half (like a call's immediate).
    Func(i32),
    /// Source 5: map by index into the load's fd array.
    MapIdx(u32),
    /// Source 6: value of a map by index into the load's fd array.
    MapIdxValue {
        /// Index into the fd array.
        idx: u32,
        /// Byte offset into the value.
        off: u32,
    },
}

/// Target of a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CallTarget {
    /// Helper by id (source 0).
    Helper(i32),
    /// Local function: slot offset relative to the next slot (source 1).
    Local(i32),
    /// Kernel function by BTF id (source 2); `off` names the module's entry in the fd array.
    Kfunc {
        /// BTF type id of the function.
        id: i32,
        /// Offset field.
        off: i16,
    },
}

/// One decoded instruction slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Insn {
    /// `dst op= src`.
    Alu {
        /// Operation.
        op: AluOp,
        /// Operand width.
        width: Width,
        /// Destination and left operand.
        dst: Reg,
        /// Right operand.
        src: Operand,
    },
    /// `dst = -dst`.
    Neg {
        /// Operand width.
        width: Width,
        /// Destination.
        dst: Reg,
    },
    /// `dst = src`.
    Mov {
        /// Operand width.
        width: Width,
        /// Destination.
        dst: Reg,
        /// Source.
        src: Operand,
    },
    /// `dst = (sN)src` (ISA v4); `from` is B or H, or W with [`Width::W64`].
    MovSx {
        /// Width of the result.
        width: Width,
        /// Destination.
        dst: Reg,
        /// Source.
        src: Reg,
        /// Bits that are kept and sign-extended.
        from: Size,
    },
    /// Byte swap in place; `size` is H, W or Dw.
    Swap {
        /// Which swap.
        kind: SwapKind,
        /// Destination.
        dst: Reg,
        /// Bits swapped; the rest is zeroed.
        size: Size,
    },
    /// `dst = addr_space_cast(src, to, from)` (arena pointers; Linux 6.9).
    AddrSpaceCast {
        /// Destination.
        dst: Reg,
        /// Source.
        src: Reg,
        /// Target address space (high half of the immediate).
        to: u16,
        /// Source address space (low half of the immediate).
        from: u16,
    },
    /// First half of the wide instruction.
    LoadImm64 {
        /// Destination.
        dst: Reg,
        /// Value or pseudo source.
        imm: Imm64,
    },
    /// Second half of a wide instruction; its content is in the first.
    Imm64High,
    /// `dst = *(size *)(base + off)`, sign-extending for MEMSX.
    Load {
        /// Bytes read.
        size: Size,
        /// Whether the value is sign-extended to 64 bits (never with Dw).
        signed: bool,
        /// Destination.
        dst: Reg,
        /// Base address.
        base: Reg,
        /// Byte offset.
        off: i16,
    },
    /// `*(size *)(base + off) = src`; an immediate is sign-extended to 64 bits.
    Store {
        /// Bytes written.
        size: Size,
        /// Base address.
        base: Reg,
        /// Byte offset.
        off: i16,
        /// Value.
        src: Operand,
    },
    /// Atomic access. Sizes: W and Dw for read-modify-write; all for load-acquire and store-release.
    Atomic {
        /// Operation.
        op: AtomicOp,
        /// Bytes accessed.
        size: Size,
        /// Base address, except for [`AtomicOp::LoadAcquire`], whose destination it is.
        dst: Reg,
        /// Value, except for [`AtomicOp::LoadAcquire`], whose base address it is.
        src: Reg,
        /// Byte offset.
        off: i16,
    },
    /// `r0 = ntoh(*(size *)skb[imm])` (legacy packet access), size B, H or W.
    LoadAbs {
        /// Bytes read.
        size: Size,
        /// Offset into the packet.
        imm: i32,
    },
    /// `r0 = ntoh(*(size *)skb[src + imm])`.
    LoadInd {
        /// Bytes read.
        size: Size,
        /// Variable part of the offset.
        src: Reg,
        /// Constant part of the offset.
        imm: i32,
    },
    /// `goto +off` (16-bit offset, JMP class) or `gotol +off` (32-bit, JMP32 class).
    Jump {
        /// Slot offset relative to the next slot.
        off: i32,
        /// Whether this is `gotol`.
        long: bool,
    },
    /// `if dst op src goto +off`.
    JumpIf {
        /// Condition.
        op: JmpOp,
        /// Operand width.
        width: Width,
        /// Left operand.
        dst: Reg,
        /// Right operand.
        src: Operand,
        /// Slot offset relative to the next slot.
        off: i16,
    },
    /// `may_goto +off` (JCOND, Linux 6.9).
    MayGoto {
        /// Slot offset relative to the next slot.
        off: i16,
    },
    /// A call.
    Call(CallTarget),
    /// Indirect helper call by register (`callx`): decodes, refused by the verifier.
    CallReg {
        /// Register that holds the target.
        reg: Reg,
    },
    /// Return from the function.
    Exit,
}

/// Programs hold a million of these: a wide immediate sets the size.
const _: () = assert!(size_of::<Insn>() <= 24);

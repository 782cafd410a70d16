//! The interpreter's own form of an instruction: eight bytes, one variant per thing that the loop does.
//!
//! Operation, width and kind of operand are folded into the variant, so that the loop decides once per instruction. The
//! rows below list the folded variants; what they compute is the evaluation that `isa` has under the same name.
//! Positions stay slots of the program: an offset is relative to the next slot, a wide instruction still takes two.

use crate::function_value;
use skep_isa::{
    AluOp, AtomicOp, CallTarget, Imm64, Insn, InsnIdx, JmpOp, Operand, Reg, Size, SwapKind, Width,
};
use skep_xlate::{Runnable, function_at, local_target};

/// Gives all rows to a macro: per arithmetic operation and per condition its four variants (32-bit by register and
/// immediate, 64-bit by register and immediate), per size its loads and stores.
macro_rules! with_rows {
    ($with:ident $($context:tt)*) => {
        $with! {
            $($context)*
            alu {
                Add AddR32 AddK32 AddR64 AddK64;
                Sub SubR32 SubK32 SubR64 SubK64;
                Mul MulR32 MulK32 MulR64 MulK64;
                Div DivR32 DivK32 DivR64 DivK64;
                Sdiv SdivR32 SdivK32 SdivR64 SdivK64;
                Or OrR32 OrK32 OrR64 OrK64;
                And AndR32 AndK32 AndR64 AndK64;
                Lsh LshR32 LshK32 LshR64 LshK64;
                Rsh RshR32 RshK32 RshR64 RshK64;
                Mod ModR32 ModK32 ModR64 ModK64;
                Smod SmodR32 SmodK32 SmodR64 SmodK64;
                Xor XorR32 XorK32 XorR64 XorK64;
                Arsh ArshR32 ArshK32 ArshR64 ArshK64;
            }
            jump {
                Jeq JeqR32 JeqK32 JeqR64 JeqK64;
                Jgt JgtR32 JgtK32 JgtR64 JgtK64;
                Jge JgeR32 JgeK32 JgeR64 JgeK64;
                Jset JsetR32 JsetK32 JsetR64 JsetK64;
                Jne JneR32 JneK32 JneR64 JneK64;
                Jsgt JsgtR32 JsgtK32 JsgtR64 JsgtK64;
                Jsge JsgeR32 JsgeK32 JsgeR64 JsgeK64;
                Jlt JltR32 JltK32 JltR64 JltK64;
                Jle JleR32 JleK32 JleR64 JleK64;
                Jslt JsltR32 JsltK32 JsltR64 JsltK64;
                Jsle JsleR32 JsleK32 JsleR64 JsleK64;
            }
            mem {
                B LoadB LoadSxB StoreRB StoreKB;
                H LoadH LoadSxH StoreRH StoreKH;
                W LoadW LoadSxW StoreRW StoreKW;
                Dw LoadDw LoadSxDw StoreRDw StoreKDw;
            }
        }
    };
}
pub(crate) use with_rows;

/// What an instruction needs that this engine does not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Unsupported {
    /// Arena pointers.
    AddrSpaceCast,
    /// An indirect call.
    CallReg,
    /// A kernel function.
    KernelFunction,
    /// A map by descriptor, or a kernel variable, that translation did not resolve.
    Unresolved,
    /// A local call that leads to no function.
    NotAFunction,
}

macro_rules! define {
    (
        alu { $($alu:ident $ar32:ident $ak32:ident $ar64:ident $ak64:ident;)* }
        jump { $($jmp:ident $jr32:ident $jk32:ident $jr64:ident $jk64:ident;)* }
        mem { $($size:ident $load:ident $load_sx:ident $store_r:ident $store_k:ident;)* }
    ) => {
        /// One slot, ready to run.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Op {
            $(
                $ar32 { dst: Reg, src: Reg },
                $ak32 { dst: Reg, imm: i32 },
                $ar64 { dst: Reg, src: Reg },
                $ak64 { dst: Reg, imm: i32 },
            )*
            $(
                $jr32 { dst: Reg, src: Reg, off: i16 },
                $jk32 { dst: Reg, off: i16, imm: i32 },
                $jr64 { dst: Reg, src: Reg, off: i16 },
                $jk64 { dst: Reg, off: i16, imm: i32 },
            )*
            $(
                $load { dst: Reg, base: Reg, off: i16 },
                $load_sx { dst: Reg, base: Reg, off: i16 },
                $store_r { base: Reg, src: Reg, off: i16 },
                $store_k { base: Reg, off: i16, imm: i32 },
            )*
            Neg { width: Width, dst: Reg },
            MovR32 { dst: Reg, src: Reg },
            MovR64 { dst: Reg, src: Reg },
            MovK32 { dst: Reg, imm: i32 },
            MovK64 { dst: Reg, imm: i32 },
            MovSx { width: Width, dst: Reg, src: Reg, from: Size },
            Swap { kind: SwapKind, dst: Reg, size: Size },
            /// A wide constant: entry of the pool.
            Wide { dst: Reg, pool: u32 },
            Map { dst: Reg, index: u32 },
            /// Address in a map's value: index and offset are the halves of a pool entry.
            MapValue { dst: Reg, pool: u32 },
            /// The second half of a wide instruction; never run.
            High,
            Atomic { op: AtomicOp, size: Size, dst: Reg, src: Reg, off: i16 },
            LoadAbs { size: Size, imm: i32 },
            LoadInd { size: Size, src: Reg, imm: i32 },
            Jump { off: i32 },
            MayGoto { off: i16 },
            Helper { id: u32 },
            TailCall,
            /// A local call, to an absolute slot.
            Call { start: u32 },
            Exit,
            Unsupported(Unsupported),
        }

        impl Op {
            fn alu(op: AluOp, width: Width, dst: Reg, src: Operand) -> Self {
                match (op, width, src) {
                    $(
                        (AluOp::$alu, Width::W32, Operand::Reg(src)) => Self::$ar32 { dst, src },
                        (AluOp::$alu, Width::W32, Operand::Imm(imm)) => Self::$ak32 { dst, imm },
                        (AluOp::$alu, Width::W64, Operand::Reg(src)) => Self::$ar64 { dst, src },
                        (AluOp::$alu, Width::W64, Operand::Imm(imm)) => Self::$ak64 { dst, imm },
                    )*
                }
            }

            fn jump_if(op: JmpOp, width: Width, dst: Reg, src: Operand, off: i16) -> Self {
                match (op, width, src) {
                    $(
                        (JmpOp::$jmp, Width::W32, Operand::Reg(src)) => Self::$jr32 { dst, src, off },
                        (JmpOp::$jmp, Width::W32, Operand::Imm(imm)) => Self::$jk32 { dst, off, imm },
                        (JmpOp::$jmp, Width::W64, Operand::Reg(src)) => Self::$jr64 { dst, src, off },
                        (JmpOp::$jmp, Width::W64, Operand::Imm(imm)) => Self::$jk64 { dst, off, imm },
                    )*
                }
            }

            fn load(size: Size, dst: Reg, base: Reg, off: i16) -> Self {
                match size {
                    $(Size::$size => Self::$load { dst, base, off },)*
                }
            }

            fn load_sx(size: Size, dst: Reg, base: Reg, off: i16) -> Self {
                match size {
                    $(Size::$size => Self::$load_sx { dst, base, off },)*
                }
            }

            fn store(size: Size, base: Reg, off: i16, src: Operand) -> Self {
                match (size, src) {
                    $(
                        (Size::$size, Operand::Reg(src)) => Self::$store_r { base, src, off },
                        (Size::$size, Operand::Imm(imm)) => Self::$store_k { base, off, imm },
                    )*
                }
            }
        }
    };
}

with_rows!(define);

const _: () = assert!(size_of::<Op>() == 8);

/// All slots of a program, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Ops {
    pub(crate) ops: Box<[Op]>,
    /// What does not fit an op.
    pub(crate) pool: Box<[u64]>,
    /// First slot of each function, in order.
    pub(crate) functions: Box<[InsnIdx]>,
}

impl Ops {
    pub(crate) fn new(program: &impl Runnable) -> Self {
        let mut pool = Vec::new();
        let ops = (0..)
            .map(InsnIdx)
            .zip(program.insns())
            .map(|(at, insn)| op(program, at, insn, &mut pool))
            .collect();
        Self {
            ops,
            pool: pool.into(),
            functions: program.functions().iter().map(|f| f.start).collect(),
        }
    }
}

fn op(program: &impl Runnable, at: InsnIdx, insn: &Insn, pool: &mut Vec<u64>) -> Op {
    match *insn {
        Insn::Alu {
            op,
            width,
            dst,
            src,
        } => Op::alu(op, width, dst, src),
        Insn::Neg { width, dst } => Op::Neg { width, dst },
        Insn::Mov { width, dst, src } => mov(width, dst, src),
        Insn::MovSx {
            width,
            dst,
            src,
            from,
        } => Op::MovSx {
            width,
            dst,
            src,
            from,
        },
        Insn::Swap { kind, dst, size } => Op::Swap { kind, dst, size },
        Insn::AddrSpaceCast { .. } => Op::Unsupported(Unsupported::AddrSpaceCast),
        Insn::LoadImm64 { dst, imm } => wide(program, at, insn, (dst, imm), pool),
        Insn::Imm64High => Op::High,
        Insn::Load {
            size,
            signed,
            dst,
            base,
            off,
        } => match signed {
            false => Op::load(size, dst, base, off),
            true => Op::load_sx(size, dst, base, off),
        },
        Insn::Store {
            size,
            base,
            off,
            src,
        } => Op::store(size, base, off, src),
        Insn::Atomic {
            op,
            size,
            dst,
            src,
            off,
        } => Op::Atomic {
            op,
            size,
            dst,
            src,
            off,
        },
        Insn::LoadAbs { size, imm } => Op::LoadAbs { size, imm },
        Insn::LoadInd { size, src, imm } => Op::LoadInd { size, src, imm },
        Insn::Jump { off, .. } => Op::Jump { off },
        Insn::JumpIf {
            op,
            width,
            dst,
            src,
            off,
        } => Op::jump_if(op, width, dst, src, off),
        Insn::MayGoto { off } => Op::MayGoto { off },
        Insn::Call(target) => call(program, at, insn, target),
        Insn::CallReg { .. } => Op::Unsupported(Unsupported::CallReg),
        Insn::Exit => Op::Exit,
    }
}

fn mov(width: Width, dst: Reg, src: Operand) -> Op {
    match (width, src) {
        (Width::W32, Operand::Reg(src)) => Op::MovR32 { dst, src },
        (Width::W64, Operand::Reg(src)) => Op::MovR64 { dst, src },
        (Width::W32, Operand::Imm(imm)) => Op::MovK32 { dst, imm },
        (Width::W64, Operand::Imm(imm)) => Op::MovK64 { dst, imm },
    }
}

fn wide(
    program: &impl Runnable,
    at: InsnIdx,
    insn: &Insn,
    (dst, imm): (Reg, Imm64),
    pool: &mut Vec<u64>,
) -> Op {
    let mut pooled = |value| {
        pool.push(value);
        u32::try_from(pool.len() - 1).expect("at most one entry per slot")
    };
    match imm {
        Imm64::Value(value) => Op::Wide {
            dst,
            pool: pooled(value),
        },
        Imm64::Func(_) => match function_start(program, at, insn) {
            Some(start) => Op::Wide {
                dst,
                pool: pooled(function_value(start)),
            },
            None => Op::Unsupported(Unsupported::NotAFunction),
        },
        Imm64::MapIdx(index) => Op::Map { dst, index },
        Imm64::MapIdxValue { idx, off } => Op::MapValue {
            dst,
            pool: pooled(u64::from(idx) << 32 | u64::from(off)),
        },
        Imm64::MapFd(_) | Imm64::MapValue { .. } | Imm64::BtfId { .. } => {
            Op::Unsupported(Unsupported::Unresolved)
        }
    }
}

fn call(program: &impl Runnable, at: InsnIdx, insn: &Insn, target: CallTarget) -> Op {
    /// Number of `bpf_tail_call`, which is no call: it does not come back.
    const TAIL_CALL: i32 = 12;
    match target {
        CallTarget::Helper(TAIL_CALL) => Op::TailCall,
        CallTarget::Helper(id) => Op::Helper {
            id: id.cast_unsigned(),
        },
        CallTarget::Local(_) => match function_start(program, at, insn) {
            Some(start) => Op::Call { start: start.0 },
            None => Op::Unsupported(Unsupported::NotAFunction),
        },
        CallTarget::Kfunc { .. } => Op::Unsupported(Unsupported::KernelFunction),
    }
}

fn function_start(program: &impl Runnable, at: InsnIdx, insn: &Insn) -> Option<InsnIdx> {
    let index = function_at(program.functions(), local_target(at, insn)?)?;
    Some(program.functions()[index].start)
}

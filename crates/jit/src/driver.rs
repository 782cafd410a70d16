//! The walk over a program: one call of [`Backend`] per instruction shape, in order.
//!
//! What is the same for every architecture is decided here: which shapes compile at all, what a pseudo source refers to,
//! which function a call leads to, what each function's prologue has to do, where a pair of instructions may be fused.
//! A backend only emits. It sees labels, never slot offsets, and cannot fail: whatever it is given, it can encode.

use crate::layout::{BranchShape, Label, Stream};
use crate::{CallModel, Code, CompileError, Options, Symbol, Unsupported};
use skep_contracts::helper;
use skep_isa::{
    AluOp, AtomicOp, CallTarget, Imm64, Insn, InsnIdx, JmpOp, Operand, Reg, Size, SwapKind, Width,
};
use skep_uapi::HelperId;
use skep_xlate::{PrologueFacts, Xlated, function_at, jump_target, local_target};

/// Whether something receives or needs the run context.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RunCtxUse {
    /// It does.
    Needed,
    /// It does not.
    Unneeded,
}

/// Which entry a function has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Called from outside with the context and the run context; pins the run context if anything in the program
    /// needs it.
    Main(RunCtxUse),
    /// Called from within the program, with r1 to r5 and the run context in their registers.
    Local,
}

/// What a function's prologue and epilogue depend on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FunctionPlan {
    /// Main or local.
    pub(crate) role: Role,
    /// Registers, calls and stack.
    pub(crate) facts: PrologueFacts,
}

/// What a wide load puts into its register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wide {
    /// A constant.
    Value(u64),
    /// An address that `exec` supplies.
    Address(Symbol),
    /// The entry of a local function.
    Function(Label),
}

/// How a condition is computed; the operands of [`Insn::JumpIf`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Condition {
    /// Comparison.
    pub(crate) op: JmpOp,
    /// Operand width.
    pub(crate) width: Width,
    /// Left operand.
    pub(crate) dst: Reg,
    /// Right operand.
    pub(crate) src: Operand,
}

/// An address `base + off`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Address {
    /// Register.
    pub(crate) base: Reg,
    /// Byte offset.
    pub(crate) off: i16,
}

/// Code generation for one architecture: one method per shape.
///
/// Registers, frames, helper calls and tail calls are those of ARCHITECTURE.md ("Run-time ABI").
pub(crate) trait Backend {
    /// Kinds of branch.
    type Branch: BranchShape;

    /// Where code goes.
    fn stream(&mut self) -> &mut Stream<Self::Branch>;

    /// The prologue; until the next call, `exit` and `tail_call` undo it.
    fn begin_function(&mut self, plan: &FunctionPlan);
    /// What follows the last slot of a function, if anything.
    fn end_function(&mut self);

    /// Emits one shorter sequence for `first` and `second`, which always run one after the other, and returns whether
    /// it did. Neither is the half of a wide instruction.
    fn fuse(&mut self, first: &Insn, second: &Insn) -> bool;

    /// `dst op= src`.
    fn alu(&mut self, op: AluOp, width: Width, dst: Reg, src: Operand);
    /// `dst = -dst`.
    fn neg(&mut self, width: Width, dst: Reg);
    /// `dst = src`.
    fn mov(&mut self, width: Width, dst: Reg, src: Operand);
    /// `dst = (sN)src`.
    fn mov_sx(&mut self, width: Width, dst: Reg, src: Reg, from: Size);
    /// Byte swap or truncation.
    fn swap(&mut self, kind: SwapKind, dst: Reg, size: Size);
    /// `dst = imm ll`.
    fn load_wide(&mut self, dst: Reg, value: Wide);
    /// `dst = *(size *)address`, zero-extending.
    fn load(&mut self, size: Size, dst: Reg, address: Address);
    /// `dst = *(size *)address`, sign-extending.
    fn load_sx(&mut self, size: Size, dst: Reg, address: Address);
    /// `*(size *)address = src`.
    fn store(&mut self, size: Size, address: Address, src: Operand);
    /// Atomic access. `value` is the operand register; of a load-acquire it is the destination.
    fn atomic(&mut self, op: AtomicOp, size: Size, address: Address, value: Reg);
    /// `goto target`.
    fn jump(&mut self, target: Label);
    /// `if condition goto target`.
    fn jump_if(&mut self, condition: Condition, target: Label);
    /// `goto target` if the budget is used up, else takes one from it.
    fn may_goto(&mut self, target: Label);
    /// Call of a helper.
    fn call_helper(&mut self, id: u32, run: RunCtxUse, model: CallModel);
    /// Call of a local function.
    fn call_local(&mut self, function: Label);
    /// Tail call with the arguments of `bpf_tail_call` in r1 to r3; falls through when it cannot be made. The
    /// target's address comes from the shim of helper 12 (see [`Symbol::Helper`]).
    fn tail_call(&mut self, model: CallModel);
    /// Epilogue and return.
    fn exit(&mut self);

    /// The callback thunk ([`Code::callback_thunk`]).
    fn callback_thunk(&mut self);
}

/// Compiles with one backend.
///
/// # Errors
/// See [`CompileError`].
pub(crate) fn compile<B: Backend>(
    program: &Xlated,
    options: &Options,
    mut backend: B,
    finish: impl FnOnce(B) -> Stream<B::Branch>,
) -> Result<Code, CompileError> {
    let mut walk = Walk::new(program, options, &mut backend)?;
    walk.program()?;
    let functions = walk.functions;
    let thunk = walk.thunk;
    let laid = finish(backend).finish()?;
    let functions: Vec<u32> = functions.iter().map(|label| laid.offset(*label)).collect();
    Ok(Code {
        tail_entry: functions.first().copied().unwrap_or(0),
        callback_thunk: thunk.map(|label| laid.offset(label)),
        functions,
        bytes: laid.bytes,
        relocs: laid.relocs,
        pc_map: laid.pc_map,
        options: *options,
    })
}

struct Walk<'a, B> {
    program: &'a Xlated,
    options: &'a Options,
    backend: &'a mut B,
    /// Slots that some jump leads to; a pair of which the second is one cannot be fused.
    joins: Vec<bool>,
    /// Entry of each function.
    functions: Vec<Label>,
    thunk: Option<Label>,
}

impl<'a, B: Backend> Walk<'a, B> {
    fn new(
        program: &'a Xlated,
        options: &'a Options,
        backend: &'a mut B,
    ) -> Result<Self, CompileError> {
        let insns = program.insns();
        let mut joins = vec![false; insns.len()];
        for (at, insn) in (0..).map(InsnIdx).zip(insns) {
            if let Some(target) = jump_target(at, insn) {
                let target = usize::try_from(target).ok();
                *target
                    .and_then(|target| joins.get_mut(target))
                    .ok_or(CompileError::BadTarget { at })? = true;
            }
        }
        let functions = program
            .functions()
            .iter()
            .map(|_| backend.stream().new_label())
            .collect();
        Ok(Self {
            program,
            options,
            backend,
            joins,
            functions,
            thunk: None,
        })
    }

    fn program(&mut self) -> Result<(), CompileError> {
        let run = self.run_ctx_use();
        for (index, function) in self.program.functions().iter().enumerate() {
            let role = if index == 0 {
                Role::Main(run)
            } else {
                Role::Local
            };
            let plan = FunctionPlan {
                role,
                facts: self.program.prologue(function),
            };
            self.backend.stream().pc(function.start);
            self.backend.stream().bind(self.functions[index]);
            self.backend.begin_function(&plan);
            self.slots(function.start, function.end)?;
            self.backend.end_function();
        }
        let takes_address = |insn: &Insn| {
            matches!(
                insn,
                Insn::LoadImm64 {
                    imm: Imm64::Func(_),
                    ..
                }
            )
        };
        if self.program.insns().iter().any(takes_address) {
            let label = self.backend.stream().new_label();
            self.backend.stream().bind(label);
            self.backend.callback_thunk();
            self.thunk = Some(label);
        }
        Ok(())
    }

    /// Whether anything in the program uses the pinned run context.
    fn run_ctx_use(&self) -> RunCtxUse {
        let needs = |insn: &Insn| {
            if let Insn::Call(CallTarget::Helper(id)) = *insn {
                helper_use(id) == RunCtxUse::Needed
            } else {
                matches!(insn, Insn::MayGoto { .. })
            }
        };
        if self.program.insns().iter().any(needs) {
            RunCtxUse::Needed
        } else {
            RunCtxUse::Unneeded
        }
    }

    fn slots(&mut self, start: InsnIdx, end: InsnIdx) -> Result<(), CompileError> {
        let insns = self.program.insns();
        let mut at = start;
        while at < end {
            let insn = &insns[at.index()];
            let next = InsnIdx(at.0 + 1);
            self.backend.stream().pc(at);
            self.backend.stream().bind(Label::of_slot(at));
            let fusible = next < end && !self.joins[next.index()];
            if fusible && self.backend.fuse(insn, &insns[next.index()]) {
                at = InsnIdx(next.0 + 1);
            } else {
                self.insn(at, insn)?;
                at = next;
            }
        }
        Ok(())
    }

    fn insn(&mut self, at: InsnIdx, insn: &Insn) -> Result<(), CompileError> {
        let unsupported = |what| Err(CompileError::Unsupported { at, what });
        let backend = &mut *self.backend;
        match *insn {
            Insn::Alu {
                op,
                width,
                dst,
                src,
            } => backend.alu(op, width, dst, src),
            Insn::Neg { width, dst } => backend.neg(width, dst),
            Insn::Mov { width, dst, src } => backend.mov(width, dst, src),
            Insn::MovSx {
                width,
                dst,
                src,
                from,
            } => backend.mov_sx(width, dst, src, from),
            Insn::Swap { kind, dst, size } => backend.swap(kind, dst, size),
            Insn::AddrSpaceCast { .. } => return unsupported(Unsupported::AddrSpaceCast),
            Insn::LoadImm64 { dst, imm } => {
                let value = self.wide(at, insn, imm)?;
                self.backend.load_wide(dst, value);
            }
            Insn::Imm64High => {}
            Insn::Load {
                size,
                signed,
                dst,
                base,
                off,
            } => {
                let address = Address { base, off };
                if signed {
                    backend.load_sx(size, dst, address);
                } else {
                    backend.load(size, dst, address);
                }
            }
            Insn::Store {
                size,
                base,
                off,
                src,
            } => backend.store(size, Address { base, off }, src),
            Insn::Atomic {
                op,
                size,
                dst,
                src,
                off,
            } => {
                let (base, value) = if op == AtomicOp::LoadAcquire {
                    (src, dst)
                } else {
                    (dst, src)
                };
                backend.atomic(op, size, Address { base, off }, value);
            }
            Insn::LoadAbs { .. } | Insn::LoadInd { .. } => {
                return unsupported(Unsupported::LegacyPacketAccess);
            }
            Insn::Jump { off, .. } => {
                if off != 0 {
                    backend.jump(Self::label(at, insn)?);
                }
            }
            Insn::JumpIf {
                op,
                width,
                dst,
                src,
                off,
            } => {
                if off != 0 {
                    let condition = Condition {
                        op,
                        width,
                        dst,
                        src,
                    };
                    backend.jump_if(condition, Self::label(at, insn)?);
                }
            }
            Insn::MayGoto { .. } => backend.may_goto(Self::label(at, insn)?),
            Insn::Call(target) => self.call(at, insn, target)?,
            Insn::CallReg { .. } => return unsupported(Unsupported::CallReg),
            Insn::Exit => backend.exit(),
        }
        Ok(())
    }

    /// Label of a jump's target, which `new` found to lie in the program.
    fn label(at: InsnIdx, insn: &Insn) -> Result<Label, CompileError> {
        jump_target(at, insn)
            .and_then(|target| u32::try_from(target).ok())
            .map(|target| Label::of_slot(InsnIdx(target)))
            .ok_or(CompileError::BadTarget { at })
    }

    fn function(&self, at: InsnIdx, insn: &Insn) -> Result<Label, CompileError> {
        local_target(at, insn)
            .and_then(|target| function_at(self.program.functions(), target))
            .map(|index| self.functions[index])
            .ok_or(CompileError::BadTarget { at })
    }

    fn wide(&self, at: InsnIdx, insn: &Insn, imm: Imm64) -> Result<Wide, CompileError> {
        match imm {
            Imm64::Value(value) => Ok(Wide::Value(value)),
            Imm64::MapIdx(index) => Ok(Wide::Address(Symbol::Map { index })),
            Imm64::MapIdxValue { idx, off } => Ok(Wide::Address(Symbol::MapValue {
                index: idx,
                offset: off,
            })),
            Imm64::Func(_) => Ok(Wide::Function(self.function(at, insn)?)),
            Imm64::MapFd(_) | Imm64::MapValue { .. } => Err(CompileError::Unsupported {
                at,
                what: Unsupported::MapByDescriptor,
            }),
            Imm64::BtfId { .. } => Err(CompileError::Unsupported {
                at,
                what: Unsupported::KernelVariable,
            }),
        }
    }

    fn call(&mut self, at: InsnIdx, insn: &Insn, target: CallTarget) -> Result<(), CompileError> {
        let model = self.options.calls;
        match target {
            CallTarget::Helper(id) if id.cast_unsigned() == HelperId::TAIL_CALL.0 => {
                self.backend.tail_call(model);
            }
            CallTarget::Helper(id) => {
                self.backend
                    .call_helper(id.cast_unsigned(), helper_use(id), model);
            }
            CallTarget::Local(_) => {
                let function = self.function(at, insn)?;
                self.backend.call_local(function);
            }
            CallTarget::Kfunc { .. } => {
                return Err(CompileError::Unsupported {
                    at,
                    what: Unsupported::KernelFunction,
                });
            }
        }
        Ok(())
    }
}

/// Whether a helper takes the run context. Of a helper without a row nothing is known, so it does.
fn helper_use(id: i32) -> RunCtxUse {
    let id = HelperId(id.cast_unsigned());
    if id != HelperId::TAIL_CALL && helper(id).is_some_and(|row| !row.needs_run_ctx) {
        RunCtxUse::Unneeded
    } else {
        RunCtxUse::Needed
    }
}

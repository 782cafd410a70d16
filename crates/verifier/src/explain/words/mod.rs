//! What is wrong and what would put it right, refusal by refusal.
//!
//! One file per family; each gives its words or passes the refusal on. A refusal of no family is told in Linux's words: new
//! refusals come without being asked for words here.

mod access;
mod calls;
mod limits;
pub(super) mod resources;
mod values;

use super::Scene;
use crate::reject::Reject;
use crate::state::Reg;
use skep_contracts::HelperProto;
use skep_isa::{CallTarget, Insn, InsnIdx, Reg as R};
use skep_uapi::HelperId;

/// What is said of a refusal.
pub(super) struct Words {
    pub(super) what: String,
    pub(super) advice: Vec<String>,
}

impl Words {
    fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            advice: Vec::new(),
        }
    }

    fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice.push(advice.into());
        self
    }
}

pub(super) fn of(scene: &Scene<'_>, reject: &Reject) -> Words {
    access::packet(scene, reject)
        .or_else(|| access::map_value(reject))
        .or_else(|| access::stack(reject))
        .or_else(|| access::other(scene, reject))
        .or_else(|| values::of(scene, reject))
        .or_else(|| calls::of(scene, reject))
        .or_else(|| resources::of(reject))
        .or_else(|| limits::of(scene, reject))
        .unwrap_or_else(|| Words::new(reject.to_string().replace('\n', "; ")))
}

/// The register that a refusal names.
pub(super) fn subject(reject: &Reject) -> Option<R> {
    use Reject as J;
    match reject {
        J::UninitRegister { reg, .. }
        | J::Pointer32 { reg, .. }
        | J::PointerArithmetic { reg, .. }
        | J::MaybeNullArithmetic { reg, .. }
        | J::PointerPointer { reg, .. }
        | J::PointerOperator { reg, .. }
        | J::PointerBitwise { reg, .. }
        | J::SubtractPointer { reg, .. }
        | J::SubtractFromFp { reg, .. }
        | J::InvalidMemAccess { reg, .. }
        | J::CtxNegative { reg, .. }
        | J::CtxModified { reg, .. }
        | J::ObjectAccess { reg, .. }
        | J::ObjectWrite { reg, .. }
        | J::TracepointBuffer { reg, .. }
        | J::VariableBuffer { reg, .. }
        | J::PacketAccess { reg, .. }
        | J::PacketBeyond { reg, .. }
        | J::NegativeOffset { reg, .. }
        | J::UnboundedOffset { reg, .. }
        | J::MapValueOutside { reg, .. }
        | J::MapKeyOutside { reg, .. }
        | J::MapKeyWrite { reg, .. }
        | J::MemoryOutside { reg, .. }
        | J::StackOutside { reg, .. }
        | J::StackPastEnd { reg, .. }
        | J::StackVariableOutside { reg, .. }
        | J::StackVariablePastEnd { reg, .. }
        | J::StackUnbounded { reg, .. }
        | J::AtomicKind { reg, .. }
        | J::NotReferenced { reg, .. }
        | J::ArgKindMismatch { reg, .. }
        | J::SizeNegative { reg, .. }
        | J::SizeUnbounded { reg, .. }
        | J::SizeZero { reg, .. }
        | J::SizeNotConst { reg, .. }
        | J::StrNotReadonly { reg, .. }
        | J::StrNotConst { reg, .. }
        | J::GlobalArg { reg, .. }
        | J::ReturnKind { reg, .. }
        | J::ReturnRange { reg, .. }
        | J::StackOpaqueArgument { reg, .. }
        | J::ReleasedOffset { reg, .. } => Some(*reg),
        J::GlobalReturn { .. } => Some(R::R0),
        J::BadFormat { .. } => Some(R::R1),
        _ => None,
    }
}

/// Whether a refusal that names no register is one of an access to memory.
pub(super) fn is_of_access(reject: &Reject) -> bool {
    use Reject as J;
    matches!(
        reject,
        J::CtxAccess { .. }
            | J::CtxVariable { .. }
            | J::FlowKeysAccess { .. }
            | J::Misaligned { .. }
            | J::MisalignedPacket { .. }
            | J::PacketWrite { .. }
            | J::MapWriteForbidden { .. }
            | J::MapReadForbidden { .. }
            | J::MapPointerWrite { .. }
            | J::DifferentPointers { .. }
            | J::FillSize { .. }
    )
}

/// Whether a refusal is one of a number added to a pointer.
pub(super) fn is_of_sum(reject: &Reject) -> bool {
    use Reject as J;
    matches!(
        reject,
        J::PointerUnboundedMin { .. }
            | J::PointerSum { .. }
            | J::PointerConstant { .. }
            | J::PointerOffset { .. }
    )
}

/// The instruction that a refusal before any walk is about.
pub(super) fn structure_place(reject: &Reject) -> Option<InsnIdx> {
    use Reject as J;
    match reject {
        J::JumpOutOfRange { at, .. }
        | J::JumpIntoWide { at }
        | J::UnreachableInsn { at }
        | J::CallOutOfRange { at }
        | J::BadFuncAddress { at } => Some(*at),
        _ => None,
    }
}

impl Scene<'_> {
    /// A register at the end of the walk.
    fn reg(&self, reg: R) -> Option<&Reg> {
        Some(self.path?.state.reg(reg))
    }

    /// `reads` or `writes`, by the refused instruction.
    fn verb(&self) -> &'static str {
        match self.insn() {
            Some(Insn::Store { .. } | Insn::Atomic { .. }) => "writes",
            _ => "reads",
        }
    }

    /// The helper that the refused instruction calls: its name and its row.
    fn helper(&self) -> Option<(String, &'static HelperProto)> {
        let Some(Insn::Call(CallTarget::Helper(id))) = self.insn() else {
            return None;
        };
        let id = HelperId(id.cast_unsigned());
        Some((format!("bpf_{}", id.name()?), skep_contracts::helper(id)?))
    }

    /// The called helper's name, or what stands for it.
    fn callee(&self) -> String {
        self.helper()
            .map_or_else(|| "the call".to_owned(), |(name, _)| name)
    }
}

/// `argument 2 of bpf_x`, if the register is one.
fn argument(scene: &Scene<'_>, reg: R) -> String {
    match scene.insn() {
        Some(Insn::Call(_)) => format!("argument {} of {}", reg.number(), scene.callee()),
        _ => reg.to_string(),
    }
}

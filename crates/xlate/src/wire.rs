//! The slots as `bpf_prog_info` gives them to `dump xlated`: maps by id, helpers by the displacement of their code.

use crate::facts::local_target;
use crate::{Xlated, function_at};
use skep_isa::{CallTarget, Imm64, Insn, InsnIdx, RawInsn};

/// Pseudo source of a map (`BPF_PSEUDO_MAP_FD`).
const SRC_MAP: u8 = 1;
/// Pseudo source of an address in a map's value (`BPF_PSEUDO_MAP_VALUE`).
const SRC_MAP_VALUE: u8 = 2;

/// What only the machine knows of a loaded program.
pub trait WireNames {
    /// Id of the map at `index` of the program's map table.
    fn map_id(&self, index: u32) -> u32;
    /// What stands in the immediate of a call of helper `id`: in Linux the distance of its code from
    /// `__bpf_call_base`, from which bpftool finds its name.
    fn helper_imm(&self, id: i32) -> i32;
}

/// How a local call is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum LocalCall {
    /// Slot offset in `off`, cut to 16 bits; the callee's function number in `imm`.
    Shown,
    /// The number in `off`; 1 in `imm`, where a call of nothing in particular has its distance.
    Tagged,
}

impl Xlated {
    /// The slots on the wire.
    ///
    /// A local call has its slot offset in `off`, cut to 16 bits, and the callee's function number in `imm`; a function's
    /// address has the slot offset in the first immediate and the number in the second. So Linux writes them.
    #[must_use]
    pub fn wire(&self, names: &dyn WireNames) -> Vec<RawInsn> {
        self.written(names, LocalCall::Shown)
    }

    /// The slots as Linux 6.18 has them when it computes the tags of local functions: like [`Self::wire`], but a local
    /// call has the callee's function number in `off` and 1 in `imm`, so that tags do not depend on distances.
    #[must_use]
    pub fn wire_for_tags(&self, names: &dyn WireNames) -> Vec<RawInsn> {
        self.written(names, LocalCall::Tagged)
    }

    fn written(&self, names: &dyn WireNames, local_call: LocalCall) -> Vec<RawInsn> {
        let mut out = Vec::with_capacity(self.insns().len());
        for (at, insn) in (0..).map(InsnIdx).zip(self.insns()) {
            if *insn == Insn::Imm64High {
                continue;
            }
            let (mut first, mut second) = insn.encode_wide();
            let mut high = |imm: i32| {
                if let Some(second) = &mut second {
                    second.imm = imm;
                }
            };
            if let Insn::LoadImm64 {
                imm: Imm64::MapIdx(index),
                ..
            } = *insn
            {
                first.src = SRC_MAP;
                first.imm = names.map_id(index).cast_signed();
            } else if let Insn::LoadImm64 {
                imm: Imm64::MapIdxValue { idx, off },
                ..
            } = *insn
            {
                first.src = SRC_MAP_VALUE;
                first.imm = names.map_id(idx).cast_signed();
                high(off.cast_signed());
            } else if let Insn::LoadImm64 {
                imm: Imm64::Func(_),
                ..
            } = *insn
            {
                high(self.function_number(at, insn));
            } else if let Insn::Call(CallTarget::Helper(id)) = *insn {
                first.imm = names.helper_imm(id);
            } else if let Insn::Call(CallTarget::Local(off)) = *insn {
                let number = self.function_number(at, insn);
                (first.off, first.imm) = match local_call {
                    LocalCall::Shown => (low_half(off), number),
                    LocalCall::Tagged => (low_half(number), 1),
                };
            }
            out.push(first);
            out.extend(second);
        }
        out
    }

    fn function_number(&self, at: InsnIdx, insn: &Insn) -> i32 {
        local_target(at, insn)
            .and_then(|target| function_at(self.functions(), target))
            .and_then(|index| i32::try_from(index).ok())
            .unwrap_or(-1)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the field is for display, and Linux cuts it too"
)]
fn low_half(off: i32) -> i16 {
    off as i16
}

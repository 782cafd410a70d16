//! Places: the instruction's text, its function and its source line.

use super::{Place, SourceLine};
use crate::env::{Env, LineInfo};
use crate::log::trace::helper_name;
use skep_btf::StrOff;
use skep_isa::text::kernel;
use skep_isa::{CallTarget, Imm64, Insn, InsnIdx};
use std::borrow::Cow;

/// Bits of `line_col` that hold the column.
const COLUMN_BITS: u32 = 10;

/// Resolves places.
pub(super) struct Places<'a> {
    env: &'a Env<'a>,
    insns: &'a [Insn],
}

impl<'a> Places<'a> {
    pub(super) fn new(env: &'a Env<'a>, insns: &'a [Insn]) -> Self {
        Self { env, insns }
    }

    pub(super) fn at(&self, at: InsnIdx) -> Place {
        let insn = self.insns.get(at.index());
        Place {
            at,
            insn: insn.map_or_else(String::new, |insn| {
                kernel::body(at, insn, &HelperNames).to_string()
            }),
            function: self.function(at),
            source: self.source(at),
        }
    }

    /// The name of the function that an instruction belongs to, empty if it is not known.
    pub(super) fn function(&self, at: InsnIdx) -> String {
        let records = self.env.func_info;
        let after = records.partition_point(|record| record.at <= at);
        let record = after.checked_sub(1).and_then(|index| records.get(index));
        let name = record.and_then(|record| Some(self.env.btf?.name(record.type_id).to_owned()));
        name.unwrap_or_default()
    }

    fn source(&self, at: InsnIdx) -> Option<SourceLine> {
        let record = self.line(at)?;
        let btf = self.env.btf?;
        Some(SourceLine {
            file: btf.text(StrOff(record.file_name_off))?.into_owned(),
            line: record.line_col >> COLUMN_BITS,
            column: record.line_col & ((1 << COLUMN_BITS) - 1),
            text: btf.text(StrOff(record.line_off))?.into_owned(),
        })
    }

    /// The line record of an instruction. A compiler leaves line 0 where code stands for no line: then the one before.
    fn line(&self, at: InsnIdx) -> Option<&LineInfo> {
        let records = self.env.line_info;
        let after = records.partition_point(|record| record.at <= at);
        let before = records.get(..after)?.iter().rev();
        before
            .take_while(|record| self.function_start(record.at) == self.function_start(at))
            .find(|record| record.line_col >> COLUMN_BITS != 0)
    }

    fn function_start(&self, at: InsnIdx) -> usize {
        self.env.func_info.partition_point(|record| record.at <= at)
    }
}

/// Names for the instructions' text.
struct HelperNames;

impl kernel::Names for HelperNames {
    fn call(&self, _at: InsnIdx, target: CallTarget) -> Option<Cow<'_, str>> {
        let CallTarget::Helper(id) = target else {
            return None;
        };
        helper_name(id).map(Cow::Owned)
    }

    fn imm64(&self, _at: InsnIdx, imm: Imm64) -> Option<Cow<'_, str>> {
        match imm {
            Imm64::MapIdx(_) | Imm64::MapFd(_) => Some("map".into()),
            Imm64::MapIdxValue { off, .. } | Imm64::MapValue { off, .. } => {
                Some(format!("map value + {off}").into())
            }
            Imm64::Func(_) => Some("function".into()),
            Imm64::Value(_) | Imm64::BtfId { .. } => None,
        }
    }
}

//! A loaded program's code with what belongs to it: functions, source lines, names of addresses.
//!
//! Everything that `dump xlated` and `dump jited` print comes from one [`Code`]; it is read in one command, so that
//! code and records belong together.

use crate::calls;
use crate::failure::{Failure, Outcome};
use crate::output::escape;
use crate::select::{full_name, tag_text};
use crate::types::{FuncRecord, SourceLine, Types, func_records};
use skep_uapi::{Bpf, Handle, HelperId, ProgCode, ProgInfo};
use std::collections::HashMap;

/// Where helper calls are displacements from.
const CALL_BASE: &str = "__bpf_call_base";

/// A program's code.
pub(crate) struct Code {
    /// What is known of the program.
    pub(crate) info: ProgInfo,
    /// Name in full.
    name: String,
    /// The arrays.
    pub(crate) code: ProgCode,
    /// Functions by record.
    pub(crate) funcs: Vec<FuncRecord>,
    /// Source lines by record.
    pub(crate) lines: Vec<SourceLine>,
    types: Option<Types>,
    symbols: HashMap<u64, String>,
    call_base: u64,
}

/// Which details a dump shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Details {
    /// Whether the bytes of instructions are shown.
    pub(crate) opcodes: bool,
    /// Whether file, line and column are shown.
    pub(crate) linum: bool,
}

impl Code {
    /// Reads a program's code.
    pub(crate) fn read(bpf: &dyn Bpf, prog: Handle) -> Outcome<Self> {
        let failed = |errno| Failure::message(format!("can't get prog info: {errno}"));
        let info = calls::prog_info(bpf, prog).map_err(failed)?;
        let code = calls::prog_code(bpf, prog).map_err(failed)?;
        let types = Types::of_prog(bpf, info.btf_id).map_err(|errno| {
            Failure::message(format!("failed to get btf of the program: {errno}"))
        })?;
        let name = escape(&full_name(bpf, prog, &info));
        Ok(Self::new(info, name, code, types))
    }

    /// Ties code and records together.
    pub(crate) fn new(info: ProgInfo, name: String, code: ProgCode, types: Option<Types>) -> Self {
        let symbols: HashMap<u64, String> = code.jited.symbols.iter().cloned().collect();
        let call_base = code
            .jited
            .symbols
            .iter()
            .find(|(_, name)| name == CALL_BASE)
            .map_or(0, |&(address, _)| address);
        let funcs = match types {
            Some(_) => func_records(&code.func_info).collect(),
            None => Vec::new(),
        };
        let lines = types
            .as_ref()
            .map(|types| types.lines(&code.line_info))
            .unwrap_or_default();
        Self {
            info,
            name,
            code,
            funcs,
            lines,
            types,
            symbols,
            call_base,
        }
    }

    /// The prototype of the function whose record is `func`; empty if unknown.
    pub(crate) fn proto(&self, func: FuncRecord) -> String {
        self.types
            .as_ref()
            .map(|types| types.proto(func.ty))
            .unwrap_or_default()
    }

    /// What function `index` is called in the kernel's symbol table.
    pub(crate) fn symbol_of_func(&self, index: usize) -> String {
        let start = self.code.jited.ksyms.get(index);
        if let Some(symbol) = start
            .and_then(|&start| self.symbol(start))
            .filter(|name| name.starts_with("bpf_prog_"))
        {
            return escape(symbol);
        }
        // The first function's tag is the program's, over all of its instructions.
        let tag = if index == 0 {
            &self.info.tag
        } else {
            self.code.prog_tags.get(index).unwrap_or(&self.info.tag)
        };
        let from_types = self
            .types
            .as_ref()
            .and_then(|types| types.func_name(&self.code.func_info, index));
        let name = match (from_types, index) {
            (Some(name), _) => name,
            (None, 0) => self.name.clone(),
            // The kernel's name for functions without type information.
            (None, _) => "F".to_owned(),
        };
        format!("bpf_prog_{}_{name}", tag_text(tag))
    }

    /// The name of an address in machine code.
    pub(crate) fn symbol(&self, address: u64) -> Option<&str> {
        self.symbols.get(&address).map(String::as_str)
    }

    /// What a helper call is called whose immediate is `imm`: the symbol at that displacement, or the helper's name if
    /// the immediate still is its number.
    pub(crate) fn helper(&self, imm: i32) -> String {
        let address = self.call_base.wrapping_add_signed(i64::from(imm));
        let id = u32::try_from(imm)
            .ok()
            .map(HelperId)
            .filter(|id| id.name().is_some());
        match (self.symbol(address), id) {
            (Some(symbol), _) => format!("{}#{imm}", escape(symbol)),
            (None, Some(id)) => format!("{id}#{imm}"),
            (None, None) => format!("unknown#{imm}"),
        }
    }
}

/// Finds the source line of each instruction while walking them in order.
///
/// As in bpftool every found line uses up one record, so that a line is shown once, where it begins.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LineCursor {
    used: usize,
}

impl LineCursor {
    /// The record of position `at`, if a new one begins there; `positions` ascend.
    pub(crate) fn line_at(&mut self, positions: &[u64], at: u64) -> Option<usize> {
        let left = positions.get(self.used..)?;
        if at < *left.first()? {
            return None;
        }
        let covered = left.iter().take_while(|&&position| position <= at).count();
        let index = self.used + covered.checked_sub(1)?;
        self.used += 1;
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_shown_where_they_begin() {
        let mut cursor = LineCursor::default();
        let positions = [0, 7, 10];
        let found: Vec<_> = (0..12).map(|at| cursor.line_at(&positions, at)).collect();
        let at = |index: usize| found[index];
        assert_eq!(
            (at(0), at(1), at(7), at(8), at(10), at(11)),
            (Some(0), None, Some(1), None, Some(2), None)
        );
    }
}

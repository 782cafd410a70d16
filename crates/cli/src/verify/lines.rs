//! Source lines by DWARF, where an object's BTF has none.
//!
//! What is verified is the program's function with the functions that it calls appended, which the loader has moved: only
//! instructions of the function itself are found.

use crate::objdump::DwarfLines;
use skep::Object;
use skep::explain::{Explanation, Place, SourceLine};
use skep::verify::{Verdict, Verification};

/// Bytes of an instruction slot.
const SLOT_BYTES: u64 = 8;

/// Fills in the lines of a report that has none.
pub(super) fn fill(file: &str, object: &Object, verification: &mut Verification) {
    let Verdict::Rejected(refusal) = &mut verification.verdict else {
        return;
    };
    let Some(explanation) = &mut refusal.explanation else {
        return;
    };
    if places(explanation)
        .iter()
        .any(|place| place.source.is_some())
    {
        return;
    }
    let parsed = object.parsed();
    let mut programs = parsed.programs().map(|(_, function)| function);
    let function = programs.find(|function| function.name() == verification.program);
    let lines = std::fs::read(file)
        .ok()
        .and_then(|bytes| DwarfLines::read(&bytes));
    let (Some(function), Some(lines)) = (function, lines) else {
        return;
    };
    let section = parsed.section_of(function).name();
    for place in places(explanation) {
        if place.at.0 >= function.insn_count() {
            continue;
        }
        let slot = u64::from(function.start().0) + u64::from(place.at.0);
        let found = lines.line(section, slot * SLOT_BYTES);
        place.source = found.map(|(file, line, text)| SourceLine {
            file,
            line,
            column: 0,
            text,
        });
        if place.function.is_empty() {
            function.name().clone_into(&mut place.function);
        }
    }
}

/// All places of a report.
fn places(explanation: &mut Explanation) -> Vec<&mut Place> {
    let held = explanation.held.iter_mut();
    let origins = held.flat_map(|held| held.origins.iter_mut().map(|origin| &mut origin.place));
    let turns = explanation.turns.iter_mut();
    let turns = turns.flat_map(|turn| [&mut turn.from, &mut turn.to]);
    let place = explanation.place.iter_mut();
    place.chain(origins).chain(turns).collect()
}

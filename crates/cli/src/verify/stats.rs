//! The table of figures: what veristat prints.

use super::record::{Checked, file_name};
use crate::output::escape;
use skep::verify::Verdict;
use std::io::{self, Write};

/// Heads of the columns; those from the fourth on are numbers.
const HEADS: [&str; 9] = [
    "File",
    "Program",
    "Verdict",
    "Duration (us)",
    "Insns",
    "States",
    "Peak states",
    "Mark read",
    "Program size",
];
/// Columns of text.
const TEXTS: usize = 3;

/// The word for a verdict.
pub(super) fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted { .. } => "accepted",
        Verdict::Rejected(_) => "rejected",
        Verdict::NotOpened(_) => "no verdict",
    }
}

pub(super) fn show(programs: &[Checked], out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<Vec<String>> = programs.iter().map(row).collect();
    table(&HEADS, TEXTS, &rows, out)
}

fn row(checked: &Checked) -> Vec<String> {
    let verification = &checked.verification;
    let stats = &verification.stats;
    vec![
        escape(file_name(&checked.file)),
        escape(&verification.program),
        word(&verification.verdict).to_owned(),
        stats.usec.to_string(),
        stats.processed_insns.to_string(),
        stats.total_states.to_string(),
        stats.peak_states.to_string(),
        stats.mark_read.to_string(),
        verification.insns.to_string(),
    ]
}

/// Columns as wide as their longest cell: the first `texts` begin together, the others end together.
pub(super) fn table(
    heads: &[&str],
    texts: usize,
    rows: &[Vec<String>],
    out: &mut dyn Write,
) -> io::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(heads.get(column).map_or(0, |head| head.len()))
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let mut line = |cells: &[&str]| {
        let cells = cells.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| match column < texts {
            true => format!("{cell:width$}"),
            false => format!("{cell:>width$}"),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        writeln!(out, "{}", line.trim_end())
    };
    line(heads)?;
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    line(&rules.iter().map(String::as_str).collect::<Vec<_>>())?;
    for row in rows {
        line(&row.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    Ok(())
}

//! The comparison: rows, questions to both sides, tables.

use crate::compare::{Comparison, Reference};
use crate::job::{Job, Outcome, Side, Subject, Verdict};
use crate::options::{Kernel, Parity, Part};
use crate::oracle::{Cache, Keys};
use crate::rows::{self, Group, Row};
use crate::{pool, reasons, table};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Notes that are told one by one.
const NOTES_MAX: usize = 20;

/// Compares and prints.
///
/// # Errors
/// When corpus or kernel cannot be asked at all. Differences are no error.
pub(crate) fn run(options: &Parity) -> Result<(), String> {
    let rows::Rows { rows, mut notes } = rows::collect(options)?;
    let jobs: Vec<Job> = rows.iter().map(|row| row.job.clone()).collect();
    let linux = match options.kernel {
        Kernel::Ask => ask_linux(options, &rows)?,
        Kernel::Leave => vec![None; rows.len()],
    };
    eprintln!("skep: {} programs", jobs.len());
    let skep = pool::run(&jobs, &|_, _| {});
    let (mut undecided, mut disagreeing) = (0, Vec::new());
    let mut comparisons = Vec::new();
    for ((row, skep), linux) in rows.into_iter().zip(skep).zip(linux) {
        let live = linux.as_ref().and_then(Reference::of_verdict);
        let Some(reference) = reference(&row, live.as_ref(), &mut disagreeing) else {
            undecided += 1;
            continue;
        };
        comparisons.push(Comparison::new(row, reference, skep, linux));
    }
    notes.push(format!(
        "{undecided} programs without a verdict of Linux's are left out"
    ));
    if !disagreeing.is_empty() {
        notes.push(format!(
            "on {} programs this kernel, asked through skep's loader, disagrees with the sheet, which is followed (--list names them)",
            disagreeing.len(),
        ));
    }
    print!("{}", table::render(&comparisons));
    if options.parts.contains(&Part::Reasons) {
        print!("{}", reasons::render(&comparisons));
    }
    if options.parts.contains(&Part::List) {
        print!("{}", table::list(&comparisons));
        if !disagreeing.is_empty() {
            println!("\nthis kernel's verdict through skep's loader, where the sheet has another");
        }
        for line in &disagreeing {
            println!("{line}");
        }
    }
    println!();
    for note in notes.iter().take(NOTES_MAX) {
        println!("note: {note}");
    }
    if let Some(more) = notes.len().checked_sub(NOTES_MAX).filter(|more| *more > 0) {
        println!("note: and {more} more of the like");
    }
    match &options.json {
        Some(path) => write_json(path, &comparisons),
        None => Ok(()),
    }
}

/// The sheet's verdict with the running kernel's wording, or the running kernel's where the sheet has none.
fn reference(
    row: &Row,
    live: Option<&Reference>,
    disagreeing: &mut Vec<String>,
) -> Option<Reference> {
    match (&row.reference, live) {
        (Some(sheet), Some(live)) if sheet.accepted != live.accepted => {
            let verdict = match live.accepted {
                true => "accept".to_owned(),
                false => format!("{}: {}", live.errno.unwrap_or_default(), live.line),
            };
            disagreeing.push(format!("{}: {verdict}", row.name));
            Some(sheet.clone())
        }
        (Some(_) | None, Some(live)) => Some(live.clone()),
        (sheet, None) => sheet.clone(),
    }
}

/// The running kernel's answers, asked only for what its file does not know.
fn ask_linux(options: &Parity, rows: &[Row]) -> Result<Vec<Option<Verdict>>, String> {
    let cache = Cache::open(&options.corpus)?;
    let mut keys = Keys::default();
    // The struct-array tests come with Linux's answer.
    let questions: Vec<Option<(Job, String)>> = rows
        .iter()
        .map(|row| {
            let mut job = row.job.clone();
            job.side = Side::Linux;
            if let Subject::Program { as_type, .. } = &mut job.subject {
                *as_type = None;
            }
            let key = keys.of(&job);
            (row.group != Group::Structs).then_some((job, key))
        })
        .collect();
    let missing = questions.iter().flatten().enumerate();
    let missing: Vec<(Job, String)> = missing
        .filter(|(_, (_, key))| cache.get(key).is_none())
        .map(|(_, question)| question.clone())
        .collect();
    let jobs: Vec<Job> = missing.iter().map(|(job, _)| job.clone()).collect();
    if !jobs.is_empty() {
        eprintln!("Linux: {} programs", jobs.len());
    }
    let fresh = pool::run(&jobs, &|at, verdict| {
        // What never reached the kernel may do so with another loader.
        if matches!(
            verdict.outcome,
            Outcome::Accept | Outcome::Reject | Outcome::Denied
        ) {
            cache.keep(&missing[at].1, verdict);
        }
    });
    let fresh: std::collections::HashMap<&str, &Verdict> = missing
        .iter()
        .zip(&fresh)
        .map(|((_, key), verdict)| (key.as_str(), verdict))
        .collect();
    let answer = |question: Option<(Job, String)>| {
        let (_, key) = question?;
        let known = cache.get(&key).or_else(|| fresh.get(key.as_str()).copied());
        known.cloned()
    };
    Ok(questions.into_iter().map(answer).collect())
}

fn write_json(path: &Path, comparisons: &[Comparison]) -> Result<(), String> {
    let side = |verdict: &Verdict| {
        json!({
            "outcome": verdict.outcome, "errno": verdict.errno, "line": verdict.line,
            "processed": verdict.processed, "usec": verdict.usec, "runs": verdict.runs,
        })
    };
    let rows: Vec<Value> = comparisons
        .iter()
        .map(|one| {
            json!({
                "group": one.row.group.name(), "name": one.row.name, "prog_type": one.row.prog_type,
                "features": one.row.features, "status": one.status.name(),
                "same_errno": one.same_errno(), "same_message": one.message, "same_runs": one.runs,
                "patterns": one.row.job.patterns,
                "reference": {
                    "accepted": one.reference.accepted, "errno": one.reference.errno, "line": one.reference.line,
                },
                "skep": side(&one.skep),
                "linux": one.linux.as_ref().map(side),
            })
        })
        .collect();
    let text = serde_json::to_string_pretty(&rows).map_err(|error| error.to_string())?;
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

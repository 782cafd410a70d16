//! Two runs compared: which verdicts changed, and how many instructions the verifier processes more or fewer.

use super::record::{Checked, Run, file_name};
use super::stats::{table, word};
use crate::output::escape;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

const HEADS: [&str; 9] = [
    "File",
    "Program",
    "Verdict (old)",
    "Verdict (new)",
    "",
    "Insns (old)",
    "Insns (new)",
    "Insns (diff)",
    "States (diff)",
];
/// Columns of text.
const TEXTS: usize = 5;

/// What is compared of one program.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Figures {
    verdict: String,
    insns: i64,
    states: i64,
}

/// Results of an older run, by file name and program.
#[derive(Debug)]
pub(super) struct Older(BTreeMap<(String, String), Figures>);

/// What differs.
#[derive(Debug)]
pub(super) struct Comparison {
    rows: Vec<Row>,
    same: usize,
}

#[derive(Debug)]
struct Row {
    file: String,
    program: String,
    /// `None`: it was not there.
    old: Option<Figures>,
    /// `None`: it is no longer there.
    new: Option<Figures>,
}

impl Older {
    /// Reads the results of `skep verify --json`.
    pub(super) fn read(path: &str) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{path}: {}", crate::batch::system_text(&error)))?;
        Self::parse(&text).ok_or_else(|| format!("{path}: no results of skep verify --json"))
    }

    fn parse(text: &str) -> Option<Self> {
        let document: Value = serde_json::from_str(text).ok()?;
        let programs = document.get("programs")?.as_array()?;
        let program = |program: &Value| {
            let text = |key| Some(program.get(key)?.as_str()?.to_owned());
            let number = |key| program.get("stats")?.get(key)?.as_i64();
            let file = text("file")?;
            let figures = Figures {
                verdict: text("verdict")?,
                insns: number("insns")?,
                states: number("states")?,
            };
            Some(((file_name(&file).to_owned(), text("program")?), figures))
        };
        programs
            .iter()
            .map(program)
            .collect::<Option<_>>()
            .map(Self)
    }

    /// Compares a run with it.
    pub(super) fn compare(mut self, run: &Run) -> Comparison {
        let mut comparison = Comparison {
            rows: Vec::new(),
            same: 0,
        };
        for checked in &run.programs {
            let key = (
                file_name(&checked.file).to_owned(),
                checked.verification.program.clone(),
            );
            let old = self.0.remove(&key);
            let new = figures(checked);
            if old.as_ref() == Some(&new) {
                comparison.same += 1;
                continue;
            }
            let (file, program) = key;
            comparison.rows.push(Row {
                file,
                program,
                old,
                new: Some(new),
            });
        }
        let gone = self.0.into_iter().map(|((file, program), old)| Row {
            file,
            program,
            old: Some(old),
            new: None,
        });
        comparison.rows.extend(gone);
        comparison
    }
}

fn figures(checked: &Checked) -> Figures {
    let stats = &checked.verification.stats;
    Figures {
        verdict: word(&checked.verification.verdict).to_owned(),
        insns: stats.processed_insns.into(),
        states: stats.total_states.into(),
    }
}

impl Row {
    /// Whether it was accepted and no longer is.
    fn is_regression(&self) -> bool {
        let accepted = |figures: &Option<Figures>| {
            figures
                .as_ref()
                .map(|figures| figures.verdict == "accepted")
        };
        accepted(&self.old) == Some(true) && accepted(&self.new) == Some(false)
    }

    fn cells(&self) -> Vec<String> {
        let verdict = |figures: &Option<Figures>| {
            figures
                .as_ref()
                .map_or("-", |figures| &figures.verdict)
                .to_owned()
        };
        let insns = |figures: &Option<Figures>| {
            figures
                .as_ref()
                .map_or_else(|| "-".to_owned(), |figures| figures.insns.to_string())
        };
        let (old, new) = (self.old.as_ref(), self.new.as_ref());
        let change = |of: fn(&Figures) -> i64| match (old.map(of), new.map(of)) {
            (Some(old), Some(new)) => difference(old, new),
            (_, _) => "-".to_owned(),
        };
        vec![
            escape(&self.file),
            escape(&self.program),
            verdict(&self.old),
            verdict(&self.new),
            match self.is_regression() {
                true => "REGRESSION".to_owned(),
                false => String::new(),
            },
            insns(&self.old),
            insns(&self.new),
            change(|figures| figures.insns),
            change(|figures| figures.states),
        ]
    }

    fn json(&self) -> Value {
        let side = |figures: &Option<Figures>| {
            figures.as_ref().map(|figures| {
                json!({ "verdict": figures.verdict, "insns": figures.insns, "states": figures.states })
            })
        };
        json!({
            "file": self.file,
            "program": self.program,
            "regression": self.is_regression(),
            "old": side(&self.old),
            "new": side(&self.new),
        })
    }
}

/// `+10 (+5.00%)`.
fn difference(old: i64, new: i64) -> String {
    let difference = new - old;
    match old {
        0 => format!("{difference:+}"),
        _ => {
            // In hundredths of a percent, rounded towards zero.
            let share = i128::from(difference) * 10_000 / i128::from(old);
            let sign = if difference < 0 { '-' } else { '+' };
            let share = share.unsigned_abs();
            format!("{difference:+} ({sign}{}.{:02}%)", share / 100, share % 100)
        }
    }
}

impl Comparison {
    /// Whether a program that was accepted no longer is.
    pub(super) fn is_regression(&self) -> bool {
        self.rows.iter().any(Row::is_regression)
    }

    pub(super) fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.rows.is_empty() {
            let rows: Vec<_> = self.rows.iter().map(Row::cells).collect();
            table(&HEADS, TEXTS, &rows, out)?;
        }
        let regressions = self.rows.iter().filter(|row| row.is_regression()).count();
        writeln!(
            out,
            "compared: {} the same, {} different, {regressions} regressions",
            self.same,
            self.rows.len()
        )
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "same": self.same,
            "different": self.rows.iter().map(Row::json).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences() {
        assert_eq!(difference(100, 105), "+5 (+5.00%)");
        assert_eq!(difference(200, 199), "-1 (-0.50%)");
        assert_eq!(difference(0, 3), "+3");
    }

    #[test]
    fn other_documents_are_refused() {
        for text in ["", "[]", "{}", r#"{"programs":[{}]}"#, r#"{"programs":3}"#] {
            assert!(Older::parse(text).is_none(), "{text}");
        }
    }
}

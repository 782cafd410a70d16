//! The results of `skep verify`: a record of each program, then what is said of all.

use super::compare::Comparison;
use super::options::{Figures, VerifyWords};
use super::report::Report;
use super::stats;
use crate::app::Session;
use crate::failure::Outcome;
use crate::output::{Record, escape};
use serde_json::{Value, json};
use skep::explain::{Explanation, Held, Place, Turn, TurnKind};
use skep::verify::{Verdict, Verification};
use skep_btf::json::Node;
use std::io::{self, IsTerminal as _, Write};

/// The verdict on a program of a file.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) file: String,
    pub(super) verification: Verification,
}

/// A file that cannot be read.
#[derive(Debug)]
pub(super) struct FileFailure {
    pub(super) file: String,
    pub(super) error: String,
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) programs: Vec<Checked>,
    pub(super) failures: Vec<FileFailure>,
}

/// The last part of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

impl Run {
    /// Shows one verdict as it comes; in JSON all come at the end.
    pub(super) fn show_one(
        &self,
        session: &mut Session,
        words: &VerifyWords,
        checked: &Checked,
    ) -> Outcome {
        if session.out.is_json() {
            return Ok(());
        }
        let report = Report {
            checked,
            paint: super::report::Paint::of(io::stdout().is_terminal()),
        };
        let accepted = matches!(checked.verification.verdict, Verdict::Accepted { .. });
        if words.figures == Figures::Hidden || !accepted {
            if !accepted && !self.programs.is_empty() {
                writeln!(session.out.results())?;
            }
            report.text(session.out.results())?;
        }
        if words.log != 0 {
            let log = checked.verification.log.trim_end();
            writeln!(session.out.results(), "{}", escape(log))?;
        }
        Ok(())
    }

    /// Shows what is said of all.
    pub(super) fn show_end(
        &self,
        session: &mut Session,
        words: &VerifyWords,
        comparison: Option<Comparison>,
    ) -> Outcome {
        session.out.record(&End {
            run: self,
            figures: words.figures,
            comparison,
        })
    }

    /// How many have the verdict with this word.
    fn count(&self, word: &str) -> usize {
        let words = self
            .programs
            .iter()
            .map(|one| stats::word(&one.verification.verdict));
        words.filter(|one| *one == word).count()
    }
}

struct End<'r> {
    run: &'r Run,
    figures: Figures,
    comparison: Option<Comparison>,
}

impl Record for End<'_> {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let run = self.run;
        if self.figures == Figures::Shown && !run.programs.is_empty() {
            stats::show(&run.programs, out)?;
        }
        if run.programs.len() > 1 {
            let counts = ["accepted", "rejected", "no verdict"].map(|word| (run.count(word), word));
            let counts = counts.iter().filter(|(count, _)| *count > 0);
            let counts: Vec<String> = counts
                .map(|(count, word)| format!("{count} {word}"))
                .collect();
            writeln!(
                out,
                "{} programs: {}",
                run.programs.len(),
                counts.join(", ")
            )?;
        }
        match &self.comparison {
            Some(comparison) => comparison.text(out),
            None => Ok(()),
        }
    }

    fn json(&self) -> Node {
        let run = self.run;
        let failures = run.failures.iter();
        let failures =
            failures.map(|failure| json!({ "file": failure.file, "error": failure.error }));
        let mut document = json!({
            "programs": run.programs.iter().map(Checked::json).collect::<Vec<_>>(),
            "errors": failures.collect::<Vec<_>>(),
            "summary": {
                "accepted": run.count("accepted"),
                "rejected": run.count("rejected"),
                "no_verdict": run.count("no verdict"),
            },
        });
        if let Some(comparison) = &self.comparison {
            document["comparison"] = comparison.json();
        }
        document.into()
    }
}

impl Checked {
    fn json(&self) -> Value {
        let one = &self.verification;
        let stats = &one.stats;
        let mut object = json!({
            "file": self.file,
            "program": one.program,
            "section": one.section,
            "type": one.prog_type.map(|prog_type| prog_type.to_string()),
            "verdict": stats::word(&one.verdict),
            "stats": {
                "duration_us": stats.usec,
                "insns": stats.processed_insns,
                "states": stats.total_states,
                "peak_states": stats.peak_states,
                "max_states_per_insn": stats.max_states_per_insn,
                "mark_read": stats.mark_read,
                "prog_size": one.insns,
            },
        });
        match &one.verdict {
            Verdict::Accepted { stack_bytes } => object["stack_bytes"] = json!(stack_bytes),
            Verdict::Rejected(refusal) => {
                object["errno"] = refusal.errno.0.into();
                if let Some(reject) = &refusal.reject {
                    object["reason"] = reject.name().into();
                    object["message"] = reject.to_string().into();
                }
                if let Some(explanation) = &refusal.explanation {
                    object["report"] = report(explanation);
                }
            }
            Verdict::NotOpened(error) => object["error"] = error.to_string().into(),
        }
        if !one.log.is_empty() {
            object["log"] = one.log.clone().into();
        }
        object
    }
}

fn report(explanation: &Explanation) -> Value {
    json!({
        "what": explanation.what,
        "place": explanation.place.as_ref().map(place),
        "held": explanation.held.iter().map(held).collect::<Vec<_>>(),
        "path": explanation.turns.iter().map(turn).collect::<Vec<_>>(),
        "advice": explanation.advice,
    })
}

fn place(place: &Place) -> Value {
    let source = place.source.as_ref().map(|line| {
        json!({ "file": line.file, "line": line.line, "column": line.column, "text": line.text })
    });
    json!({ "insn": place.at.0, "text": place.insn, "function": place.function, "source": source })
}

fn held(held: &Held) -> Value {
    let origins = held.origins.iter();
    let origins = origins.map(|origin| json!({ "how": origin.how, "place": place(&origin.place) }));
    json!({
        "register": held.register,
        "state": held.state,
        "meaning": held.meaning,
        "origins": origins.collect::<Vec<_>>(),
    })
}

fn turn(turn: &Turn) -> Value {
    json!({
        "kind": match turn.kind {
            TurnKind::Branch => "branch",
            TurnKind::Call => "call",
            TurnKind::Return => "return",
        },
        "times": turn.times,
        "from": place(&turn.from),
        "to": place(&turn.to),
    })
}

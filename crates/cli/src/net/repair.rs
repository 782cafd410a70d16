//! `skep net repair`: undoes what a daemon and its guardian, both killed, have left on interfaces.

use crate::app::{Session, Target};
use crate::args::Args;
use crate::connect::{self, failure};
use crate::failure::{EXIT_ERROR, Failure, Outcome};
use crate::output::{Record, escape, object, plain};
use skep_btf::json::Node;
use skep_daemon::{RepairReport, RepairedJournal};
use std::io::{self, Write};

/// Repairs, and says what was done. What is left exits with an error.
pub(crate) fn run(session: &mut Session, args: &mut Args) -> Outcome {
    if !args.is_empty() {
        return Err(args.unknown());
    }
    if session.options.target == Target::Kernel {
        return Err(Failure::message(
            "net repair undoes what skep's own daemons left; there is nothing like it with --kernel",
        ));
    }
    let report = skep_daemon::repair(&connect::endpoint()?).map_err(failure)?;
    let complete = report.is_complete();
    session.out.record(&Repaired(report))?;
    match complete {
        true => Ok(()),
        false => Err(Failure::Silent { code: EXIT_ERROR }),
    }
}

struct Repaired(RepairReport);

/// Sentences about a journal's entries: what became of them, and what could not be undone.
struct Lines {
    done: Vec<String>,
    failed: Vec<String>,
}

impl Lines {
    fn of(journal: &RepairedJournal) -> Self {
        let done = journal.done.iter();
        let failed = journal.failed.iter().map(ToString::to_string);
        let trouble = journal.trouble.iter().map(ToString::to_string);
        Self {
            done: done
                .map(|(undo, undone)| format!("{undo}: {undone}"))
                .collect(),
            failed: failed.chain(trouble).collect(),
        }
    }
}

impl Record for Repaired {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.0.journals.is_empty() {
            return writeln!(out, "nothing was left behind");
        }
        for journal in &self.0.journals {
            let Lines { done, failed } = Lines::of(journal);
            for line in done {
                writeln!(out, "{}", escape(&line))?;
            }
            for line in failed {
                writeln!(out, "NOT undone: {}", escape(&line))?;
            }
            if journal.foreign > 0 {
                writeln!(
                    out,
                    "{} changes had gone with their namespace",
                    journal.foreign
                )?;
            }
        }
        Ok(())
    }

    fn json(&self) -> Node {
        let journals = self.0.journals.iter().map(|journal| {
            let Lines { done, failed } = Lines::of(journal);
            let list = |lines: Vec<String>| {
                Some(Node::Array(lines.into_iter().map(Node::string).collect()))
            };
            object([
                ("journal", plain(journal.path.display().to_string())),
                ("undone", list(done)),
                ("failed", list(failed)),
                ("gone_with_namespace", plain(journal.foreign)),
            ])
        });
        object([("journals", Some(Node::Array(journals.collect())))])
    }
}

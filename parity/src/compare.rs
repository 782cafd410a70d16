//! One row's comparison: what is the same, what differs, and how.

use crate::job::{Outcome, Verdict};
use crate::pattern::first_missing;
use crate::rows::Row;
use crate::side::telling_line;

/// Linux's verdict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Reference {
    pub(crate) accepted: bool,
    /// 0 if accepted; `None` if not known.
    pub(crate) errno: Option<i32>,
    /// The line that says why.
    pub(crate) line: String,
    pub(crate) compared: Compared,
}

/// What skep's message is compared with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Compared {
    /// The annotated patterns, where there are some; else the line.
    Patterns,
    /// The line: this kernel's wording is no longer that of the annotation.
    Line,
}

impl Reference {
    /// From Linux's log.
    pub(crate) fn of_log(accepted: bool, errno: i32, log: &str, patterns: &[String]) -> Self {
        Self {
            accepted,
            errno: Some(errno),
            line: match accepted {
                true => String::new(),
                false => telling_line(log).to_owned(),
            },
            compared: match first_missing(log, patterns) {
                None => Compared::Patterns,
                Some(_) => Compared::Line,
            },
        }
    }

    /// Whether Linux refused it without a reason.
    fn is_silent(&self) -> bool {
        !self.accepted && self.line.is_empty() && self.errno.is_some()
    }

    /// From the running kernel's verdict, if it is one.
    pub(crate) fn of_verdict(verdict: &Verdict) -> Option<Self> {
        let accepted = match verdict.outcome {
            Outcome::Accept => true,
            Outcome::Reject => false,
            Outcome::Untranslated
            | Outcome::Unsupported
            | Outcome::Loader
            | Outcome::Denied
            | Outcome::Panic
            | Outcome::Timeout => return None,
        };
        Some(Self {
            accepted,
            errno: Some(verdict.errno),
            line: verdict.line.clone(),
            compared: match verdict.missing {
                None => Compared::Patterns,
                Some(_) => Compared::Line,
            },
        })
    }
}

/// How skep's verdict stands to Linux's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    Same,
    /// Accepted but should not be.
    WronglyAccepted,
    /// Rejected but should not be.
    WronglyRejected,
    /// Skep cannot check it yet, and says so.
    Unsupported,
    /// The object did not get as far as the verifier.
    Loader,
    /// A panic, or no answer in time.
    Broken,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::WronglyAccepted => "wrongly accepted",
            Self::WronglyRejected => "wrongly rejected",
            Self::Unsupported => "unsupported",
            Self::Loader => "loader",
            Self::Broken => "broken",
        }
    }
}

/// A row with both answers, decided by Linux.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    pub(crate) row: Row,
    pub(crate) reference: Reference,
    pub(crate) skep: Verdict,
    pub(crate) linux: Option<Verdict>,
    pub(crate) status: Status,
    /// Whether the message is Linux's; `None` where none is asked for.
    pub(crate) message: Option<bool>,
    /// Whether the runs gave what is expected; `None` where there are none.
    pub(crate) runs: Option<bool>,
}

impl Comparison {
    pub(crate) fn new(
        row: Row,
        reference: Reference,
        skep: Verdict,
        linux: Option<Verdict>,
    ) -> Self {
        let status = status(&reference, &skep);
        let message = message(&row, &reference, &skep, status);
        let runs = (reference.accepted && !row.job.runs.is_empty())
            .then(|| runs(&row, &skep, linux.as_ref()));
        Self {
            row,
            reference,
            skep,
            linux,
            status,
            message,
            runs,
        }
    }

    pub(crate) fn same_errno(&self) -> bool {
        self.status == Status::Same
            && self
                .reference
                .errno
                .is_none_or(|errno| errno == self.skep.errno)
    }

    /// Whether anything differs.
    pub(crate) fn differs(&self) -> bool {
        !self.same_errno() || self.message == Some(false) || self.runs == Some(false)
    }
}

fn status(reference: &Reference, skep: &Verdict) -> Status {
    match (skep.outcome, reference.accepted) {
        // A refusal without a reason is no verdict of a verifier, unless Linux is as silent.
        (Outcome::Reject, _) if skep.line.is_empty() && !reference.is_silent() => {
            Status::Unsupported
        }
        (Outcome::Accept | Outcome::Untranslated, true) | (Outcome::Reject, false) => Status::Same,
        (Outcome::Accept | Outcome::Untranslated, false) => Status::WronglyAccepted,
        (Outcome::Reject, true) => Status::WronglyRejected,
        (Outcome::Unsupported, _) => Status::Unsupported,
        (Outcome::Loader | Outcome::Denied, _) => Status::Loader,
        (Outcome::Panic | Outcome::Timeout, _) => Status::Broken,
    }
}

fn message(row: &Row, reference: &Reference, skep: &Verdict, status: Status) -> Option<bool> {
    let same = match reference.compared {
        Compared::Patterns if !row.job.patterns.is_empty() => skep.missing.is_none(),
        Compared::Patterns | Compared::Line if reference.accepted || reference.line.is_empty() => {
            return None;
        }
        Compared::Patterns | Compared::Line => skep.line == reference.line,
    };
    Some(same && status == Status::Same)
}

/// Whether each run gave the expected value, or what it gave on Linux where that is another.
fn runs(row: &Row, skep: &Verdict, linux: Option<&Verdict>) -> bool {
    let same = |at: usize, want: Option<u32>| {
        let got = skep.runs.get(at).copied();
        let theirs = linux.and_then(|linux| linux.runs.get(at)).copied();
        match (got, theirs) {
            (None, _) => false,
            (Some(got), Some(theirs)) if Some(theirs) != want.map(Ok) => got == theirs,
            (Some(got), _) => Some(got) == want.map(Ok),
        }
    };
    let mut wanted = row.job.runs.iter().enumerate();
    wanted.all(|(at, run)| same(at, run.want))
}

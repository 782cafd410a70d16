//! What a worker is asked, and what it answers: one program on one side, as a line of JSON each way.
//!
//! A job is complete: a worker keeps nothing between two of them, so that one that died is replaced without loss.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Who is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Side {
    /// A machine of this process.
    Skep,
    /// The running kernel.
    Linux,
}

/// One question.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) side: Side,
    pub(crate) subject: Subject,
    /// `BPF_F_*` program flags besides those of the section.
    pub(crate) flags: u32,
    pub(crate) log_level: u32,
    /// What the log must hold, in this order.
    pub(crate) patterns: Vec<String>,
    /// Test runs of the accepted program: the value of each that is expected.
    pub(crate) runs: Vec<Run>,
}

/// What is loaded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Subject {
    /// A program of an object file, alone.
    Program {
        object: PathBuf,
        program: String,
        /// Type to load it as in place of its own.
        as_type: Option<u32>,
    },
    /// A list of instructions.
    Case(Box<CaseProgram>),
}

/// A program that stands in no object: instructions and the maps that they name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct CaseProgram {
    pub(crate) prog_type: u32,
    pub(crate) expected_attach_type: u32,
    /// Wire form as hexadecimal, map descriptors zero.
    pub(crate) insns: String,
    /// Kind of map, and the instructions that name it.
    pub(crate) fixups: Vec<(String, Vec<usize>)>,
    /// Why it cannot be asked, if so.
    pub(crate) needs: Option<String>,
}

/// One test run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Packet, or context of a program that takes none.
    pub(crate) data: Vec<u8>,
    /// Expected value; `None`: any.
    pub(crate) want: Option<u32>,
}

/// What a side did with a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// It was accepted.
    Accept,
    /// The verifier accepted it, and what comes after verification refused it.
    Untranslated,
    /// It was rejected.
    Reject,
    /// It was rejected because skep cannot check it yet, and said so.
    Unsupported,
    /// The object did not get as far as the verifier.
    Loader,
    /// The caller may not load it (Linux only): no verdict.
    Denied,
    /// The worker panicked or died.
    Panic,
    /// No answer in time.
    Timeout,
}

/// One answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    /// Error number; 0 if accepted.
    pub(crate) errno: i32,
    /// The line that says why.
    pub(crate) line: String,
    /// The first pattern that the log does not hold.
    pub(crate) missing: Option<usize>,
    /// Instructions processed, as the log says.
    pub(crate) processed: Option<u32>,
    /// Microseconds of verification, as the log says.
    pub(crate) usec: Option<u32>,
    /// r0 of each test run, or the error number.
    pub(crate) runs: Vec<Result<u32, i32>>,
}

impl Verdict {
    /// An answer without a log.
    pub(crate) fn without_log(outcome: Outcome, line: impl Into<String>) -> Self {
        Self {
            outcome,
            errno: 0,
            line: line.into(),
            missing: None,
            processed: None,
            usec: None,
            runs: Vec::new(),
        }
    }
}

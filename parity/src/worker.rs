//! The process that answers jobs: a line of JSON in, a line of JSON out, until its input ends.
//!
//! Programs are hostile to whoever verifies them. A panic is an answer; whatever else ends the process, or takes too long, the
//! pool sees.

use crate::job::{Job, Outcome, Verdict};
use crate::side;
use std::io::{self, BufRead, Write};
use std::panic;
use std::sync::{Mutex, PoisonError};

/// The panic that is under way: where and what.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// Answers jobs.
///
/// # Errors
/// When input or output fail, or a line is no job.
pub(crate) fn run() -> Result<(), String> {
    panic::set_hook(Box::new(|info| {
        let mut text = PANIC.lock().unwrap_or_else(PoisonError::into_inner);
        *text = info.to_string().replace('\n', " ");
    }));
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let job: Job = serde_json::from_str(&line).map_err(|error| error.to_string())?;
        let verdict = panic::catch_unwind(|| side::answer(&job)).unwrap_or_else(|_| {
            let text = PANIC.lock().unwrap_or_else(PoisonError::into_inner);
            Verdict::without_log(Outcome::Panic, text.clone())
        });
        let answer = serde_json::to_string(&verdict).map_err(|error| error.to_string())?;
        writeln!(out, "{answer}")
            .and_then(|()| out.flush())
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

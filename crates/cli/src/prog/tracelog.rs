//! `skep prog tracelog`: the trace pipe, live.
//!
//! Text is one line per line; JSON is an array of strings that is closed when the reader interrupts us.

use crate::app::Session;
use crate::args::Args;
use crate::calls;
use crate::failure::{Failure, Outcome};
use crate::output::escape;
use serde_json::Value;
use skep_btf::json::to_bpftool_compact;
use skep_sys::TerminationSignals;
use std::time::Duration;

/// Most lines of one read.
const LINES_MAX: u32 = 256;
/// Longest wait of one read, in milliseconds; how soon an interruption is noticed.
const WAIT_MS: u32 = 200;

/// Shows lines until interrupted.
pub(crate) fn run(session: &mut Session, args: &mut Args) -> Outcome {
    if !args.is_empty() {
        return Err(args.unknown());
    }
    let bpf = session.lasting_bpf()?;
    let json = session.out.is_json();
    // In text the signal may end us; in JSON the array has to be closed.
    let signals = if json {
        Some(TerminationSignals::block()?)
    } else {
        None
    };
    if json {
        session.out.json_begin_stream()?;
    }
    let mut first = true;
    while !stopped(signals.as_ref())? {
        let read = calls::trace_read(&*bpf, LINES_MAX, WAIT_MS);
        let out = session.out.results();
        let lines = match read {
            Ok(lines) => lines,
            Err(errno) => {
                if json {
                    // The array is closed; the error goes to standard error.
                    writeln!(out, "]")?;
                }
                return Err(Failure::message(format!(
                    "failed to read the trace pipe: {errno}"
                )));
            }
        };
        for line in lines {
            if json {
                let separator = if std::mem::take(&mut first) { "" } else { "," };
                write!(
                    out,
                    "{separator}{}",
                    to_bpftool_compact(&Value::String(line))
                )?;
            } else {
                writeln!(out, "{}", escape(&line))?;
            }
        }
        out.flush()?;
    }
    writeln!(session.out.results(), "]")?;
    Ok(())
}

fn stopped(signals: Option<&TerminationSignals>) -> Outcome<bool> {
    match signals {
        Some(signals) => Ok(signals.wait(Some(Duration::ZERO))?),
        None => Ok(false),
    }
}

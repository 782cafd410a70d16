//! `skep verify`: what the verifier says of an object's programs, and why. No daemon, no privileges, and nothing is loaded.
//!
//! Exit code 0: all were accepted; 1: one was rejected; 2: there is no verdict on one. With `--compare`, 1 says that one was
//! accepted in the older run and no longer is.

mod compare;
mod lines;
mod options;
mod progress;
mod record;
mod report;
mod snippet;
mod stats;

use crate::app::Session;
use crate::args::Args;
use crate::failure::{Failure, Outcome};
use crate::output::escape;
use crate::prog::load::with_kernel;
use compare::Older;
use options::VerifyWords;
use record::{Checked, FileFailure, Run};
use skep::verify::{self, Verdict, VerifyOptions};
use skep::{Object, Options, Programs};
use skep_btf::core::KernelBtf;
use std::sync::Arc;

/// Exit code when a program was rejected.
const EXIT_REJECTED: u8 = 1;
/// Exit code when there is no verdict on a program.
const EXIT_NOT_OPENED: u8 = 2;

/// Carries out `skep verify`.
pub(crate) fn run(session: &mut Session, args: &mut Args) -> Outcome {
    let Some(words) = options::parse(session, args.rest())? else {
        return Ok(());
    };
    let older = match &words.compare {
        Some(path) => Some(Older::read(path).map_err(not_opened)?),
        None => None,
    };
    let mut run = Run::default();
    for file in &words.files {
        match check_file(session, &words, file, &mut run) {
            Ok(()) => {}
            Err(Failure::Message { text, .. }) => {
                if !session.out.is_json() {
                    session.out.error(&text)?;
                }
                let file = file.clone();
                run.failures.push(FileFailure { file, error: text });
            }
            Err(other) => return Err(other),
        }
    }
    let comparison = older.map(|older| older.compare(&run));
    let regressed = comparison.as_ref().map(compare::Comparison::is_regression);
    run.show_end(session, &words, comparison)?;
    match exit_code(&run, regressed) {
        0 => Ok(()),
        code => Err(Failure::Silent { code }),
    }
}

/// Verifies a file's programs and shows each verdict.
fn check_file(session: &mut Session, words: &VerifyWords, file: &str, run: &mut Run) -> Outcome {
    let object = Object::open(file).map_err(|error| not_opened(escape(&error.to_string())))?;
    let load = Options {
        prog_kind: words.kind,
        log_level: words.log,
        ..Options::new(object.name().clone())
    };
    let btf = words.btf.as_deref().or(session.options.btf.as_deref());
    let mut load = with_kernel(load, object.parsed(), btf).map_err(not_opened)?;
    if let Some(name) = &words.program {
        load.programs = Programs::Named(vec![name.clone()]);
    }
    let names = verify::names(&object, &load.programs);
    if names.is_empty() {
        return Err(not_opened(format!("{file}: no program in it")));
    }
    for name in names {
        let mut options = VerifyOptions::new(load.clone());
        let mut verification = progress::during(&name, &mut options, |options| {
            verify::one(&object, &name, options)
        });
        lines::fill(file, &object, &mut verification);
        let checked = Checked {
            file: file.to_owned(),
            verification,
        };
        run.show_one(session, words, &checked)?;
        run.programs.push(checked);
    }
    Ok(())
}

/// There is no verdict.
fn not_opened(text: impl Into<String>) -> Failure {
    Failure::Message {
        text: text.into(),
        code: EXIT_NOT_OPENED,
    }
}

fn exit_code(run: &Run, regressed: Option<bool>) -> u8 {
    let verdicts = || run.programs.iter().map(|one| &one.verification.verdict);
    let unopened = verdicts().any(|verdict| matches!(verdict, Verdict::NotOpened(_)));
    let rejected = verdicts().any(|verdict| matches!(verdict, Verdict::Rejected(_)));
    match regressed {
        _ if !run.failures.is_empty() => EXIT_NOT_OPENED,
        Some(true) => EXIT_REJECTED,
        Some(false) => 0,
        None if unopened => EXIT_NOT_OPENED,
        None if rejected => EXIT_REJECTED,
        None => 0,
    }
}

/// Reads types of a kernel from a file.
pub(crate) fn read_btf(path: &str) -> Result<Arc<KernelBtf>, String> {
    let bytes = std::fs::read(path)
        .map_err(|error| format!("{path}: {}", crate::batch::system_text(&error)))?;
    let btf = KernelBtf::parse(&bytes).map_err(|error| format!("{path}: {error}"))?;
    Ok(Arc::new(btf))
}

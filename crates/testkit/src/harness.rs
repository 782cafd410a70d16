//! A test harness whose tests may need what not every machine has.
//!
//! libtest can leave a test out only when it is compiled, and hides what passing tests print; so tests with needs are
//! in test targets of their own (`harness = false`), whose `main` builds a [`Harness`]:
//!
//! ```no_run
//! use skep_testkit::{Harness, Need};
//!
//! fn main() {
//!     Harness::from_args()
//!         .case("loads_into_linux", &[Need::Oracle], || { /* panics if wrong */ })
//!         .cases("tests/cases/verify", &[], |case| case.expect("verdict", "accept"))
//!         .run();
//! }
//! ```

use crate::cases::{self, Case};
use crate::need::{Missing, Need, need, required};
use libtest_mimic::{Arguments, Failed, Trial};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// The tests of one test target.
pub struct Harness {
    args: Arguments,
    trials: Vec<Trial>,
}

impl Harness {
    /// A harness without tests, which understands libtest's command line.
    #[must_use]
    pub fn from_args() -> Self {
        Self {
            args: Arguments::from_args(),
            trials: Vec::new(),
        }
    }

    /// Adds a test, which fails by panicking.
    #[must_use]
    pub fn case(
        self,
        name: impl Into<String>,
        needs: &[Need],
        test: impl FnOnce() + Send + 'static,
    ) -> Self {
        self.trial(name.into(), needs, || {
            test();
            Ok(())
        })
    }

    /// Adds one test for each case file of a folder; see [`cases`].
    ///
    /// # Panics
    /// If the folder has no case.
    #[must_use]
    pub fn cases(
        mut self,
        dir: impl AsRef<Path>,
        needs: &[Need],
        test: impl Fn(&Case) + Clone + Send + 'static,
    ) -> Self {
        for path in cases::files(dir.as_ref()) {
            let test = test.clone();
            let name = path.with_extension("").display().to_string();
            let run = move || cases::run_file(&path, &test).map_err(Failed::from);
            self = self.trial(name, needs, run);
        }
        self
    }

    fn trial(
        mut self,
        name: String,
        needs: &[Need],
        run: impl FnOnce() -> Result<(), Failed> + Send + 'static,
    ) -> Self {
        let missing: Vec<Missing> = needs.iter().filter_map(|&one| need(one).err()).collect();
        // One that is required fails the test even where another, missing too, is not.
        let demanded = missing.iter().find(|missing| required(missing.need));
        let missing = demanded.or(missing.first()).cloned();
        let trial = match missing {
            None => Trial::test(name, run),
            Some(missing) => self.without(name, missing),
        };
        self.trials.push(trial);
        self
    }

    /// The test in place of one that cannot run: ignored, or failed where the need is required.
    fn without(&self, name: String, missing: Missing) -> Trial {
        let Missing { need, why } = missing.clone();
        let demanded = required(need);
        let message = if demanded {
            format!("needs {need}, which SKEP_REQUIRE demands: {why}")
        } else {
            missing.to_string()
        };
        // The body runs only if the test is not ignored: where demanded, or under `--ignored`.
        let trial = Trial::test(name, move || Err(Failed::from(message)));
        if demanded {
            return trial;
        }
        let trial = trial
            .with_kind(format!("needs {need}"))
            .with_ignored_flag(true);
        if !self.args.list && !self.args.is_filtered_out(&trial) {
            note_skip(trial.name(), &missing);
        }
        trial
    }

    /// Runs the tests and ends the process, with libtest's exit code.
    pub fn run(self) -> ! {
        libtest_mimic::run(&self.args, self.trials).exit()
    }
}

/// Appends a line to the list of skipped tests that `./test` collects from all harnesses.
fn note_skip(name: &str, missing: &Missing) {
    let Some(path) = std::env::var_os("SKEP_SKIPS") else {
        return;
    };
    let why = missing.why.replace(['\t', '\n'], " ");
    let line = format!("{name}\t{}\t{why}\n", missing.need);
    let file = OpenOptions::new().append(true).create(true).open(&path);
    // One write, so that lines of harnesses that run at once do not mix.
    let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(error) = written {
        panic!("SKEP_SKIPS={}: {error}", path.display());
    }
}

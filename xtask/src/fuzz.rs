//! A long run of the comparison of random programs, which is a test of the crate `skep` with a short run of its own.
//!
//! This knows how the test is asked for more ([`ENV_PROGRAMS`] and the names beside it), and nothing of what it compares.

use crate::root;
use std::path::PathBuf;
use std::process::Command;

/// Programs unless told otherwise: some minutes.
const PROGRAMS: u64 = 100_000;

const ENV_PROGRAMS: &str = "SKEP_FUZZ_PROGRAMS";
const ENV_SEED: &str = "SKEP_FUZZ_SEED";
const ENV_KEEP: &str = "SKEP_FUZZ_KEEP";

/// What is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    programs: u64,
    /// Seed of the first program; the following count on from it.
    seed: u64,
    /// Where differences go; without it the first one ends the run.
    keep: Option<PathBuf>,
}

impl Request {
    /// Reads `[PROGRAMS [SEED [FOLDER]]]`.
    ///
    /// # Errors
    /// A number that is none, or too many words.
    pub fn read(words: &[&str]) -> Result<Self, String> {
        let number = |at: usize, otherwise| match words.get(at) {
            None => Ok(otherwise),
            Some(word) => word
                .parse()
                .map_err(|error| format!("fuzz: `{word}`: {error}")),
        };
        if let Some(word) = words.get(3) {
            return Err(format!("fuzz: `{word}` is one word too many"));
        }
        Ok(Self {
            programs: number(0, PROGRAMS)?,
            seed: number(1, 1)?,
            keep: words.get(2).map(PathBuf::from),
        })
    }

    /// Runs it in an optimised build, its output on this process's.
    ///
    /// # Errors
    /// If the folder cannot be made, the build fails, or the run found a difference and had no folder for it.
    pub fn run(&self) -> Result<(), String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .args([
                "test",
                "--release",
                "--package",
                "skep",
                "--test",
                "differential",
            ])
            .env(ENV_PROGRAMS, self.programs.to_string())
            .env(ENV_SEED, self.seed.to_string())
            .current_dir(root());
        if let Some(folder) = &self.keep {
            let told = |error: std::io::Error| format!("{}: {error}", folder.display());
            std::fs::create_dir_all(folder).map_err(told)?;
            command.env(ENV_KEEP, folder.canonicalize().map_err(told)?);
        }
        let status = command
            .status()
            .map_err(|error| format!("cargo: {error}"))?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("fuzz: {status}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read() {
        let read = |words: &[&str]| Request::read(words);
        let plain = Request {
            programs: PROGRAMS,
            seed: 1,
            keep: None,
        };
        assert_eq!(read(&[]), Ok(plain.clone()));
        assert_eq!(
            read(&["5", "7", "found"]),
            Ok(Request {
                programs: 5,
                seed: 7,
                keep: Some("found".into())
            })
        );
        assert!(read(&["many"]).is_err_and(|message| message.contains("many")));
        assert!(read(&["1", "2", "3", "4"]).is_err());
    }
}

//! How long whole commands take, from their start to their end: the cold start of `skep run`, and of a daemon.

use crate::sample::Sample;
use crate::{Outcome, root};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const ROUNDS: u32 = 50;
const DAEMONS: u32 = 10;

pub(crate) fn run() -> Outcome {
    let skep = binary()?;
    let hello = root().join("examples/hello.bpf.o");
    let mut cold = Sample::default();
    for _ in 0..ROUNDS {
        cold.add(time(Command::new(&skep).arg("run").arg(&hello))?);
    }
    println!("milliseconds of the whole process: minimum (median)");
    println!(
        "  skep run examples/hello.bpf.o                 {}",
        cold.show(2)
    );
    let mut first = Sample::default();
    let mut second = Sample::default();
    for round in 0..DAEMONS {
        let folder =
            std::env::temp_dir().join(format!("skep-bench-{}-{round}", std::process::id()));
        private(&folder)?;
        let command = |words: &[&str]| {
            let mut command = Command::new(&skep);
            command.args(words).env("XDG_RUNTIME_DIR", &folder);
            command
        };
        let object = hello.display().to_string();
        first.add(time(&mut command(&[
            "prog",
            "load",
            &object,
            "/sys/fs/bpf/first",
        ]))?);
        second.add(time(&mut command(&[
            "prog",
            "load",
            &object,
            "/sys/fs/bpf/second",
        ]))?);
        time(&mut command(&["daemon", "stop"]))?;
        std::fs::remove_dir_all(&folder)?;
    }
    println!(
        "  skep prog load hello, which starts the daemon {}",
        first.show(2)
    );
    println!(
        "  skep prog load hello, daemon running          {}",
        second.show(2)
    );
    println!(
        "  the difference, which is the daemon's start    {:.2}",
        first.median() - second.median()
    );
    Ok(())
}

fn private(folder: &Path) -> Outcome {
    use std::os::unix::fs::DirBuilderExt;
    Ok(std::fs::DirBuilder::new().mode(0o700).create(folder)?)
}

fn time(command: &mut Command) -> Outcome<f64> {
    let begun = Instant::now();
    let status = command.stdout(Stdio::null()).status()?;
    let elapsed = begun.elapsed().as_secs_f64() * 1e3;
    if status.success() {
        Ok(elapsed)
    } else {
        Err(format!("{command:?}: {status}").into())
    }
}

/// The release binary beside this one, as `cargo xtask bench` builds it.
fn binary() -> Outcome<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("skep");
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{} is not there: cargo build --release", path.display()).into())
    }
}

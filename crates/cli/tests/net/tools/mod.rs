//! Senders and receivers, run by this test program inside a namespace.
//!
//! A tool is the test program started again with [`VARIABLE`] set to the tool's name. Receivers print `ready` once
//! nothing that is sent from then on can be missed, and end when their standard input does.

pub(crate) mod hostile;
pub(crate) mod raw;
pub(crate) mod tcp;
pub(crate) mod udp;

use crate::common::Said;
use crate::world::Space;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Names the tool in the environment.
const VARIABLE: &str = "SKEP_NET_TOOL";

/// How long a receiver listens to silence after its end was asked for.
const QUIET: Duration = Duration::from_millis(150);

/// Runs the tool that the environment names, if it does.
pub(crate) fn dispatch() -> Option<ExitCode> {
    let tool = std::env::var(VARIABLE).ok()?;
    let args: Vec<String> = std::env::args().skip(1).collect();
    match tool.as_str() {
        "udp-send" => udp::send_main(&args),
        "udp-recv" => udp::recv_main(&args),
        "hostile-send" => hostile::send_main(&args),
        "raw-send" => raw::send_main(&args),
        "raw-recv" => raw::recv_main(&args),
        "tcp-send" => tcp::send_main(&args),
        "tcp-recv" => tcp::recv_main(&args),
        _ => panic!("no tool {tool}"),
    }
    Some(ExitCode::SUCCESS)
}

/// A tool as a command of a namespace.
pub(crate) fn command(space: &Space, program: &Path, tool: &str, args: &[&str]) -> Command {
    let mut command = space.command(program);
    command.args(args).env(VARIABLE, tool);
    command
}

/// A process that says when it is ready and is ended by the end of its standard input.
pub(crate) struct Receiver {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
}

impl Receiver {
    /// Starts it and waits until it says `ready`.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "{command:?}");
        Self {
            child,
            input,
            output: Some(output),
        }
    }

    /// The lines that it prints from now on; who takes them reads them to the end.
    fn lines(&mut self) -> impl Iterator<Item = String> + use<> {
        let output = self.output.take().expect("taken once");
        output.lines().map(|line| line.expect("a pipe can be read"))
    }

    /// Ends it and gives what it printed.
    pub(crate) fn end(mut self) -> String {
        drop(self.input.take());
        self.wait()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self) -> String {
        let mut text = String::new();
        if let Some(mut output) = self.output.take() {
            output.read_to_string(&mut text).unwrap();
        }
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}\n{text}");
        text
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // After `wait` both do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The output of a command that succeeds.
pub(crate) fn printed(mut command: Command) -> String {
    let said = Said::of(&command.output().unwrap());
    assert_eq!(said.code, Some(0), "{command:?}\n{said:?}");
    said.out
}

/// Whether whoever started this tool has closed its standard input.
#[derive(Clone)]
struct EndOfInput(Arc<AtomicBool>);

impl EndOfInput {
    fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Begins to watch standard input.
fn end_of_input() -> EndOfInput {
    let flag = Arc::new(AtomicBool::new(false));
    let end = EndOfInput(Arc::clone(&flag));
    std::thread::spawn(move || {
        // An error ends it as well.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        flag.store(true, Ordering::Relaxed);
    });
    end
}

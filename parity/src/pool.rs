//! Workers, one per CPU, and the watchdog over each.
//!
//! A worker that dies or does not answer in time is replaced, and its job's verdict says so: one bad program costs one row.

use crate::job::{Job, Outcome, Side, Verdict};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Longest wait for an answer.
const SKEP_WAIT: Duration = Duration::from_secs(10);
/// The kernel is not ours to stop; its longest known verification takes nine seconds.
const LINUX_WAIT: Duration = Duration::from_secs(120);
/// Jobs between two lines of progress.
const PROGRESS: usize = 200;

/// Answers all jobs, in their order. `done` is called with each answer as it comes.
pub(crate) fn run(jobs: &[Job], done: &(dyn Fn(usize, &Verdict) + Sync)) -> Vec<Verdict> {
    let next = AtomicUsize::new(0);
    let answers: Vec<Mutex<Option<Verdict>>> = jobs.iter().map(|_| Mutex::new(None)).collect();
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cpus {
            scope.spawn(|| {
                let mut worker = None;
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(at) else {
                        return;
                    };
                    let verdict = ask(&mut worker, job);
                    done(at, &verdict);
                    let mut answer = answers[at].lock().unwrap_or_else(PoisonError::into_inner);
                    *answer = Some(verdict);
                    progress(at + 1, jobs.len());
                }
            });
        }
    });
    let answer = |answer: Mutex<Option<Verdict>>| {
        let answer = answer.into_inner().unwrap_or_else(PoisonError::into_inner);
        answer.unwrap_or_else(|| Verdict::without_log(Outcome::Panic, "no answer"))
    };
    answers.into_iter().map(answer).collect()
}

fn progress(count: usize, all: usize) {
    if count.is_multiple_of(PROGRESS) || count == all {
        eprintln!("{count} of {all} programs");
    }
}

/// Asks the worker, or a new one where there is none.
fn ask(worker: &mut Option<Worker>, job: &Job) -> Verdict {
    let mut this = match worker.take() {
        Some(this) => this,
        None => match Worker::start() {
            Ok(this) => this,
            Err(error) => return Verdict::without_log(Outcome::Panic, error),
        },
    };
    match this.ask(job) {
        Ok(verdict) => {
            *worker = Some(this);
            verdict
        }
        // Dropped, the worker is killed.
        Err(verdict) => verdict,
    }
}

struct Worker {
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<String>,
}

impl Worker {
    fn start() -> Result<Self, String> {
        let path = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut child = Command::new(path)
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a worker without pipes".to_owned());
        };
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            stdin,
            answers,
        })
    }

    /// Asks; `Err` is the verdict of a worker that is of no more use.
    fn ask(&mut self, job: &Job) -> Result<Verdict, Verdict> {
        let died = |error: String| Verdict::without_log(Outcome::Panic, error);
        let line = serde_json::to_string(job).map_err(|error| died(error.to_string()))?;
        writeln!(self.stdin, "{line}").map_err(|error| died(error.to_string()))?;
        let wait = match job.side {
            Side::Skep => SKEP_WAIT,
            Side::Linux => LINUX_WAIT,
        };
        match self.answers.recv_timeout(wait) {
            Ok(answer) => serde_json::from_str(&answer).map_err(|error| died(error.to_string())),
            Err(RecvTimeoutError::Timeout) => Err(Verdict::without_log(
                Outcome::Timeout,
                format!("no answer within {} s", wait.as_secs()),
            )),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait().map(|status| status.to_string());
                Err(died(format!(
                    "the worker died: {}",
                    status.unwrap_or_else(|error| error.to_string())
                )))
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has ended already needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

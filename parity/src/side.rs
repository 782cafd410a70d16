//! One program on one implementation of [`Bpf`]: load it alone, keep what its log says, run it.
//!
//! The way is the same for both sides, so that a difference is theirs. Pins are left out: a program that stands alone shares
//! nothing, and nothing may stay behind in the kernel.

use crate::job::{CaseProgram, Job, Outcome, Run, Side, Subject, Verdict};
use crate::pattern::first_missing;
use crate::{hex_bytes, maps};
use skep_linux::LinuxBpf;
use skep_loader::{LoadError, Options, ProgKind, Programs};
use skep_machine::{Config, Machine, Peer};
use skep_object::ObjectName;
use skep_uapi::{
    AttachType, Bpf, Command, Engine, Errno, Handle, MapType, ProgLoad, ProgType, Reply, TestRun,
    Value,
};
use std::path::Path;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// Bytes for the packet that a run leaves behind.
const PACKET_OUT_BYTES: u32 = 4096;

/// What both sides are told about the kernel: this host's.
static HOST: LazyLock<Options> =
    LazyLock::new(|| Options::new(ObjectName::from_path("host")).with_host());

/// Log level of figures without instructions.
const LOG_FIGURES: u32 = 4;

/// Answers a job.
pub(crate) fn answer(job: &Job) -> Verdict {
    match job.side {
        Side::Linux => ask(&LinuxBpf::new(), job),
        Side::Skep => {
            let machine = Machine::new(Config {
                kernel: HOST.btf.clone(),
                ..Config::of_host()
            });
            ask(&machine.connect(Peer::this_process()), job)
        }
    }
}

fn ask(bpf: &dyn Bpf, job: &Job) -> Verdict {
    let alone = Alone {
        bpf,
        flags: job.flags,
        answer: Mutex::new(None),
        refused_map: Mutex::new(None),
    };
    let prog_type = match &job.subject {
        Subject::Program {
            object,
            program,
            as_type,
        } => load_object(&alone, job, object, program, *as_type),
        Subject::Case(case) => load_case(&alone, job, case),
    };
    let answered = locked(&alone.answer).take();
    let (reply, prog_type) = match (answered, prog_type) {
        (Some(reply), Ok(prog_type)) => (reply, prog_type),
        // The program itself was answered; what failed came after it, or is what its answer says already.
        (Some(reply), Err(_)) => (reply, ProgType(0)),
        (None, Ok(_)) => return Verdict::without_log(Outcome::Loader, "no program was loaded"),
        (None, Err(error)) => {
            let error = match *locked(&alone.refused_map) {
                Some(map_type) if error.contains("map") => format!("{error} ({map_type} map)"),
                _ => error,
            };
            return Verdict::without_log(Outcome::Loader, error);
        }
    };
    let mut verdict = verdict(job, &reply);
    if let Ok(Value::Handle(prog)) = reply.result {
        verdict.runs = job
            .runs
            .iter()
            .map(|run| test_run(bpf, prog, prog_type, run))
            .collect();
    }
    verdict
}

/// What stands between the loader and the implementation: adds flags, leaves pins out, and keeps the program's answer.
struct Alone<'b> {
    bpf: &'b dyn Bpf,
    flags: u32,
    answer: Mutex<Option<Reply>>,
    /// The type of the last map that was refused, which the loader's message does not tell.
    refused_map: Mutex<Option<MapType>>,
}

impl Bpf for Alone<'_> {
    fn call(&self, command: Command) -> Reply {
        match command {
            Command::OpenPin { .. } => Reply::err(Errno::ENOENT),
            Command::Pin { .. } => Reply::ok(Value::Unit),
            Command::ProgLoad(mut load) => {
                load.prog_flags |= self.flags;
                let (level, again) = (load.log_level, load.clone());
                let mut reply = self.bpf.call(Command::ProgLoad(load));
                // Linux says so in place of its verdict when the log is too long; the figures alone never are.
                if reply.result == Err(Errno::ENOSPC) && level & !LOG_FIGURES != 0 {
                    let quiet = ProgLoad {
                        log_level: LOG_FIGURES,
                        ..*again
                    };
                    let verdict = self.bpf.call(Command::ProgLoad(Box::new(quiet)));
                    reply.result = verdict.result;
                }
                *locked(&self.answer) = Some(reply.clone());
                reply
            }
            Command::MapCreate(create) => {
                let map_type = create.map_type;
                let reply = self.bpf.call(Command::MapCreate(create));
                if reply.result.is_err() {
                    *locked(&self.refused_map) = Some(map_type);
                }
                reply
            }
            other => self.bpf.call(other),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn load_object(
    bpf: &dyn Bpf,
    job: &Job,
    path: &Path,
    program: &str,
    as_type: Option<u32>,
) -> Result<ProgType, String> {
    let data = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let object = skep_object::parse(&data).map_err(|error| error.to_string())?;
    let name = ObjectName::from_path(&path.to_string_lossy());
    let options = Options {
        programs: Programs::Named(vec![program.to_owned()]),
        log_level: job.log_level,
        prog_kind: as_type.map(|number| ProgKind {
            prog_type: ProgType(number),
            attach_type: AttachType(0),
        }),
        btf: HOST.btf.clone(),
        config: HOST.config.clone(),
        symbols: HOST.symbols.clone(),
        kernel_version: HOST.kernel_version,
        ..Options::new(name)
    };
    let plan = skep_loader::plan(&object, &options).map_err(text)?;
    let kind = plan
        .programs()
        .first()
        .map(|planned| planned.kind.prog_type);
    skep_loader::load_plan(&plan, bpf).map_err(text)?;
    kind.ok_or_else(|| "no such program".to_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "shaped for map_err")]
fn text(error: LoadError) -> String {
    error.to_string()
}

fn load_case(bpf: &dyn Bpf, job: &Job, case: &CaseProgram) -> Result<ProgType, String> {
    if let Some(need) = &case.needs {
        return Err(need.clone());
    }
    let mut insns = hex_bytes(&case.insns).ok_or("no hexadecimal digits")?;
    for (kind, places) in &case.fixups {
        let map = maps::create(bpf, kind, ProgType(case.prog_type))?;
        for place in places {
            // The immediate of an instruction of eight bytes.
            let imm = insns
                .get_mut(place * 8 + 4..place * 8 + 8)
                .ok_or("a map outside of the program")?;
            imm.copy_from_slice(&map.0.to_le_bytes());
        }
    }
    let load = ProgLoad {
        prog_type: ProgType(case.prog_type),
        insns,
        license: "GPL".to_owned(),
        name: "case".to_owned(),
        expected_attach_type: AttachType(case.expected_attach_type),
        log_level: job.log_level,
        ..ProgLoad::default()
    };
    // The answer is kept on its way.
    let _ = bpf.call(Command::ProgLoad(Box::new(load)));
    Ok(ProgType(case.prog_type))
}

fn verdict(job: &Job, reply: &Reply) -> Verdict {
    let log = &reply.log;
    let line = telling_line(log);
    let (processed, usec) = figures(log);
    let errno = reply.result.as_ref().err().map_or(0, |errno| errno.0);
    let outcome = match (&reply.result, job.side) {
        (Ok(_), _) => Outcome::Accept,
        (Err(Errno::EPERM), Side::Linux) if log.is_empty() => Outcome::Denied,
        (Err(Errno::EOPNOTSUPP), Side::Skep) => Outcome::Unsupported,
        // Verification ends with its figures; what follows them is of a later stage.
        (Err(_), Side::Skep) if is_later(log) => Outcome::Untranslated,
        (Err(_), _) => Outcome::Reject,
    };
    let line = match outcome {
        Outcome::Accept => String::new(),
        _ => line.to_owned(),
    };
    Verdict {
        outcome,
        errno: match outcome {
            Outcome::Untranslated => 0,
            _ => errno,
        },
        line,
        missing: first_missing(log, &job.patterns),
        processed,
        usec,
        runs: Vec::new(),
    }
}

fn is_figure(line: &str) -> bool {
    let starts = ["processed ", "verification time ", "stack depth "];
    line.is_empty() || starts.iter().any(|start| line.starts_with(start))
}

/// The last line that says something about the program.
pub(crate) fn telling_line(log: &str) -> &str {
    log.lines()
        .rfind(|line| !is_figure(line))
        .unwrap_or_default()
}

fn is_later(log: &str) -> bool {
    log.lines().next_back().is_some_and(|line| !is_figure(line))
        && log.lines().any(|line| line.starts_with("processed "))
}

/// Instructions processed and microseconds, as a log ends with them.
fn figures(log: &str) -> (Option<u32>, Option<u32>) {
    let word = |start: &str| {
        let line = log.lines().rfind(|line| line.starts_with(start))?;
        line[start.len()..].split(' ').next()?.parse().ok()
    };
    (word("processed "), word("verification time "))
}

fn test_run(bpf: &dyn Bpf, prog: Handle, prog_type: ProgType, run: &Run) -> Result<u32, i32> {
    let mut test = TestRun {
        prog,
        data_in: Vec::new(),
        data_size_out: 0,
        ctx_in: Vec::new(),
        ctx_size_out: 0,
        repeat: 1,
        flags: 0,
        cpu: 0,
        engine: Engine::Auto,
    };
    match prog_type {
        ProgType::SYSCALL | ProgType::RAW_TRACEPOINT => {
            test.repeat = 0;
            if prog_type == ProgType::SYSCALL {
                test.ctx_in.clone_from(&run.data);
            }
        }
        _ => {
            test.data_in.clone_from(&run.data);
            test.data_size_out = PACKET_OUT_BYTES;
        }
    }
    match bpf.call(Command::TestRun(Box::new(test))).result {
        Ok(Value::TestRun(result)) => Ok(result.retval),
        Ok(_) => Err(Errno::EIO.0),
        Err(errno) => Err(errno.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_read_from_their_end() {
        let log = "0: (95) exit\nR0 !read_ok\nverification time 7 usec\nstack depth 0\nprocessed 1 insns (limit 1000000)\n";
        assert_eq!(telling_line(log), "R0 !read_ok");
        assert_eq!(figures(log), (Some(1), Some(7)));
        assert!(!is_later(log));
        assert!(is_later(&format!("{log}cannot be translated\n")));
        assert_eq!(telling_line(""), "");
    }
}

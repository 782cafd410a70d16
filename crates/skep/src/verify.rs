//! Verification alone: the verdict on each program of an object, with its figures and why.
//!
//! Maps are made in a machine of the call's own, which ends with it, because a verdict depends on their definitions; nothing is
//! loaded into any other. What an object asks about a kernel is answered from the options of the load: see
//! [`skep_loader::Options::with_host`].

use crate::{Machine, Object};
use skep_loader::{LoadError, Options, Programs};
use skep_machine::{Config, Connection, Examined, Peer, Refusal};
use skep_uapi::{Bpf, Command, Errno, Handle, ProgLoad, ProgType, Reply, Value};
use skep_verifier::Stats;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of an instruction slot.
const SLOT_BYTES: usize = 8;

/// Choices for a verification.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// Which programs, of what type, on which kernel. The log level is that of the verdict's log.
    pub load: Options,
    /// `BPF_F_*` program flags besides those of the sections.
    pub flags: u32,
    /// Is set to the number of instructions that the current verification has processed, now and then.
    pub processed: Option<Arc<AtomicU32>>,
}

impl VerifyOptions {
    /// All as the object says.
    #[must_use]
    pub fn new(load: Options) -> Self {
        Self {
            load,
            flags: 0,
            processed: None,
        }
    }
}

/// The verdict on one program.
#[derive(Debug)]
pub struct Verification {
    /// Its name in the object.
    pub program: String,
    /// Its section, without `?`.
    pub section: String,
    /// The type that it was verified as; `None` if that could not be told.
    pub prog_type: Option<ProgType>,
    /// Instructions that the verifier was given.
    pub insns: usize,
    /// The verdict.
    pub verdict: Verdict,
    /// Figures of the verification, of a refused program too.
    pub stats: Stats,
    /// The verifier's log, at the level that was asked for.
    pub log: String,
}

/// A verdict.
#[derive(Debug)]
pub enum Verdict {
    /// The program is safe.
    Accepted {
        /// Bytes of stack of each function, the main one first.
        stack_bytes: Vec<u32>,
    },
    /// It is not, as far as the verifier can tell.
    Rejected(Box<Refusal>),
    /// There is no verdict: the object or what it asks of the kernel stands in the way.
    NotOpened(LoadError),
}

/// Verifies the programs that the options choose, in the object's order.
///
/// ```
/// use skep::{Object, Options, VerifyOptions, verify};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/bad_packet_read.bpf.o");
/// let object = Object::open(path)?;
/// let options = VerifyOptions::new(Options::new(object.name().clone()));
/// for program in verify(&object, &options) {
///     if let verify::Verdict::Rejected(refusal) = &program.verdict {
///         let why = refusal.explanation.as_ref().expect("a verifier's refusal is explained");
///         assert_eq!(why.reject.name(), "PacketAccess");
///         assert!(why.what.contains("no comparison with data_end"));
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn all(object: &Object, options: &VerifyOptions) -> Vec<Verification> {
    let names = names(object, &options.load.programs);
    let verify = |name: String| one(object, &name, options);
    names.into_iter().map(verify).collect()
}

/// The names of the programs that a choice means: by default all, optional ones too, in the object's order.
#[must_use]
pub fn names(object: &Object, choice: &Programs) -> Vec<String> {
    let programs = object.inner.programs();
    match choice {
        Programs::Default => programs
            .map(|(_, function)| function.name().to_owned())
            .collect(),
        Programs::Named(wanted) => wanted.clone(),
    }
}

/// Verifies one program, which may be an optional one.
#[must_use]
pub fn one(object: &Object, program: &str, options: &VerifyOptions) -> Verification {
    let load = Options {
        programs: Programs::Named(vec![program.to_owned()]),
        ..options.load.clone()
    };
    let machine = Machine::with_config(Config {
        kernel: load.btf.clone(),
        ..Config::of_host()
    });
    let connection = machine.connect(Peer::this_process());
    let examiner = Examiner {
        connection: &connection,
        flags: options.flags,
        processed: options.processed.clone(),
        examined: Mutex::new(None),
    };
    let plan = skep_loader::plan(&object.inner, &load);
    let planned = plan.as_ref().ok().and_then(|plan| plan.programs().first());
    let mut verification = Verification {
        program: program.to_owned(),
        section: planned.map_or_else(String::new, |planned| planned.section.clone()),
        prog_type: planned.map(|planned| planned.kind.prog_type),
        insns: 0,
        verdict: Verdict::Accepted {
            stack_bytes: Vec::new(),
        },
        stats: Stats::default(),
        log: String::new(),
    };
    let loaded = match plan {
        Ok(plan) => skep_loader::load_plan(&plan, &examiner),
        Err(error) => Err(error),
    };
    match (examiner.take(), loaded) {
        (Some(kept), _) => {
            verification.insns = kept.insns;
            verification.stats = kept.examined.stats;
            verification.log = kept.examined.log;
            verification.verdict = match kept.examined.result {
                Ok(verified) => Verdict::Accepted {
                    stack_bytes: verified
                        .subprogs()
                        .iter()
                        .map(|sub| sub.stack_bytes)
                        .collect(),
                },
                Err(refusal) => Verdict::Rejected(refusal),
            };
        }
        (None, Err(error)) => verification.verdict = Verdict::NotOpened(error),
        (None, Ok(_)) => {
            let missing = LoadError::NoSuchProgram(program.to_owned());
            verification.verdict = Verdict::NotOpened(missing);
        }
    }
    verification
}

/// What the loader speaks to: a machine that makes maps and verifies, but loads nothing and shares nothing.
struct Examiner<'c> {
    connection: &'c Connection,
    flags: u32,
    processed: Option<Arc<AtomicU32>>,
    examined: Mutex<Option<Kept>>,
}

/// What was said of the program.
struct Kept {
    insns: usize,
    examined: Examined,
}

impl Examiner<'_> {
    fn take(&self) -> Option<Kept> {
        self.examined
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn examine(&self, mut load: ProgLoad) -> Reply {
        load.prog_flags |= self.flags;
        let examined = self.connection.examine(&load, self.processed.clone());
        let kept = Kept {
            insns: load.insns.len() / SLOT_BYTES,
            examined,
        };
        *self.examined.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        // The loader has no need to go on or to ask again: its handle is of nothing, and is closed with the connection.
        Reply::ok(Value::Handle(Handle(u32::MAX)))
    }
}

impl Bpf for Examiner<'_> {
    fn call(&self, command: Command) -> Reply {
        match command {
            Command::ProgLoad(load) => self.examine(*load),
            Command::OpenPin { .. } => Reply::err(Errno::ENOENT),
            Command::Pin { .. } | Command::ProgBindMap { .. } => Reply::ok(Value::Unit),
            other => self.connection.call(other),
        }
    }
}

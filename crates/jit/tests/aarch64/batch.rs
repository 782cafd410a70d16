//! Batches of compiled programs for `harness.c`, which runs them under qemu; see there for the format and the addresses.

use skep_jit::{CallModel, Code, Options, RelocKind, Symbol, Target, compile};
use skep_xlate::Xlated;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub(crate) const HELPERS_BASE: u64 = 0x20_0000_0000;
pub(crate) const CODE_BASE: u64 = 0x20_0100_0000;
pub(crate) const DATA_BASE: u64 = 0x21_0000_0000;
/// The address that stands for map `index`.
const MAPS_BASE: u64 = 0xa1b2_c3d4_e5f6_0000;

/// What one run starts with.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) tail_calls_left: u32,
    pub(crate) may_goto_left: u64,
    /// A multiple of 16 bytes; the context is its middle.
    pub(crate) memory: Vec<u8>,
}

impl Run {
    pub(crate) fn new(memory: Vec<u8>) -> Self {
        assert_eq!(memory.len() % 16, 0, "the harness wants it");
        Self {
            tail_calls_left: 33,
            may_goto_left: 1000,
            memory,
        }
    }

    /// Address of the context.
    pub(crate) fn ctx(&self) -> u64 {
        DATA_BASE + self.memory.len() as u64 / 2
    }
}

/// What one run ended with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    pub(crate) r0: u64,
    /// Bits of callee-saved registers and of the stack pointer that were not restored.
    pub(crate) not_kept: u64,
    pub(crate) tail_calls_left: u64,
    pub(crate) may_goto_left: u64,
    pub(crate) memory: Vec<u8>,
}

/// Programs with their runs, laid out.
#[derive(Default)]
pub(crate) struct Batch {
    programs: Vec<(Vec<u8>, Vec<Run>)>,
    end: u64,
}

impl Batch {
    /// Byte offset of the next program in the code.
    pub(crate) fn next_offset(&self) -> u64 {
        self.end
    }

    /// Compiles a program and adds it.
    pub(crate) fn add(&mut self, program: &Xlated, calls: CallModel, runs: Vec<Run>) -> Code {
        let target = Target::Aarch64;
        let code = compile(program, &Options { target, calls }).expect("compiles");
        let mut bytes = code.bytes().to_vec();
        for reloc in code.relocs() {
            let place = reloc.offset as usize;
            let here = CODE_BASE + self.end + u64::from(reloc.offset);
            patch(&mut bytes[place..], reloc.kind, here, address(reloc.symbol));
        }
        self.end = (self.end + bytes.len() as u64).next_multiple_of(16);
        self.programs.push((bytes, runs));
        code
    }

    /// Runs everything; outcomes by program and run.
    pub(crate) fn run(&self) -> Vec<Vec<Outcome>> {
        let file = scratch().join(format!(
            "batch-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::write(&file, self.to_bytes()).unwrap();
        let output = Command::new("qemu-aarch64-static")
            .arg(harness())
            .arg(&file)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {errors}", output.status);
        std::fs::remove_file(&file).unwrap();
        self.outcomes(&output.stdout)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let count = |len: usize| u32::try_from(len).unwrap().to_le_bytes();
        let mut bytes = count(self.programs.len()).to_vec();
        for (code, runs) in &self.programs {
            bytes.extend(count(code.len()));
            bytes.extend(count(runs.len()));
            bytes.extend(count(runs.first().map_or(0, |run| run.memory.len())));
            bytes.extend(code);
            for run in runs {
                assert_eq!(run.memory.len(), runs[0].memory.len(), "of one program");
                bytes.extend(run.tail_calls_left.to_le_bytes());
                bytes.extend([0; 4]);
                bytes.extend(run.may_goto_left.to_le_bytes());
                bytes.extend(&run.memory);
            }
        }
        bytes
    }

    fn outcomes(&self, mut bytes: &[u8]) -> Vec<Vec<Outcome>> {
        let mut take = |len: usize| {
            let (head, rest) = bytes.split_at(len);
            bytes = rest;
            head
        };
        let mut outcome = |run: &Run| {
            let mut word = || u64::from_le_bytes(take(8).try_into().unwrap());
            Outcome {
                r0: word(),
                not_kept: word(),
                tail_calls_left: word(),
                may_goto_left: word(),
                memory: take(run.memory.len()).to_vec(),
            }
        };
        let programs = self.programs.iter();
        let all = programs
            .map(|(_, runs)| runs.iter().map(&mut outcome).collect())
            .collect();
        assert!(bytes.is_empty(), "one outcome for each run");
        all
    }
}

/// The address that a symbol stands for here.
pub(crate) fn address(symbol: Symbol) -> u64 {
    match symbol {
        Symbol::Helper { id } => HELPERS_BASE + 16 * u64::from(id),
        Symbol::Map { index } => MAPS_BASE + u64::from(index),
        Symbol::MapValue { index, offset } => MAPS_BASE - u64::from(index) - u64::from(offset),
        Symbol::Function { index } => panic!("function {index} is reached without a symbol"),
    }
}

fn patch(bytes: &mut [u8], kind: RelocKind, here: u64, address: u64) {
    let mut put = |at: usize, field: u64| {
        let place = &mut bytes[4 * at..4 * at + 4];
        let word = u32::from_le_bytes((&*place).try_into().unwrap());
        let word = word | u32::try_from(field).unwrap();
        place.copy_from_slice(&word.to_le_bytes());
    };
    match kind {
        RelocKind::A64Mov64 => {
            for half in 0..4 {
                put(half, (address >> (16 * half) & 0xffff) << 5);
            }
        }
        RelocKind::A64Call26 => put(0, address.wrapping_sub(here) >> 2 & 0x3ff_ffff),
        RelocKind::Abs64 | RelocKind::X86Rel32 => panic!("{kind:?} in code for aarch64"),
    }
}

fn scratch() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// The harness, compiled once.
fn harness() -> &'static Path {
    static HARNESS: OnceLock<PathBuf> = OnceLock::new();
    HARNESS.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aarch64/harness.c");
        let binary = scratch().join("aarch64-harness");
        let status = Command::new("aarch64-linux-gnu-gcc")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o"])
            .args([&binary, &source])
            .status()
            .unwrap();
        assert!(status.success(), "the harness does not compile");
        binary
    })
}

//! The comparisons, and what a run says about itself.

use crate::code::{Item, show};
use crate::generate::{Gen, Generated};
use crate::mutate::mutate;
use crate::shrink::shrink;
use crate::world::{Left, World};
use skep::{Machine, Peer};
use skep_isa::{Insn, Program, RawInsn};
use skep_linux::LinuxBpf;
use skep_testkit::fuzz::Random;
use skep_uapi::Engine;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::{Duration, Instant};

/// Who is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sides {
    /// The engines, among each other.
    Engines,
    /// The engines and Linux.
    Linux,
}

/// What can be wrong with a program.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Difference {
    /// Linux refuses it for this reason, with numbers left out.
    Unsound(String),
    /// Linux accepts it.
    FalseReject(String),
    /// It cannot run in the checked interpreter.
    Fault,
    /// Another engine than the checked one gives something else.
    Engine(&'static str),
    /// Linux gives something else.
    Result,
}

#[derive(Default)]
struct Tally {
    programs: u64,
    accepted: u64,
    linux_accepted: u64,
    runs: u64,
    linux_runs: u64,
    opcodes: BTreeSet<(u8, i16, i32)>,
    refusals: BTreeMap<String, u64>,
    found: BTreeMap<Difference, u64>,
}

struct Fuzz<'a> {
    skep: World<'a>,
    linux: Option<World<'a>>,
    packets: Vec<Vec<u8>>,
}

/// Programs between two reports of a long run.
const PROGRESS: u64 = 10_000;

/// How long a program is made smaller.
const SHRINK_MAX: Duration = Duration::from_secs(20);

/// Lines of a log that a report shows.
const LOG_LINES_MAX: usize = 300;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|error| panic!("{name}={text}: {error}")),
    )
}

/// Runs so many programs, or as many as the environment says.
pub(crate) fn run(sides: Sides, programs: u64) {
    let first = setting("SKEP_FUZZ_SEED").unwrap_or(1);
    let programs = setting("SKEP_FUZZ_PROGRAMS").unwrap_or(programs);
    let machine = Machine::new();
    let connection = machine.connect(Peer::this_process());
    let kernel = LinuxBpf::new();
    let mut random = Random::new(first | 0xf00d_0000);
    let packets = [14, 60, 33, 200].map(|bytes| (0..bytes).map(|_| random.byte()).collect());
    let fuzz = Fuzz {
        skep: World::new(&connection),
        linux: (sides == Sides::Linux).then(|| World::new(&kernel)),
        packets: packets.to_vec(),
    };
    let mut tally = Tally::default();
    let keep = std::env::var_os("SKEP_FUZZ_KEEP");
    for seed in first..first.wrapping_add(programs) {
        let (generated, runs) = program(seed);
        if keep.is_some() && (seed - first).is_multiple_of(PROGRESS) && seed > first {
            println!("{}", tally.text());
        }
        let Some(difference) = fuzz.examine(&generated.items, runs, Some(&mut tally)) else {
            continue;
        };
        let count = tally.found.entry(difference.clone()).or_default();
        *count += 1;
        if keep.is_some() && *count > 1 {
            continue;
        }
        println!("seed {seed}: {difference:?}");
        let text = fuzz.report(seed, &generated, runs, &difference);
        match &keep {
            None => panic!("{text}"),
            Some(folder) => {
                let path = std::path::Path::new(folder).join(format!("{seed}.txt"));
                std::fs::write(path, text).unwrap();
            }
        }
    }
    println!("{}", tally.text());
}

/// What a program's runs are compared for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Runs {
    /// Everything that they leave behind.
    Results,
    /// Faults only: a mutated program may show addresses, which differ.
    Faults,
    /// Nothing: a mutated loop that only `may_goto` ends takes seconds.
    Never,
}

/// The program of a seed; one in three is mutated.
fn program(seed: u64) -> (Generated, Runs) {
    let mut generated = Gen::new(seed).program();
    if !seed.is_multiple_of(3) {
        return (generated, Runs::Results);
    }
    let mut random = Random::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    random.word();
    mutate(&mut generated.items, &mut random);
    let is_long = |item: &Item| matches!(item, Item::To(Insn::MayGoto { .. }, _));
    let runs = if generated.items.iter().any(is_long) {
        Runs::Never
    } else {
        Runs::Faults
    };
    (generated, runs)
}

impl Fuzz<'_> {
    /// What is wrong with a program, if anything.
    fn examine(
        &self,
        items: &[Item],
        runs: Runs,
        mut tally: Option<&mut Tally>,
    ) -> Option<Difference> {
        let program = self.skep.program(items)?;
        let mine = self.skep.load(&program, 0);
        let theirs = self.linux.as_ref().map(|linux| {
            let program = linux
                .program(items)
                .expect("maps do not decide what a program is");
            linux.load(&program, 0)
        });
        if let Some(tally) = tally.as_deref_mut() {
            tally.programs += 1;
            tally.accepted += u64::from(mine.is_ok());
            tally.linux_accepted += u64::from(matches!(theirs, Some(Ok(_))));
            match &mine {
                Ok(_) => tally.opcodes.extend(program.to_raw().iter().map(operation)),
                Err(_) => *tally.refusals.entry(self.refusal(&program)).or_default() += 1,
            }
        }
        let difference = match (&mine, &theirs) {
            (Ok(_), Some(Err(_))) => {
                let linux = self.linux.as_ref().unwrap();
                let again = linux.load(&linux.program(items).unwrap(), 1);
                Some(Difference::Unsound(without_numbers(
                    again.unwrap_err().reason(),
                )))
            }
            (Err(_), Some(Ok(_))) => Some(Difference::FalseReject(self.refusal(&program))),
            (Err(_), _) => None,
            (Ok(prog), None) => self.runs(*prog, None, runs, tally),
            (Ok(prog), Some(Ok(other))) => self.runs(*prog, Some(*other), runs, tally),
        };
        if let Ok(prog) = mine {
            self.skep.close(prog);
        }
        if let Some(Ok(prog)) = theirs {
            self.linux.as_ref().unwrap().close(prog);
        }
        difference
    }

    /// Why a program is refused.
    fn refusal(&self, program: &Program) -> String {
        without_numbers(self.skep.load(program, 1).unwrap_err().reason())
    }

    /// Runs an accepted program everywhere, on every packet.
    fn runs(
        &self,
        prog: skep_uapi::Handle,
        other: Option<skep_uapi::Handle>,
        runs: Runs,
        mut tally: Option<&mut Tally>,
    ) -> Option<Difference> {
        if runs == Runs::Never {
            return None;
        }
        for packet in &self.packets {
            let Ok(checked) = self.skep.run(prog, packet, Engine::Checked) else {
                return Some(Difference::Fault);
            };
            if runs == Runs::Faults {
                continue;
            }
            for (engine, name) in [
                (Engine::Interp, "interpreter"),
                (Engine::Jit, "machine code"),
            ] {
                if self.skep.run(prog, packet, engine).as_ref() != Ok(&checked) {
                    return Some(Difference::Engine(name));
                }
            }
            if let Some(tally) = tally.as_deref_mut() {
                tally.runs += 3;
                tally.linux_runs += u64::from(other.is_some());
            }
            if let Some(other) = other
                && self
                    .linux
                    .as_ref()
                    .unwrap()
                    .run(other, packet, Engine::Auto)
                    .as_ref()
                    != Ok(&checked)
            {
                return Some(Difference::Result);
            }
        }
        None
    }

    /// The small program and what both sides say of it.
    fn report(
        &self,
        seed: u64,
        generated: &Generated,
        runs: Runs,
        difference: &Difference,
    ) -> String {
        let is_result = matches!(difference, Difference::Engine(_) | Difference::Result);
        let fixed = if is_result {
            generated.fixed.as_slice()
        } else {
            &[]
        };
        let end = Instant::now() + SHRINK_MAX;
        let small = shrink(&generated.items, fixed, &|items| {
            Instant::now() < end && self.examine(items, runs, None).as_ref() == Some(difference)
        });
        let mut text = format!("seed {seed}: {difference:?}\n{}", show(&small));
        if let (Some(linux), Difference::Unsound(_)) = (&self.linux, difference) {
            let refused = linux.load(&linux.program(&small).unwrap(), 3).unwrap_err();
            write!(text, "--- Linux: {}\n{}", refused.errno, refused.log).unwrap();
        }
        let program = self.skep.program(&small).unwrap();
        match self.skep.load(&program, 3) {
            Err(refused) => {
                let start: Vec<&str> = refused.log.lines().take(LOG_LINES_MAX).collect();
                write!(text, "--- skep: {}\n{}\n", refused.errno, start.join("\n")).unwrap();
            }
            Ok(prog) => self.show_runs(&mut text, prog, &small),
        }
        text
    }

    fn show_runs(&self, text: &mut String, prog: skep_uapi::Handle, small: &[Item]) {
        for packet in &self.packets {
            let checked = match self.skep.run(prog, packet, Engine::Checked) {
                Ok(checked) => checked,
                Err(errno) => {
                    writeln!(text, "--- checked: {errno}").unwrap();
                    continue;
                }
            };
            let mut compare = |who: &str, left: Result<Left, skep_uapi::Errno>| match left {
                Ok(left) => left.show_against(&checked, who, text),
                Err(errno) => writeln!(text, "--- {who}: {errno}").unwrap(),
            };
            compare("interpreter", self.skep.run(prog, packet, Engine::Interp));
            compare("machine code", self.skep.run(prog, packet, Engine::Jit));
            if let Some(linux) = &self.linux
                && let Ok(other) = linux.load(&linux.program(small).unwrap(), 0)
            {
                compare("Linux", linux.run(other, packet, Engine::Auto));
                linux.close(other);
            }
        }
    }
}

/// What tells operations apart: the opcode, and the fields that extend it.
fn operation(raw: &RawInsn) -> (u8, i16, i32) {
    const HELPER: u8 = 0x85;
    let class = raw.code & 7;
    let is_alu = class == 4 || class == 7;
    let is_atomic = raw.code & 0xe7 == 0xc3;
    let is_swap = is_alu && raw.code & 0xf0 == 0xd0;
    let off = if is_alu { raw.off } else { 0 };
    let by_imm = is_atomic || is_swap || (raw.code == HELPER && raw.src == 0);
    (raw.code, off, if by_imm { raw.imm } else { 0 })
}

fn without_numbers(line: &str) -> String {
    let mut text = String::new();
    for character in line.chars() {
        match character {
            '0'..='9' if text.ends_with('N') => {}
            '0'..='9' => text.push('N'),
            other => text.push(other),
        }
    }
    text
}

impl Tally {
    fn text(&self) -> String {
        let mut text = format!(
            "{} programs, {} accepted ({} by Linux), {} runs ({} in Linux), {} operations in accepted programs\n",
            self.programs,
            self.accepted,
            self.linux_accepted,
            self.runs,
            self.linux_runs,
            self.opcodes.len()
        );
        let mut refusals: Vec<_> = self.refusals.iter().collect();
        refusals.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (reason, count) in refusals.iter().take(12) {
            writeln!(text, "  refused {count}: {reason}").unwrap();
        }
        for (difference, count) in &self.found {
            writeln!(text, "  DIFFERENCE {count}: {difference:?}").unwrap();
        }
        text
    }
}

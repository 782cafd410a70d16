//! Time of verification beside Linux's: the same programs in one process, in turn, each side's own figure (`verification time`
//! at log level 4), the minimum of as many fresh loads on both.

use crate::job::{Job, Outcome, Side, Verdict};
use crate::options::Parity;
use crate::rows::{self, Group, Row};
use crate::side;

/// Fresh loads of each program on each side.
const ROUNDS: usize = 7;
/// Fewer for those that take long: microseconds of the first load from which on these suffice.
const LONG_USEC: u32 = 300_000;
const LONG_ROUNDS: usize = 3;
/// Microseconds in Linux from which on the ratio is more than the start's cost.
const TELLING_USEC: f64 = 100.0;
/// Figures without instructions.
const LOG_FIGURES: u32 = 4;
/// Programs that are named.
const NAMED: usize = 10;

/// What was measured of one program, in microseconds and instructions.
struct Timed {
    name: String,
    skep: f64,
    linux: f64,
    skep_insns: f64,
    linux_insns: f64,
}

impl Timed {
    fn ratio(&self) -> f64 {
        // Both sides count whole microseconds.
        self.skep.max(1.0) / self.linux.max(1.0)
    }

    fn insns_ratio(&self) -> f64 {
        self.skep_insns / self.linux_insns
    }

    fn line(&self) -> String {
        format!(
            "  {:>8.2} {:>12.0} {:>12.0} {:>10.0} {:>6.2}  {}",
            self.ratio(),
            self.skep,
            self.linux,
            self.linux_insns,
            self.insns_ratio(),
            self.name
        )
    }
}

/// Measures and prints.
///
/// # Errors
/// When there is no corpus.
pub(crate) fn run(options: &Parity) -> Result<(), String> {
    let rows::Rows { rows, .. } = rows::collect(options)?;
    let wanted = |row: &&Row| {
        let core = matches!(row.group, Group::Core | Group::Plain | Group::Unknown);
        let accepted = |reference: &crate::compare::Reference| reference.accepted;
        core && row.reference.as_ref().is_none_or(accepted)
    };
    let mut timed = Vec::new();
    let mut left_out = 0;
    for row in rows.iter().filter(wanted) {
        match time(row) {
            Some(one) => timed.push(one),
            None => left_out += 1,
        }
    }
    print(&mut timed, left_out);
    Ok(())
}

/// `None` if not both sides accept it.
fn time(row: &Row) -> Option<Timed> {
    let job = |side: Side| Job {
        side,
        log_level: LOG_FIGURES,
        patterns: Vec::new(),
        runs: Vec::new(),
        ..row.job.clone()
    };
    let (skep, linux) = (job(Side::Skep), job(Side::Linux));
    let mut best = [f64::INFINITY; 2];
    let mut insns = [0.0; 2];
    let mut rounds = ROUNDS;
    let mut round = 0;
    while round < rounds {
        for (at, job) in [&skep, &linux].into_iter().enumerate() {
            let (usec, processed) = figures(&side::answer(job))?;
            best[at] = best[at].min(usec.into());
            insns[at] = processed.into();
            if usec > LONG_USEC {
                rounds = LONG_ROUNDS;
            }
        }
        round += 1;
    }
    Some(Timed {
        name: row.name.clone(),
        skep: best[0],
        linux: best[1],
        skep_insns: insns[0],
        linux_insns: insns[1],
    })
}

fn figures(verdict: &Verdict) -> Option<(u32, u32)> {
    match verdict.outcome {
        Outcome::Accept | Outcome::Untranslated => Some((verdict.usec?, verdict.processed?)),
        _ => None,
    }
}

fn print(timed: &mut [Timed], left_out: usize) {
    println!(
        "{} programs that both accept; {left_out} are left out",
        timed.len()
    );
    let (long, short): (Vec<&Timed>, Vec<&Timed>) =
        timed.iter().partition(|one| one.linux >= TELLING_USEC);
    println!(
        "{} take Linux {TELLING_USEC} microseconds or more: geometric mean of skep's time to Linux's {:.3}, of totals {:.3}",
        long.len(),
        geometric_mean(&long),
        totals(&long)
    );
    println!(
        "{} take less: ratio of totals {:.3}",
        short.len(),
        totals(&short)
    );
    let slower = timed.iter().filter(|one| one.ratio() >= 1.0).count();
    println!("slower than Linux: {slower}");
    let mut insns: Vec<f64> = timed.iter().map(Timed::insns_ratio).collect();
    insns.sort_by(f64::total_cmp);
    let same = insns
        .iter()
        .filter(|ratio| (**ratio - 1.0).abs() < 1e-9)
        .count();
    println!(
        "processed instructions, skep's to Linux's: median {:.3}, the same in {same}",
        insns.get(insns.len() / 2).copied().unwrap_or(f64::NAN)
    );
    let head = "     ratio   skep [us]  Linux [us]      insns  ratio";
    timed.sort_by(|a, b| b.skep.total_cmp(&a.skep));
    println!("\nlongest\n{head}");
    timed
        .iter()
        .take(NAMED)
        .for_each(|one| println!("{}", one.line()));
    timed.sort_by(|a, b| b.ratio().total_cmp(&a.ratio()));
    println!("\nslowest beside Linux, of those that take it {TELLING_USEC} microseconds\n{head}");
    let telling = timed.iter().filter(|one| one.linux >= TELLING_USEC);
    telling
        .take(NAMED)
        .for_each(|one| println!("{}", one.line()));
    println!("\nprocessed instructions that differ by a fifth or more\n{head}");
    let outliers = timed
        .iter()
        .filter(|one| !(0.8..=1.2).contains(&one.insns_ratio()));
    outliers.for_each(|one| println!("{}", one.line()));
}

fn geometric_mean(timed: &[&Timed]) -> f64 {
    let count: f64 = timed.iter().map(|_| 1.0).sum();
    let logs: f64 = timed.iter().map(|one| one.ratio().ln()).sum();
    (logs / count).exp()
}

fn totals(timed: &[&Timed]) -> f64 {
    let sum = |of: fn(&Timed) -> f64| timed.iter().map(|one| of(one)).sum::<f64>();
    sum(|one| one.skep) / sum(|one| one.linux)
}

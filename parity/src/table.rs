//! The tables: by group, by program type, by feature; and the list of differences.

use crate::compare::{Comparison, Status};
use crate::expect::Wanted;
use crate::job::{Outcome, Verdict};
use crate::rows::Group;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Counts of one line of a table.
#[derive(Clone, Copy, Default)]
struct Tally {
    programs: usize,
    accepted: usize,
    same: usize,
    errno: usize,
    messages: usize,
    message_asked: usize,
    wrongly_accepted: usize,
    wrongly_rejected: usize,
    unsupported: usize,
    loader: usize,
    broken: usize,
    runs: usize,
    runs_asked: usize,
}

impl Tally {
    fn add(&mut self, one: &Comparison) {
        self.programs += 1;
        self.accepted += usize::from(one.reference.accepted);
        self.errno += usize::from(one.same_errno());
        self.messages += usize::from(one.message == Some(true));
        self.message_asked += usize::from(one.message.is_some());
        self.runs += usize::from(one.runs == Some(true));
        self.runs_asked += usize::from(one.runs.is_some());
        let counter = match one.status {
            Status::Same => &mut self.same,
            Status::WronglyAccepted => &mut self.wrongly_accepted,
            Status::WronglyRejected => &mut self.wrongly_rejected,
            Status::Unsupported => &mut self.unsupported,
            Status::Loader => &mut self.loader,
            Status::Broken => &mut self.broken,
        };
        *counter += 1;
    }

    fn of<'c>(comparisons: impl IntoIterator<Item = &'c Comparison>) -> Self {
        let mut tally = Self::default();
        for one in comparisons {
            tally.add(one);
        }
        tally
    }

    fn line(&self, text: &mut String, name: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{name:<26} {:>5} {:>5} {:>6} {:>6} {:>6} {:>6} {:>10} {:>6} {:>7} {:>7} {:>7} {:>7} {:>6} {:>9}",
            self.programs,
            self.accepted,
            self.same,
            percent(self.same, self.programs),
            self.errno,
            percent(self.errno, self.programs),
            format!("{}/{}", self.messages, self.message_asked),
            percent(self.messages, self.message_asked),
            self.wrongly_accepted,
            self.wrongly_rejected,
            self.unsupported,
            self.loader,
            self.broken,
            format!("{}/{}", self.runs, self.runs_asked),
        );
    }
}

/// In hundredths, rounded down, so that 100 means all.
fn percent(part: usize, whole: usize) -> String {
    match (part * 1000).checked_div(whole) {
        Some(tenths) => format!("{}.{}%", tenths / 10, tenths % 10),
        None => "-".to_owned(),
    }
}

fn header(text: &mut String, name: &str) {
    let _ = writeln!(
        text,
        "\n{name:<26} {:>5} {:>5} {:>6} {:>6} {:>6} {:>6} {:>10} {:>6} {:>7} {:>7} {:>7} {:>7} {:>6} {:>9}",
        "progs",
        "acc",
        "same",
        "",
        "errno",
        "",
        "message",
        "",
        "wr.acc",
        "wr.rej",
        "unsupp",
        "loader",
        "broken",
        "runs"
    );
}

/// The tables.
pub(crate) fn render(comparisons: &[Comparison]) -> String {
    let mut text = String::from(
        "progs: decided by Linux; acc: accepted by it; same, errno, message: skep says the same; wr.acc, wr.rej: accepted or \
         rejected\nby skep alone; unsupp: skep says that it cannot check it; loader: did not reach the verifier; broken: panic \
         or no answer in 10 s\n",
    );
    header(&mut text, "tier");
    for group in Group::ALL {
        let tally = Tally::of(comparisons.iter().filter(|one| one.row.group == group));
        if tally.programs > 0 {
            tally.line(&mut text, group.name());
        }
    }
    Tally::of(comparisons).line(&mut text, "total");
    by(&mut text, "program type", comparisons, |one| {
        vec![one.row.prog_type.clone()]
    });
    by(&mut text, "feature", comparisons, |one| {
        match one.row.features.is_empty() {
            true => vec!["(none)".to_owned()],
            false => one.row.features.clone(),
        }
    });
    let count =
        |test: &dyn Fn(&Comparison) -> bool| comparisons.iter().filter(|one| test(one)).count();
    let _ = writeln!(
        text,
        "\n{} programs have expectations as an ordinary user's, which are not measured yet",
        count(&|one| one.row.unprivileged)
    );
    let _ = writeln!(
        text,
        "{} are accepted by skep's verifier and refused by a later stage; {} annotations are not what Linux does",
        count(&|one| one.skep.outcome == Outcome::Untranslated),
        count(&|one| one
            .row
            .wanted
            .is_some_and(|wanted| (wanted == Wanted::Success) != one.reference.accepted)),
    );
    text
}

/// A table with a line for each name that `names` gives, the most frequent first.
fn by(
    text: &mut String,
    title: &str,
    comparisons: &[Comparison],
    names: impl Fn(&Comparison) -> Vec<String>,
) {
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for one in comparisons {
        for name in names(one) {
            tallies.entry(name).or_default().add(one);
        }
    }
    let mut tallies: Vec<_> = tallies.into_iter().collect();
    tallies.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.programs));
    header(text, title);
    for (name, tally) in tallies {
        tally.line(text, &name);
    }
}

/// Every difference, with both verdicts and both last lines.
pub(crate) fn list(comparisons: &[Comparison]) -> String {
    let mut text = String::from("\ndifferences\n");
    for one in comparisons.iter().filter(|one| one.differs()) {
        let mut what = Vec::new();
        match one.status {
            Status::Same if one.same_errno() => {}
            Status::Same => what.push("errno"),
            status => what.push(status.name()),
        }
        if one.status == Status::Same && one.message == Some(false) {
            what.push("message");
        }
        if one.status == Status::Same && one.runs == Some(false) {
            what.push("run");
        }
        let _ = writeln!(
            text,
            "{} [{}] {}",
            one.row.name,
            one.row.group.name(),
            what.join(", ")
        );
        let _ = writeln!(text, "    skep:  {}", verdict(&one.skep));
        let linux = match one.reference.accepted {
            true => "accept".to_owned(),
            false => match one.reference.errno {
                Some(errno) => format!("{errno}: {}", one.reference.line),
                None => "reject".to_owned(),
            },
        };
        let _ = writeln!(text, "    Linux: {linux}");
        if one.status == Status::Same
            && let Some(pattern) = one.skep.missing.and_then(|at| one.row.job.patterns.get(at))
        {
            let _ = writeln!(text, "    lacks: {pattern}");
        }
        if one.runs == Some(false) && one.status == Status::Same {
            let wanted: Vec<_> = one.row.job.runs.iter().map(|run| run.want).collect();
            let _ = writeln!(text, "    runs:  {:?}, expected {wanted:?}", one.skep.runs);
        }
    }
    text
}

fn verdict(verdict: &Verdict) -> String {
    let line = &verdict.line;
    match verdict.outcome {
        Outcome::Accept => "accept".to_owned(),
        Outcome::Untranslated => format!("accept, then {line}"),
        Outcome::Reject if line.is_empty() => format!("{}, without a reason", verdict.errno),
        Outcome::Reject => format!("{}: {line}", verdict.errno),
        Outcome::Unsupported => format!("unsupported: {line}"),
        Outcome::Loader => format!("loader: {}", line.replace('\n', " ")),
        Outcome::Denied => "denied".to_owned(),
        Outcome::Panic => format!("panic: {line}"),
        Outcome::Timeout => format!("timeout: {line}"),
    }
}

//! What to work on next: differences by class of message, the commonest first.
//!
//! A class is a message without its numbers. Only the first obstacle of a program shows, so a class that ends opens others.

use crate::compare::{Comparison, Status};
use crate::job::{Outcome, Verdict};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Classes of a list.
const CLASSES_MAX: usize = 50;
/// Characters of a class.
const CLASS_CHARS_MAX: usize = 150;

#[derive(Default)]
struct Class {
    accepted: usize,
    rejected: usize,
    example: String,
}

/// The lists.
pub(crate) fn render(comparisons: &[Comparison]) -> String {
    let mut text = String::new();
    list(
        &mut text,
        "skep does not get through what Linux decides (acc: Linux accepts, rej: it rejects)",
        comparisons.iter().filter_map(|one| match one.status {
            Status::Same | Status::WronglyAccepted => None,
            Status::WronglyRejected | Status::Unsupported | Status::Loader | Status::Broken => {
                Some((one, obstacle(one)))
            }
        }),
    );
    list(
        &mut text,
        "skep accepts what Linux rejects, by Linux's message",
        comparisons
            .iter()
            .filter(|one| one.status == Status::WronglyAccepted)
            .map(|one| (one, class(&one.reference.line))),
    );
    list(
        &mut text,
        "the error number differs",
        comparisons
            .iter()
            .filter(|one| one.status == Status::Same && !one.same_errno())
            .map(|one| {
                let (ours, theirs) = (one.skep.errno, one.reference.errno.unwrap_or_default());
                let (line, linux) = (class(&one.skep.line), class(&one.reference.line));
                (
                    one,
                    format!("skep {ours}: {line} | Linux {theirs}: {linux}"),
                )
            }),
    );
    list(
        &mut text,
        "the message differs",
        comparisons
            .iter()
            .filter(|one| one.status == Status::Same && one.message == Some(false))
            .map(|one| {
                let pattern = one.skep.missing.and_then(|at| one.row.job.patterns.get(at));
                let theirs = pattern.unwrap_or(&one.reference.line);
                let ours = class(&one.skep.line);
                (one, format!("skep: {ours} | Linux: {}", class(theirs)))
            }),
    );
    text
}

fn list<'c>(text: &mut String, title: &str, found: impl Iterator<Item = (&'c Comparison, String)>) {
    let mut classes: BTreeMap<String, Class> = BTreeMap::new();
    for (one, name) in found {
        let class = classes.entry(name).or_default();
        match one.reference.accepted {
            true => class.accepted += 1,
            false => class.rejected += 1,
        }
        if class.example.is_empty() {
            class.example.clone_from(&one.row.name);
        }
    }
    if classes.is_empty() {
        return;
    }
    let mut classes: Vec<_> = classes.into_iter().collect();
    classes.sort_by_key(|(_, class)| std::cmp::Reverse(class.accepted + class.rejected));
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "\n{title}\n{:>5} {:>5}  message (example)",
        "acc", "rej"
    );
    for (name, class) in classes.iter().take(CLASSES_MAX) {
        let Class {
            accepted,
            rejected,
            example,
        } = class;
        let _ = writeln!(text, "{accepted:>5} {rejected:>5}  {name} ({example})");
    }
    if classes.len() > CLASSES_MAX {
        let rest = &classes[CLASSES_MAX..];
        let programs: usize = rest
            .iter()
            .map(|(_, class)| class.accepted + class.rejected)
            .sum();
        let _ = writeln!(
            text,
            "      and {} classes with {programs} programs",
            rest.len()
        );
    }
}

/// What stopped skep.
///
/// What CO-RE asks about is no reason of its own.
fn obstacle(one: &Comparison) -> String {
    let line = class(&one.skep.line);
    if one.skep.outcome == Outcome::Reject && line.is_empty() {
        let Verdict { errno, .. } = one.skep;
        return format!(
            "error {errno} without a reason: program type {}",
            one.row.prog_type
        );
    }
    match one.skep.outcome {
        Outcome::Loader => match line.contains("CO-RE") || line.contains("depends on the target's")
        {
            true => "loader: CO-RE".to_owned(),
            false => format!("loader: {}", without_names(&line)),
        },
        Outcome::Panic => format!("panic: {line}"),
        Outcome::Timeout => format!("timeout: {line}"),
        Outcome::Accept
        | Outcome::Untranslated
        | Outcome::Reject
        | Outcome::Unsupported
        | Outcome::Denied => line,
    }
}

/// A message without numbers, on one line.
pub(crate) fn class(line: &str) -> String {
    let mut class = String::new();
    let mut number = false;
    for c in line.chars().map(|c| if c == '\n' { ' ' } else { c }) {
        let word = class.ends_with(|last: char| last.is_ascii_lowercase() || last == '_');
        match c {
            // Digits within a name are part of it.
            '0'..='9' if !word && !number => {
                number = true;
                class.push('#');
            }
            '0'..='9' | 'a'..='f' | 'x' if number => {}
            other => {
                number = false;
                class.push(other);
            }
        }
        if class.chars().count() >= CLASS_CHARS_MAX {
            break;
        }
    }
    class
}

/// A message without what stands in quotes. An apostrophe opens quotes only at the start of a word.
fn without_names(line: &str) -> String {
    let mut text = String::new();
    let (mut quoted, mut before) = (false, ' ');
    for c in line.chars() {
        match (c, quoted) {
            ('\'', true) => quoted = false,
            ('\'', false) if [' ', '('].contains(&before) => {
                quoted = true;
                text.push('…');
            }
            (_, true) => {}
            (_, false) => text.push(c),
        }
        before = c;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_no_numbers() {
        assert_eq!(class("R10 !read_ok"), "R# !read_ok");
        assert_eq!(class("off=-8 size=16"), "off=-# size=#");
        assert_eq!(
            class("helper bpf_ktime_get_ns#5"),
            "helper bpf_ktime_get_ns##"
        );
        assert_eq!(class("call of bpf_l3_csum"), "call of bpf_l3_csum");
        assert_eq!(
            without_names("map 'a': the target's 'b c'"),
            "map …: the target's …"
        );
    }
}

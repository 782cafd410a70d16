//! The difference between two texts, by lines, for a reader.
//!
//! A longest common subsequence of what lies between the common beginning and end. Its table is quadratic, so texts
//! that differ over more than [`LINES_MAX`] lines are shown one after the other instead.

use std::fmt::Write as _;

/// Longest differing part for which the table is made: a quarter of a million cells.
const LINES_MAX: usize = 500;
/// Equal lines shown around differing ones.
const CONTEXT: usize = 3;

/// How two texts differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Diff {
    /// Index of the first line that differs.
    pub(crate) line: usize,
    /// The lines: `-` only expected, `+` only actual, a space for both.
    pub(crate) text: String,
}

/// Compares two texts that are not equal.
pub(crate) fn diff(expected: &str, actual: &str) -> Diff {
    let old: Vec<&str> = expected.split('\n').collect();
    let new: Vec<&str> = actual.split('\n').collect();
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - start;
    let ends = old.iter().rev().zip(new.iter().rev());
    let end = ends.take(rest).take_while(|(a, b)| a == b).count();

    let mut text = String::new();
    lines(&mut text, ' ', &old[start.saturating_sub(CONTEXT)..start]);
    middle(
        &mut text,
        &old[start..old.len() - end],
        &new[start..new.len() - end],
    );
    let after = old.len() - end;
    lines(&mut text, ' ', &old[after..old.len().min(after + CONTEXT)]);
    Diff { line: start, text }
}

fn lines(text: &mut String, mark: char, lines: &[&str]) {
    for line in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{mark}{line}");
    }
}

fn middle(text: &mut String, old: &[&str], new: &[&str]) {
    if old.len() > LINES_MAX || new.len() > LINES_MAX {
        lines(text, '-', old);
        lines(text, '+', new);
        return;
    }
    let common = common_lengths(old, new);
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines(text, ' ', &old[i..=i]);
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            lines(text, '-', &old[i..=i]);
            i += 1;
        } else {
            lines(text, '+', &new[j..=j]);
            j += 1;
        }
    }
}

/// Length of the longest common subsequence of `old[i..]` and `new[j..]`, at `[i][j]`.
fn common_lengths(old: &[&str], new: &[&str]) -> Vec<Vec<u32>> {
    let mut table = vec![vec![0; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            table[i][j] = if old[i] == new[j] {
                table[i + 1][j + 1] + 1
            } else {
                table[i + 1][j].max(table[i][j + 1])
            };
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_removed_and_added_lines() {
        let found = diff("a\nb\nc\nd\ne\n", "a\nB\nc\ne\nf\n");
        assert_eq!(found.line, 1);
        assert_eq!(found.text, " a\n-b\n+B\n c\n-d\n e\n+f\n \n");
    }

    #[test]
    fn missing_end_of_line() {
        assert_eq!(diff("a\n", "a").text, " a\n-\n");
    }

    #[test]
    fn long_texts() {
        let old = "x\n".repeat(LINES_MAX + 1);
        let new = "y\n".repeat(LINES_MAX + 1);
        assert_eq!(
            diff(&old, &new).text.lines().count(),
            2 * (LINES_MAX + 1) + 1
        );
    }
}

//! A line of source with the part that an instruction stands for.
//!
//! The compiler tells where that begins, not where it ends: the end is found by C's rules of postfix expressions, which is
//! a guess that may be short, never outside of the line.

use skep::explain::SourceLine;

/// A line ready to be shown, and what is underlined.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Snippet {
    /// The line without its indentation.
    pub(super) text: String,
    /// Columns of `text` before the underlined part.
    pub(super) before: usize,
    /// Columns of the underlined part; the whole line if the compiler told no column.
    pub(super) width: usize,
}

pub(super) fn of(line: &SourceLine) -> Snippet {
    let all: Vec<char> = line.text.chars().collect();
    let indent = all.iter().take_while(|c| c.is_whitespace()).count();
    let mut text: Vec<char> = all[indent..]
        .iter()
        .map(|c| if c.is_control() { ' ' } else { *c })
        .collect();
    text.truncate(text.len() - text.iter().rev().take_while(|c| **c == ' ').count());
    let column = usize::try_from(line.column).unwrap_or(0);
    let start = column
        .checked_sub(1)
        .and_then(|at| at.checked_sub(indent))
        .filter(|at| *at < text.len());
    let (before, width) = start.map_or((0, text.len()), |start| {
        let from = match postfix(&text, start) {
            true => operand(&text, start),
            false => begin(&text, start),
        };
        (from, end(&text, start).saturating_sub(from))
    });
    Snippet {
        text: text.iter().collect(),
        before,
        width,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where the expression begins whose member is at `at`.
fn begin(text: &[char], at: usize) -> usize {
    let mut from = at;
    loop {
        let left = if text[..from].ends_with(&['-', '>']) {
            from - 2
        } else if text[..from].ends_with(&['.']) {
            from - 1
        } else {
            return from;
        };
        let start = name(text, left);
        if start == left {
            return from;
        }
        from = start;
    }
}

/// Where the name, call or element begins that ends at `to`; `to` if there is none.
fn name(text: &[char], to: usize) -> usize {
    let mut start = to;
    while let Some(left) = start.checked_sub(1) {
        match text[left] {
            ')' | ']' => match opening(text, left) {
                Some(open) => start = open,
                None => return to,
            },
            c if is_word(c) => start = left,
            _ => break,
        }
    }
    start
}

/// Whether an increment or decrement of what is before it begins at `at`.
fn postfix(text: &[char], at: usize) -> bool {
    let operator = text[at..].starts_with(&['+', '+']) || text[at..].starts_with(&['-', '-']);
    operator && name(text, at) < at
}

/// Where the expression begins that ends at `to`.
fn operand(text: &[char], to: usize) -> usize {
    begin(text, name(text, to))
}

/// The bracket that the one at `at` closes.
fn opening(text: &[char], at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, c) in text.iter().enumerate().take(at + 1).rev() {
        match c {
            ')' | ']' => depth += 1,
            // The first is a closing one, so that there is one to take away.
            '(' | '[' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Some(index);
        }
    }
    None
}

/// Where the expression ends that goes on at `at`.
fn end(text: &[char], at: usize) -> usize {
    let prefix = text[at..]
        .iter()
        .take_while(|c| "*&!~-+".contains(**c))
        .count();
    let mut to = at + prefix;
    let word = text[to..].iter().take_while(|c| is_word(**c)).count();
    if word == 0 && text.get(to) != Some(&'(') {
        return (at + prefix.max(1)).min(text.len());
    }
    to += word;
    loop {
        match text.get(to) {
            Some('(' | '[') => match closing(text, to) {
                Some(close) => to = close + 1,
                None => return text.len(),
            },
            Some('.') if text.get(to + 1).copied().is_some_and(is_word) => {
                to += 1 + text[to + 1..].iter().take_while(|c| is_word(**c)).count();
            }
            Some('-') if text.get(to + 1) == Some(&'>') => {
                to += 2 + text[to + 2..].iter().take_while(|c| is_word(**c)).count();
            }
            Some(_) | None => return to,
        }
    }
}

/// The bracket that closes the one at `at`.
fn closing(text: &[char], at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, c) in text.iter().enumerate().skip(at) {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Some(index);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn underlined_parts() {
        for (text, at, wanted) in [
            ("\treturn data[0] == 0xff;", "data", "data[0]"),
            ("  x = eth->h_proto + 1;", "h_proto", "eth->h_proto"),
            ("  y = a[i].b->c(d, e).f * 2;", "c(", "a[i].b->c(d, e).f"),
            ("  *value += 1;", "*", "*value"),
            ("  a->b[1]++;", "++", "a->b[1]++"),
            ("  x = --y;", "--", "--y"),
            ("  if (p + 1 > end)", "+", "+"),
            ("  if (p + 1 > end)", "if", "if"),
            ("  broken(a, b", "broken", "broken(a, b"),
        ] {
            let column = u32::try_from(text.find(at).unwrap() + 1).unwrap();
            let snippet = of(&SourceLine {
                file: String::new(),
                line: 1,
                column,
                text: text.to_owned(),
            });
            let shown: String = snippet
                .text
                .chars()
                .skip(snippet.before)
                .take(snippet.width)
                .collect();
            assert_eq!(shown, wanted, "{text}");
        }
    }

    #[test]
    fn any_line_and_column() {
        for text in ["", " ", "->", ".a", ")]", "((", "*", "é[ä", "a.b->"] {
            for column in 0..12 {
                let line = SourceLine {
                    file: String::new(),
                    line: 1,
                    column,
                    text: text.to_owned(),
                };
                let snippet = of(&line);
                assert!(snippet.before + snippet.width <= text.chars().count());
            }
        }
    }
}

//! `skep batch file FILE`: many command lines, stopping at the first that fails.
//!
//! A line is one command; `#` begins a comment, a backslash at the end joins the next line, quotes keep spaces. In JSON
//! every command gets an object with its words and its output.

use crate::app::{self, Session};
use crate::args::Args;
use crate::failure::{EXIT_ERROR, Failure, Outcome};
use skep_btf::json::Node;
use std::io::Read;

/// Most `batch file` lines that may be nested in one another.
const DEPTH_MAX: u32 = 8;
/// Most words of one command.
const WORDS_MAX: usize = 4096;

/// Runs the commands of a file, or of standard input for `-`.
pub(crate) fn run(session: &mut Session, args: &mut Args) -> Outcome {
    match args.len() {
        0 | 1 => return Err(Failure::message("too few parameters for batch")),
        2 => {}
        _ => return Err(Failure::message("too many parameters for batch")),
    }
    if !args.take("file") {
        return Err(Failure::message(format!(
            "expected 'file', got: {}",
            args.peek().unwrap_or_default()
        )));
    }
    let path = args.next().unwrap_or_default();
    let text = read(&path)?;
    if session.batch_depth >= DEPTH_MAX {
        return Err(Failure::message("batch files are nested too deeply"));
    }
    session.batch_depth += 1;
    let outcome = run_lines(session, &text);
    session.batch_depth -= 1;
    outcome
}

fn read(path: &str) -> Outcome<String> {
    let mut bytes = Vec::new();
    let result = if path == "-" {
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    let bytes = result.map_err(|error| {
        Failure::message(format!("Can't open file ({path}): {}", system_text(&error)))
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The system's text of an error, without Rust's `(os error 2)`.
pub(crate) fn system_text(error: &std::io::Error) -> String {
    match error
        .raw_os_error()
        .and_then(|number| skep_uapi::Errno(number).text())
    {
        Some(text) => text.to_owned(),
        None => error.to_string(),
    }
}

fn run_lines(session: &mut Session, text: &str) -> Outcome {
    let outer = session.out.take_document();
    let mut entries = Vec::new();
    let mut commands = 0;
    let mut outcome = Ok(());
    for line in logical_lines(text) {
        match words(&line, commands) {
            Ok(words) if words.is_empty() => continue,
            Ok(words) => {
                let code = app::run(session, words.clone())?;
                let output = session.out.take_document().pop();
                entries.push(entry(words, output));
                if code != 0 {
                    outcome = Err(Failure::Silent { code });
                    break;
                }
                commands += 1;
            }
            Err(failure) => {
                outcome = Err(failure);
                break;
            }
        }
    }
    outer.into_iter().for_each(|node| session.out.json(node));
    if session.out.is_json() {
        session.out.json(Node::Array(entries));
    } else if outcome.is_ok() {
        writeln!(session.out.results(), "processed {commands} commands")?;
    }
    outcome
}

fn entry(words: Vec<String>, output: Option<Node>) -> Node {
    let words = Node::Array(words.into_iter().map(Node::string).collect());
    let output = output.unwrap_or(Node::Plain(serde_json::Value::Null));
    Node::Object(vec![
        ("command".to_owned(), words),
        ("output".to_owned(), output),
    ])
}

/// Lines without comments, continued lines joined.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for physical in text.lines() {
        let code = physical.split('#').next().unwrap_or_default();
        match code.strip_suffix('\\') {
            Some(joined) => line.push_str(joined),
            None => {
                line.push_str(code);
                lines.push(std::mem::take(&mut line));
            }
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Splits a line into words; quotes of either kind keep spaces.
fn words(line: &str, number: u32) -> Outcome<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '"' || c == '\'' => {
                word.get_or_insert_default();
                quote = Some(c);
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(Failure::message(format!(
            "unterminated quoted string in command {number}"
        )));
    }
    words.extend(word.take());
    if words.len() > WORDS_MAX {
        return Err(Failure::Message {
            text: format!("command {number} has too many arguments"),
            code: EXIT_ERROR,
        });
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_words() {
        let lines = logical_lines("# c\nprog \\\n show # x\n\n'a b' \"c\"");
        assert_eq!(lines, ["", "prog  show ", "", "'a b' \"c\""]);
        assert_eq!(
            words(&lines[1], 0).ok(),
            Some(vec!["prog".to_owned(), "show".to_owned()])
        );
        assert_eq!(
            words(&lines[3], 0).ok(),
            Some(vec!["a b".to_owned(), "c".to_owned()])
        );
        assert!(words("'a", 0).is_err());
    }
}

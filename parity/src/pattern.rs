//! Messages that a log must hold: literal text with regular expressions in `{{…}}`, one after the other.

use regex_lite::Regex;

/// The number of the first pattern that does not follow the one before it; `None` if the log holds all.
pub(crate) fn first_missing(log: &str, patterns: &[String]) -> Option<usize> {
    let mut rest = log;
    for (number, pattern) in patterns.iter().enumerate() {
        match end_of_match(rest, pattern) {
            Some(end) => rest = &rest[end..],
            None => return Some(number),
        }
    }
    None
}

/// Where the first match ends.
fn end_of_match(text: &str, pattern: &str) -> Option<usize> {
    if !pattern.contains("{{") {
        return text.find(pattern).map(|at| at + pattern.len());
    }
    let regex = Regex::new(&regex_text(pattern)).ok()?;
    regex.find(text).map(|found| found.end())
}

fn regex_text(pattern: &str) -> String {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some((literal, after)) = rest.split_once("{{") {
        let (regex, after) = after.split_once("}}").unwrap_or((after, ""));
        text.push_str(&regex_lite::escape(literal));
        text.push_str(&format!("(?:{regex})"));
        rest = after;
    }
    text.push_str(&regex_lite::escape(rest));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_follow_one_another() {
        let missing = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|&one| one.to_owned()).collect();
            first_missing("1: (b7) r0 = 5\nR1 !read_ok\n", &patterns)
        };
        assert_eq!(missing(&[]), None);
        assert_eq!(missing(&["r0 = ", "!read_ok"]), None);
        assert_eq!(missing(&["!read_ok", "r0 = "]), Some(1));
        assert_eq!(
            missing(&["{{[0-9]+}}: (b7) r{{.}}", "R{{[0-9]}} !read"]),
            None
        );
        assert_eq!(missing(&["(b7) r0 = {{[a-f]}}"]), Some(0));
        assert_eq!(missing(&["{{(}}"]), Some(0), "no expression");
    }
}

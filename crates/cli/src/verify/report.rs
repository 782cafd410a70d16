//! The readable report of one verdict.
//!
//! ```text
//! rejected: xdp program 'f': the program reads 1 byte of the packet at offset 0, ...
//!   --> f.bpf.c:10
//!    |
//! 10 | return data[0] == 0xff ? XDP_DROP : XDP_PASS;
//!    |        ^^^^^^^ r1 = *(u8 *)(r1 +0)
//!    = r1: a packet pointer; no byte of it is proved to exist [pkt(r=0)]
//!    = from: line 8: unsigned char *data = (void *)(long)ctx->data; (read from the context's field 'data')
//!    = path: line 9: if (x) -> line 10
//!    = help: check the bounds first: ...
//!    = log: invalid access to packet, off=0 size=1, R1(id=0,off=0,r=0)
//! ```

use super::record::{Checked, file_name};
use super::snippet;
use crate::output::escape;
use skep::explain::{Explanation, Held, Origin, Place, SourceLine, Turn, TurnKind};
use skep::verify::Verdict;
use skep::{Refusal, Verification};
use std::io::{self, Write};

/// Turns of the path that are shown, the last ones.
const TURNS_SHOWN: usize = 10;

/// How words are set off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Paint {
    /// In colours.
    Colours,
    /// Not at all.
    Plain,
}

impl Paint {
    /// Colours are for terminals, and only where nobody has objected (`NO_COLOR`).
    pub(super) fn of(is_terminal: bool) -> Self {
        match is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) {
            true => Self::Colours,
            false => Self::Plain,
        }
    }

    fn with(self, code: &str, text: &str) -> String {
        match self {
            Self::Colours => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Plain => text.to_owned(),
        }
    }

    fn red(self, text: &str) -> String {
        self.with("1;31", text)
    }

    fn green(self, text: &str) -> String {
        self.with("1;32", text)
    }

    fn blue(self, text: &str) -> String {
        self.with("1;34", text)
    }
}

/// A verdict to show.
pub(super) struct Report<'r> {
    pub(super) checked: &'r Checked,
    pub(super) paint: Paint,
}

impl Report<'_> {
    pub(super) fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let one = &self.checked.verification;
        match &one.verdict {
            Verdict::Accepted { .. } => writeln!(
                out,
                "{}: {} ({} instructions, {} processed in {} us)",
                self.paint.green("accepted"),
                title(one),
                one.insns,
                one.stats.processed_insns,
                one.stats.usec
            ),
            Verdict::Rejected(refusal) => self.rejected(one, refusal, out),
            Verdict::NotOpened(error) => writeln!(
                out,
                "{}: {}: {}",
                self.paint.red("no verdict"),
                title(one),
                escape(&error.to_string())
            ),
        }
    }

    fn rejected(
        &self,
        one: &Verification,
        refusal: &Refusal,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let head = format!("{}: {}", self.paint.red("rejected"), title(one));
        let Some(explanation) = &refusal.explanation else {
            let why = one.log.lines().next().unwrap_or_default();
            return writeln!(out, "{head}: {} ({})", escape(why), refusal.errno);
        };
        writeln!(out, "{head}: {}", escape(&explanation.what))?;
        let gutter = gutter(explanation);
        if let Some(place) = &explanation.place {
            self.place(place, gutter, out)?;
        }
        for held in &explanation.held {
            self.held(held, explanation, gutter, out)?;
        }
        self.path(explanation, gutter, out)?;
        for advice in &explanation.advice {
            self.note("help", advice, gutter, out)?;
        }
        let message = explanation.reject.to_string().replace('\n', "; ");
        self.note("log", &message, gutter, out)
    }

    /// `   = what: text`.
    fn note(&self, what: &str, text: &str, gutter: usize, out: &mut dyn Write) -> io::Result<()> {
        let (mark, what) = (self.paint.blue("="), self.paint.blue(&format!("{what}:")));
        writeln!(out, "{:gutter$} {mark} {what} {}", "", escape(text))
    }

    /// Where it is: the source line with what is underlined, or the instruction.
    fn place(&self, place: &Place, gutter: usize, out: &mut dyn Write) -> io::Result<()> {
        let arrow = self.paint.blue("-->");
        let function = match place.function.is_empty() {
            true => String::new(),
            false => format!(" in {}", escape(&place.function)),
        };
        let Some(line) = &place.source else {
            return writeln!(
                out,
                "{:gutter$}{arrow} instruction {}{function}: {}",
                "",
                place.at,
                escape(&place.insn)
            );
        };
        let bar = self.paint.blue("|");
        let snippet = snippet::of(line);
        writeln!(
            out,
            "{:gutter$}{arrow} {}:{}{function}",
            "",
            escape(line.file.trim_start_matches("./")),
            line.line
        )?;
        if snippet.text.is_empty() {
            return writeln!(out, "{:gutter$} {bar} {}", "", escape(&place.insn));
        }
        writeln!(out, "{:gutter$} {bar}", "")?;
        let number = self.paint.blue(&format!("{:>gutter$}", line.line));
        writeln!(out, "{number} {bar} {}", escape(&snippet.text))?;
        let mark = self.paint.red(&"^".repeat(snippet.width));
        let mark = format!(
            "{:before$}{mark} {}",
            "",
            escape(&place.insn),
            before = snippet.before
        );
        writeln!(out, "{:gutter$} {bar} {}", "", mark.trim_end())
    }

    fn held(
        &self,
        held: &Held,
        explanation: &Explanation,
        gutter: usize,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        // A number is the same in both words.
        let state = match held.state.is_empty() || held.meaning.ends_with(&held.state) {
            true => String::new(),
            false => format!(" [{}]", held.state),
        };
        let text = format!("{}{state}", held.meaning);
        self.note(&held.register, &text, gutter, out)?;
        let mut rest: &[Origin] = &held.origins;
        while let Some(first) = rest.first() {
            let same = rest
                .iter()
                .take_while(|origin| is_same_line(&origin.place, &first.place));
            let count = same.count().max(1);
            let (line, after) = rest.split_at(count);
            rest = after;
            let how: Vec<&str> = line
                .iter()
                .rev()
                .map(|origin| origin.how.as_str())
                .collect();
            let text = format!(
                "{} ({})",
                whole(&first.place, explanation),
                how.join(", then ")
            );
            self.note("from", &text, gutter, out)?;
        }
        Ok(())
    }

    fn path(
        &self,
        explanation: &Explanation,
        gutter: usize,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let turns = by_lines(&explanation.turns);
        let left_out = turns.len().saturating_sub(TURNS_SHOWN);
        if left_out > 0 {
            let text = format!("({left_out} earlier turns)");
            self.note("path", &text, gutter, out)?;
        }
        for turn in turns.iter().skip(left_out) {
            let to = short(&turn.to, explanation);
            let mut text = whole(&turn.from, explanation);
            text += &match turn.kind {
                TurnKind::Branch => format!(" -> {to}"),
                TurnKind::Call => format!(" calls {} at {to}", turn.to.function),
                TurnKind::Return => format!(" returns to {to}"),
            };
            if turn.times > 1 {
                text += &format!(" ({} times)", turn.times);
            }
            self.note("path", &text, gutter, out)?;
        }
        Ok(())
    }
}

/// Turns from line to line: those within a line are none, unless they go back, and those between the same lines are one, the
/// last.
fn by_lines(turns: &[Turn]) -> Vec<Turn> {
    let mut out: Vec<Turn> = Vec::new();
    for turn in turns {
        let is_loop = turn.to.at <= turn.from.at;
        if turn.kind == TurnKind::Branch && is_same_line(&turn.from, &turn.to) && !is_loop {
            continue;
        }
        let mut turn = turn.clone();
        let same = out.iter().position(|other| {
            turn.kind == other.kind
                && is_same_line(&turn.from, &other.from)
                && is_same_line(&turn.to, &other.to)
        });
        if let Some(same) = same {
            turn.times += out.remove(same).times;
        }
        out.push(turn);
    }
    out
}

fn title(one: &Verification) -> String {
    match one.prog_type {
        Some(prog_type) => format!("{prog_type} program '{}'", escape(&one.program)),
        None => format!("program '{}'", escape(&one.program)),
    }
}

/// Columns for the line number.
fn gutter(explanation: &Explanation) -> usize {
    let line = explanation
        .place
        .as_ref()
        .and_then(|place| place.source.as_ref());
    line.map_or(1, |line| line.line.to_string().len())
}

fn is_same_line(one: &Place, other: &Place) -> bool {
    match (&one.source, &other.source) {
        (Some(one), Some(other)) => (one.line, &one.file) == (other.line, &other.file),
        (_, _) => one.at == other.at,
    }
}

/// `line 8`, or with its file where that is not the report's.
fn short(place: &Place, explanation: &Explanation) -> String {
    let Some(line) = &place.source else {
        return format!("instruction {}", place.at);
    };
    let main = explanation
        .place
        .as_ref()
        .and_then(|place| place.source.as_ref());
    match main.is_some_and(|main| main.file == line.file) {
        true => format!("line {}", line.line),
        false => format!("{}:{}", file_name(&line.file), line.line),
    }
}

/// `line 8: the text`.
fn whole(place: &Place, explanation: &Explanation) -> String {
    let text = match &place.source {
        Some(SourceLine { text, .. }) if !text.is_empty() => text.trim(),
        Some(_) | None => &place.insn,
    };
    format!("{}: {text}", short(place, explanation))
}

//! Where results go: each is one record with two renderings.
//!
//! Text is written as it comes. JSON is one document per process: commands hand over trees, which are written at the end
//! of the command (`batch` takes them and writes them inside its own). Errors are a line on standard error in text and
//! an `error` object within the document in JSON, as in bpftool.
//!
//! Does not know where it writes to: two `Write` sinks are given.

use crate::failure::Outcome;
use serde_json::{Value, json};
use skep_btf::json::Node;
use std::io::{self, Write};

/// The form of results.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// `-j`: JSON on one line.
    Json,
    /// `-p`: JSON, indented.
    Pretty,
}

/// One result that can be shown in both forms.
pub(crate) trait Record {
    /// Writes the text form, newline included.
    fn text(&self, out: &mut dyn Write) -> io::Result<()>;
    /// The JSON form.
    fn json(&self) -> Node;
}

/// The sinks of a process.
pub(crate) struct Out {
    results: Box<dyn Write>,
    errors: Box<dyn Write>,
    format: Format,
    document: Vec<Node>,
    streaming: bool,
}

impl Out {
    /// Writes results and errors to the given sinks.
    pub(crate) fn new(results: Box<dyn Write>, errors: Box<dyn Write>, format: Format) -> Self {
        Self {
            results,
            errors,
            format,
            document: Vec::new(),
            streaming: false,
        }
    }

    /// Whether results are JSON.
    pub(crate) fn is_json(&self) -> bool {
        match self.format {
            Format::Json | Format::Pretty => true,
            Format::Text => false,
        }
    }

    /// Changes the form of results that have not been shown yet.
    pub(crate) fn set_format(&mut self, format: Format) {
        self.format = format;
    }

    /// The text sink. In JSON nothing may be written to it but a stream.
    pub(crate) fn results(&mut self) -> &mut dyn Write {
        &mut *self.results
    }

    /// The sink of warnings and of the verifier's log.
    pub(crate) fn errors(&mut self) -> &mut dyn Write {
        &mut *self.errors
    }

    /// Shows one record.
    pub(crate) fn record(&mut self, record: &dyn Record) -> Outcome {
        if self.is_json() {
            self.json(record.json());
        } else {
            record.text(&mut *self.results)?;
        }
        Ok(())
    }

    /// Shows records: one after the other, or a JSON array.
    pub(crate) fn list<R: Record>(&mut self, records: &[R]) -> Outcome {
        if self.is_json() {
            self.json(Node::Array(records.iter().map(Record::json).collect()));
            return Ok(());
        }
        for record in records {
            record.text(&mut *self.results)?;
        }
        Ok(())
    }

    /// Shows what a selector found: a single record stands alone, several are a JSON array.
    pub(crate) fn found<R: Record>(&mut self, records: &[R]) -> Outcome {
        match records {
            [record] => self.record(record),
            records => self.list(records),
        }
    }

    /// Adds a tree to the JSON document.
    pub(crate) fn json(&mut self, node: Node) {
        self.document.push(node);
    }

    /// A command that has nothing to say: silence, or JSON's `null`.
    pub(crate) fn nothing(&mut self) {
        if self.is_json() {
            self.json(Node::Plain(Value::Null));
        }
    }

    /// Shows an error.
    pub(crate) fn error(&mut self, text: &str) -> Outcome {
        if self.is_json() && !self.streaming {
            self.json(json!({ "error": text }).into());
        } else {
            self.results.flush()?;
            writeln!(self.errors, "Error: {}", escape(text))?;
        }
        Ok(())
    }

    /// Takes the document that commands have built so far.
    pub(crate) fn take_document(&mut self) -> Vec<Node> {
        std::mem::take(&mut self.document)
    }

    /// Writes a tree in the form that was asked for, without newline; text output shows it indented.
    pub(crate) fn layout(&self, node: &Node) -> String {
        match self.format {
            Format::Json => node.to_compact(),
            Format::Pretty | Format::Text => node.to_pretty(),
        }
    }

    /// Begins an array that is written as it comes; nothing else may be shown in this process.
    pub(crate) fn json_begin_stream(&mut self) -> io::Result<()> {
        self.streaming = true;
        write!(self.results, "[")?;
        self.results.flush()
    }

    /// Ends the output: writes the JSON document and flushes.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if self.is_json() && !self.streaming {
            let document = self.take_document();
            let texts: Vec<String> = document.iter().map(|node| self.layout(node)).collect();
            writeln!(self.results, "{}", texts.join(","))?;
        }
        self.results.flush()?;
        self.errors.flush()
    }
}

/// `text` with control characters written as `\x1b`: names come from other people's objects.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' && c != '\t' {
            out.push_str(&format!("\\x{:02x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// A JSON object of `members`, those that are `None` left out.
pub(crate) fn object<const N: usize>(members: [(&str, Option<Node>); N]) -> Node {
    let present = members
        .into_iter()
        .filter_map(|(name, node)| node.map(|node| (name.to_owned(), node)));
    Node::Object(present.collect())
}

/// A member of an object.
pub(crate) fn plain(value: impl Into<Value>) -> Option<Node> {
    Some(Node::Plain(value.into()))
}

/// Bytes as JSON shows them: `["0x00","0xff"]`.
pub(crate) fn hex_array(bytes: &[u8]) -> Node {
    Node::Array(
        bytes
            .iter()
            .map(|byte| Node::string(format!("0x{byte:02x}")))
            .collect(),
    )
}

/// Bytes as text shows them: `00 01 …  08`, two spaces after eight, a new line after sixteen.
pub(crate) fn hex_text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 3);
    for (position, byte) in bytes.iter().enumerate() {
        out.push_str(match position {
            0 => "",
            n if n % 16 == 0 => "\n",
            n if n % 8 == 0 => "  ",
            _ => " ",
        });
        out.push_str(&format!("{byte:02x}"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_groups() {
        let bytes: Vec<u8> = (0..18).collect();
        assert_eq!(
            hex_text(&bytes),
            "00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f\n10 11"
        );
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(escape("a\x1b[31m"), "a\\x1b[31m");
    }
}

//! bpftool's JSON layout, byte for byte, compact and pretty.
//!
//! Facts taken from bpftool 7.5's output: four spaces per level; members of an object on lines of their own; elements of
//! an array on the line where the array began, its bracket on a line of its own; empty containers closed at once;
//! escapes are the short ones. Control characters without a short escape are written as `\u00xx`, where bpftool
//! leaves invalid JSON.
//!
//! [`Node`] is a JSON tree that can also hold what bpftool prints but JSON cannot: members of the same name (two
//! anonymous unions) and bare words (`0x5`).

use serde_json::{Map, Value};
use std::fmt::Write;

/// A tree to print.
#[derive(Clone, PartialEq, Debug)]
pub enum Node {
    /// `null`, boolean, number or string; a container inside is printed as well.
    Plain(Value),
    /// Text that is printed without quotes.
    Bare(String),
    /// Array.
    Array(Vec<Node>),
    /// Object, members in order; names may repeat.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// A string.
    pub fn string(text: impl Into<String>) -> Self {
        Self::Plain(Value::String(text.into()))
    }

    /// This tree on one line.
    #[must_use]
    pub fn to_compact(&self) -> String {
        let mut writer = Writer::new(Layout::Compact);
        writer.node(self);
        writer.out
    }

    /// This tree in bpftool's pretty layout, without a newline at the end.
    #[must_use]
    pub fn to_pretty(&self) -> String {
        let mut writer = Writer::new(Layout::Pretty);
        writer.node(self);
        writer.out
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        Self::Plain(value)
    }
}

impl From<Node> for Value {
    /// Bare words become strings; of members with one name the last value stays.
    fn from(node: Node) -> Self {
        match node {
            Node::Plain(value) => value,
            Node::Bare(text) => Self::String(text),
            Node::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Node::Object(members) => Self::Object(
                members
                    .into_iter()
                    .map(|(name, node)| (name, Self::from(node)))
                    .collect::<Map<_, _>>(),
            ),
        }
    }
}

/// `value` in bpftool's `-p` layout, without a newline at the end.
#[must_use]
pub fn to_bpftool_pretty(value: &Value) -> String {
    let mut writer = Writer::new(Layout::Pretty);
    writer.value(value);
    writer.out
}

/// `value` in bpftool's `-j` layout, without a newline at the end.
#[must_use]
pub fn to_bpftool_compact(value: &Value) -> String {
    let mut writer = Writer::new(Layout::Compact);
    writer.value(value);
    writer.out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Compact,
    Pretty,
}

struct Writer {
    layout: Layout,
    depth: usize,
    out: String,
}

impl Writer {
    fn new(layout: Layout) -> Self {
        Self {
            layout,
            depth: 0,
            out: String::new(),
        }
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Plain(value) => self.value(value),
            Node::Bare(text) => self.out.push_str(text),
            Node::Array(items) => self.array(items.iter(), Self::node),
            Node::Object(members) => {
                self.object(
                    members.iter().map(|(name, member)| (name.as_str(), member)),
                    Self::node,
                );
            }
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(true) => self.out.push_str("true"),
            Value::Bool(false) => self.out.push_str("false"),
            Value::Number(number) => {
                // Writing to a string does not fail.
                let _ = write!(self.out, "{number}");
            }
            Value::String(text) => self.string(text),
            Value::Array(items) => self.array(items.iter(), Self::value),
            Value::Object(members) => {
                self.object(
                    members.iter().map(|(name, member)| (name.as_str(), member)),
                    Self::value,
                );
            }
        }
    }

    fn array<'v, T: 'v>(
        &mut self,
        items: impl Iterator<Item = &'v T>,
        put: impl Fn(&mut Self, &T),
    ) {
        self.out.push('[');
        self.depth += 1;
        let mut any = false;
        for item in items {
            if any {
                self.out.push(',');
            }
            any = true;
            put(self, item);
        }
        self.close(any, ']');
    }

    fn object<'v, T: 'v>(
        &mut self,
        members: impl Iterator<Item = (&'v str, &'v T)>,
        put: impl Fn(&mut Self, &T),
    ) {
        self.out.push('{');
        self.depth += 1;
        let mut any = false;
        for (name, member) in members {
            if any {
                self.out.push(',');
            }
            any = true;
            self.line();
            self.string(name);
            self.out.push_str(match self.layout {
                Layout::Compact => ":",
                Layout::Pretty => ": ",
            });
            put(self, member);
        }
        self.close(any, '}');
    }

    fn close(&mut self, any: bool, bracket: char) {
        self.depth -= 1;
        if any {
            self.line();
        }
        self.out.push(bracket);
    }

    fn line(&mut self) {
        if self.layout == Layout::Pretty {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n("    ", self.depth));
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            let escape = match c {
                '\t' => "\\t",
                '\n' => "\\n",
                '\r' => "\\r",
                '\u{c}' => "\\f",
                '\u{8}' => "\\b",
                '\\' => "\\\\",
                '"' => "\\\"",
                control if control < ' ' => {
                    let _ = write!(self.out, "\\u{:04x}", u32::from(control));
                    continue;
                }
                other => {
                    self.out.push(other);
                    continue;
                }
            };
            self.out.push_str(escape);
        }
        self.out.push('"');
    }
}

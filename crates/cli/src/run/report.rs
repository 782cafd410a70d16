//! What `skep run` prints: one record of the load, one for each packet, the counts.

use crate::app::Session;
use crate::failure::Outcome;
use crate::output::{escape, plain};
use serde_json::{Map, Value, json};
use skep::{Counts, Handled, Object, Program};
use skep_btf::json::Node;
use std::time::Duration;

/// How long each part of the load took.
pub(crate) struct Loaded {
    parse: Duration,
    verify: Duration,
    translate: Duration,
    compile: Duration,
    total: Duration,
    insns: usize,
    code_bytes: usize,
}

impl Loaded {
    pub(crate) fn new(object: &Object, program: &Program, total: Duration) -> Self {
        let prog = program.inner();
        let nanos = Duration::from_nanos;
        Self {
            parse: object.parse_time(),
            verify: nanos(prog.stages.verify_ns),
            translate: nanos(prog.stages.translate_ns),
            compile: nanos(prog.stages.compile_ns),
            total,
            insns: prog.listing().insns().len(),
            code_bytes: prog.compiled().map_or(0, |compiled| compiled.bytes().len()),
        }
    }

    fn text(&self, name: &str) -> String {
        let us = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e6);
        let (parse, verify, translate, compile) = (
            us(self.parse),
            us(self.verify),
            us(self.translate),
            us(self.compile),
        );
        format!(
            "{}: {} instructions, {} bytes of machine code; \
             loaded in {} us (parse {parse}, verify {verify}, translate {translate}, JIT {compile})",
            escape(name),
            self.insns,
            self.code_bytes,
            us(self.total),
        )
    }

    fn json(&self) -> Value {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        json!({
            "insns": self.insns,
            "bytes_jited": self.code_bytes,
            "parse_ns": ns(self.parse),
            "verify_ns": ns(self.verify),
            "translate_ns": ns(self.translate),
            "jit_ns": ns(self.compile),
            "total_ns": ns(self.total),
        })
    }
}

/// One packet to show.
pub(crate) struct Shown<'a> {
    /// What became of it.
    pub(crate) handled: &'a Handled,
    /// What the program printed.
    pub(crate) trace: Vec<String>,
    /// Runs on it.
    pub(crate) repeat: u32,
}

impl Shown<'_> {
    fn average_ns(&self) -> u64 {
        self.handled
            .elapsed_ns
            .saturating_add(u64::from(self.repeat / 2))
            / u64::from(self.repeat)
    }

    fn text(&self) -> String {
        let handled = self.handled;
        let mut line = format!(
            "packet {}: {} bytes, {}",
            handled.number, handled.bytes_in, handled.verdict
        );
        if handled.bytes_out != handled.bytes_in {
            line += &format!(", {} bytes after it", handled.bytes_out);
        }
        if self.repeat > 1 {
            line += &format!(", {} runs, {} ns each", self.repeat, self.average_ns());
        }
        if let Some(failure) = &handled.failure {
            line += &format!(" (the run failed: {failure})");
        }
        line
    }

    fn json(&self) -> Value {
        let handled = self.handled;
        let mut object = json!({
            "packet": handled.number,
            "bytes": handled.bytes_in,
            "verdict": handled.verdict.to_string(),
            "bytes_out": handled.bytes_out,
            "runs": self.repeat,
            "duration_ns": self.average_ns(),
            "trace": self.trace,
        });
        if let Some(failure) = &handled.failure {
            object["error"] = failure.to_string().into();
        }
        object
    }
}

/// The report under construction; text is printed as it comes, JSON at the end.
pub(crate) struct Report {
    name: String,
    load: Loaded,
    packets: Vec<Value>,
}

impl Report {
    /// Begins with the load.
    pub(crate) fn begin(
        session: &mut Session,
        name: &str,
        load: Loaded,
        warnings: Vec<String>,
    ) -> Outcome<Self> {
        for warning in warnings {
            writeln!(session.out.errors(), "Warning: {}", escape(&warning))?;
        }
        if !session.out.is_json() {
            writeln!(session.out.results(), "{}", load.text(name))?;
        }
        Ok(Self {
            name: name.to_owned(),
            load,
            packets: Vec::new(),
        })
    }

    /// Shows one packet: first what the program printed, then the verdict.
    pub(crate) fn packet(&mut self, session: &mut Session, shown: Shown<'_>) -> Outcome {
        if session.out.is_json() {
            self.packets.push(shown.json());
            return Ok(());
        }
        for line in &shown.trace {
            writeln!(session.out.results(), "{}", escape(line))?;
        }
        writeln!(session.out.results(), "{}", shown.text())?;
        Ok(())
    }

    /// What a JSON report begins with.
    pub(crate) fn head(&self) -> [(&'static str, Option<Node>); 2] {
        [
            ("program", plain(self.name.as_str())),
            ("load", Some(Node::from(self.load.json()))),
        ]
    }

    /// Ends with the counts.
    pub(crate) fn end(self, session: &mut Session, counts: &Counts) -> Outcome {
        let occurred = counts.occurred();
        if session.out.is_json() {
            let verdicts: Map<String, Value> = occurred
                .map(|(verdict, count)| (verdict.to_owned(), count.into()))
                .collect();
            let document = json!({
                "program": self.name,
                "load": self.load.json(),
                "packets": self.packets,
                "verdicts": verdicts,
            });
            session.out.json(Node::from(document));
            return Ok(());
        }
        let list: Vec<String> = occurred
            .map(|(verdict, count)| format!("{verdict} {count}"))
            .collect();
        let list = if list.is_empty() {
            "no packets".to_owned()
        } else {
            list.join(", ")
        };
        writeln!(session.out.results(), "verdicts: {list}")?;
        Ok(())
    }
}

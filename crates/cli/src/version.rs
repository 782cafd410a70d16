//! `skep version`.

use crate::app::Session;
use crate::args::Args;
use crate::failure::Outcome;
use crate::output::Record;
use serde_json::json;
use skep_btf::json::Node;
use std::io::{self, Write};

struct Version;

impl Record for Version {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "skep v{}", env!("CARGO_PKG_VERSION"))
    }

    fn json(&self) -> Node {
        json!({ "version": env!("CARGO_PKG_VERSION") }).into()
    }
}

/// Shows the version.
pub(crate) fn run(session: &mut Session, _args: &mut Args) -> Outcome {
    session.out.record(&Version)
}

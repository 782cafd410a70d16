//! What a case works with and what it writes.

use skep_uapi::{
    Bpf, Command, Engine, Errno, Handle, MapCreate, MapType, ProgLoad, ProgType, Value,
};
use std::fmt::Write;

/// An implementation under test.
pub(crate) struct World<'a> {
    pub(crate) bpf: &'a dyn Bpf,
    /// Folder in which objects can be pinned.
    pub(crate) pins: &'a str,
    /// Engine of test runs.
    pub(crate) engine: Engine,
}

impl World<'_> {
    pub(crate) fn call(&self, command: Command) -> Result<Value, Errno> {
        self.bpf.call(command).result
    }

    pub(crate) fn handle(&self, command: Command) -> Handle {
        match self.call(command) {
            Ok(Value::Handle(handle)) => handle,
            other => panic!("expected a handle, got {other:?}"),
        }
    }

    pub(crate) fn map(&self, create: MapCreate) -> Handle {
        self.handle(Command::MapCreate(create))
    }

    /// Loads an XDP program from the assembler's text.
    pub(crate) fn prog(&self, text: &str) -> Handle {
        self.handle(Command::ProgLoad(Box::new(prog(text))))
    }
}

/// A definition of a map of 2 entries.
pub(crate) fn map(map_type: MapType, key_size: u32, value_size: u32) -> MapCreate {
    MapCreate {
        map_type,
        key_size,
        value_size,
        max_entries: 2,
        ..MapCreate::default()
    }
}

/// An XDP program under the GPL.
pub(crate) fn prog(text: &str) -> ProgLoad {
    let program = skep_isa::text::assemble(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    ProgLoad {
        prog_type: ProgType::XDP,
        insns: program.to_bytes(),
        license: "GPL".to_owned(),
        name: "case".to_owned(),
        ..ProgLoad::default()
    }
}

/// The lines of a case.
#[derive(Default)]
pub(crate) struct Transcript {
    pub(crate) text: String,
}

impl Transcript {
    pub(crate) fn line(&mut self, what: &str, shown: impl std::fmt::Display) {
        writeln!(self.text, "{what}: {shown}").unwrap();
    }

    /// A result: bytes in hexadecimal, errors by name; ids and handles only as such.
    pub(crate) fn result(&mut self, what: &str, result: Result<Value, Errno>) {
        let shown = match result {
            Ok(Value::Unit) => "ok".to_owned(),
            Ok(Value::Handle(_)) => "a handle".to_owned(),
            Ok(Value::Opened(kind, _)) => format!("a handle of a {kind:?}"),
            Ok(Value::Id(_)) => "an id".to_owned(),
            Ok(Value::Bytes(bytes)) => hex(&bytes),
            Ok(Value::TestRun(run)) => {
                format!("retval {}, packet of {}", run.retval, run.data_size)
            }
            Ok(other) => format!("{other:?}"),
            Err(errno) => format!("error {} ({errno})", errno.0),
        };
        self.line(what, shown);
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(" ")
}

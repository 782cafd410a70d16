//! Loaded objects.

use crate::{Error, Map, Program};
use skep_machine::Connection;
use skep_uapi::{Bpf, Command, Value};
use std::sync::Arc;

/// Lines of the trace pipe that one call takes at most.
const LINES_MAX: u32 = 4096;
/// What stands between a trace line's head and its text.
const TEXT_MARK: &str = "bpf_trace_printk: ";

/// An object in a machine. Its programs and maps live as long as it does.
#[derive(Debug)]
pub struct Loaded {
    connection: Arc<Connection>,
    loaded: skep_loader::Loaded,
}

impl Loaded {
    pub(crate) fn new(connection: Arc<Connection>, loaded: skep_loader::Loaded) -> Self {
        Self { connection, loaded }
    }

    /// A program by name.
    ///
    /// # Errors
    /// [`Error::NoSuch`], which lists the names that are there.
    pub fn program(&self, name: &str) -> Result<Program, Error> {
        let programs = &self.loaded.programs;
        let found = programs
            .iter()
            .find(|program| program.name == name)
            .ok_or_else(|| Error::NoSuch {
                kind: "program",
                name: name.to_owned(),
                there: programs
                    .iter()
                    .map(|program| program.name.clone())
                    .collect(),
            })?;
        Program::open(&self.connection, found.handle)
    }

    /// All programs with their names.
    ///
    /// # Errors
    /// None unless skep has a bug.
    pub fn programs(&self) -> Result<Vec<(String, Program)>, Error> {
        let open = |program: &skep_loader::LoadedProgram| {
            Ok((
                program.name.clone(),
                Program::open(&self.connection, program.handle)?,
            ))
        };
        self.loaded.programs.iter().map(open).collect()
    }

    /// A map by name; maps of global data are named like `hello.bss`.
    ///
    /// # Errors
    /// [`Error::NoSuch`], which lists the names that are there.
    pub fn map(&self, name: &str) -> Result<Map, Error> {
        let maps = &self.loaded.maps;
        let found = maps
            .iter()
            .find(|map| map.name == name)
            .ok_or_else(|| Error::NoSuch {
                kind: "map",
                name: name.to_owned(),
                there: maps.iter().map(|map| map.name.clone()).collect(),
            })?;
        Ok(Map::new(&self.connection, found.handle))
    }

    /// Takes what programs printed since the last call: the texts alone, without the trace pipe's command, CPU and time.
    #[must_use]
    pub fn trace_lines(&self) -> Vec<String> {
        let reply = self.connection.call(Command::TraceRead {
            lines_max: LINES_MAX,
            wait_ms: 0,
        });
        let Ok(Value::Lines(lines)) = reply.result else {
            return Vec::new();
        };
        let text = |line: &String| {
            line.split_once(TEXT_MARK)
                .map_or(line.clone(), |(_, text)| text.to_owned())
        };
        lines.iter().map(text).collect()
    }

    /// What the loader noticed without harm, as text.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.loaded
            .warnings
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// The connection that holds its handles.
    #[must_use]
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

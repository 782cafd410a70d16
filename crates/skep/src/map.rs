//! Maps.

use crate::Error;
use skep_machine::Connection;
use skep_uapi::{BPF_ANY, Bpf, Command, Errno, Handle, Value};
use std::sync::Arc;

/// A map of a loaded object.
#[derive(Clone, Debug)]
pub struct Map {
    connection: Arc<Connection>,
    handle: Handle,
}

impl Map {
    pub(crate) fn new(connection: &Arc<Connection>, handle: Handle) -> Self {
        Self {
            connection: Arc::clone(connection),
            handle,
        }
    }

    fn call(&self, what: &'static str, command: Command) -> Result<Value, Error> {
        self.connection
            .call(command)
            .result
            .map_err(|errno| Error::Refused { what, errno })
    }

    /// The value under a key, `None` if there is none. Per-CPU maps give all CPUs' values, each rounded up to 8 bytes.
    ///
    /// # Errors
    /// [`Error::Refused`], for a key of the wrong length.
    pub fn lookup(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.call(
            "map lookup",
            Command::MapLookup {
                map: self.handle,
                key: key.to_vec(),
                flags: 0,
            },
        ) {
            Ok(Value::Bytes(value)) => Ok(Some(value)),
            Err(Error::Refused {
                errno: Errno::ENOENT,
                ..
            })
            | Ok(_) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates or replaces a value.
    ///
    /// # Errors
    /// [`Error::Refused`]: wrong lengths, a full map, a frozen one.
    pub fn update(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let (key, value) = (key.to_vec(), value.to_vec());
        self.call(
            "map update",
            Command::MapUpdate {
                map: self.handle,
                key,
                value,
                flags: BPF_ANY,
            },
        )
        .map(drop)
    }

    /// Removes an element.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such element, or a type without deletion.
    pub fn delete(&self, key: &[u8]) -> Result<(), Error> {
        self.call(
            "map delete",
            Command::MapDelete {
                map: self.handle,
                key: key.to_vec(),
            },
        )
        .map(drop)
    }

    /// All keys, in the map's order.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn keys(&self) -> Result<Vec<Vec<u8>>, Error> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        loop {
            let command = Command::MapNextKey {
                map: self.handle,
                key: keys.last().cloned(),
            };
            match self.call("map iteration", command) {
                Ok(Value::Bytes(key)) => keys.push(key),
                Err(Error::Refused {
                    errno: Errno::ENOENT,
                    ..
                })
                | Ok(_) => return Ok(keys),
                Err(error) => return Err(error),
            }
        }
    }
}

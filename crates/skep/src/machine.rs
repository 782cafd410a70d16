//! Machines.

use crate::{Error, Loaded, Object};
use skep_loader::Options;
use skep_machine::{Config, Connection, Peer};
use std::sync::Arc;

/// A world of programs and maps of its own.
#[derive(Clone, Debug)]
pub struct Machine {
    inner: Arc<skep_machine::Machine>,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    /// A machine with the host's clocks and as many CPU slots as the host has CPUs.
    #[must_use]
    pub fn new() -> Self {
        Self::with_config(Config::of_host())
    }

    /// A machine with settable clocks, random numbers and CPU slots.
    #[must_use]
    pub fn with_config(config: Config) -> Self {
        Self {
            inner: skep_machine::Machine::new(config),
        }
    }

    /// A connection that answers bpf(2) commands, for callers that want all of them.
    #[must_use]
    pub fn connect(&self, peer: Peer) -> Connection {
        self.inner.connect(peer)
    }

    /// The machine behind it.
    #[must_use]
    pub fn inner(&self) -> &Arc<skep_machine::Machine> {
        &self.inner
    }

    /// Creates an object's maps, verifies and compiles its programs.
    ///
    /// # Errors
    /// [`Error::Load`], which says which program was refused and why.
    pub fn load(&self, object: &Object) -> Result<Loaded, Error> {
        self.load_with(object, &Options::new(object.name.clone()))
    }

    /// Like [`Machine::load`], with choices: values of global variables, program types, maps to reuse.
    ///
    /// # Errors
    /// [`Error::Load`].
    pub fn load_with(&self, object: &Object, options: &Options) -> Result<Loaded, Error> {
        let connection = Arc::new(self.connect(Peer::this_process()));
        let loaded = skep_loader::load(&object.inner, &*connection, options)?;
        Ok(Loaded::new(connection, loaded))
    }
}

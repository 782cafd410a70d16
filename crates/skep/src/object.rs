//! Object files.

use crate::Error;
use skep_object::ObjectName;
use std::path::Path;
use std::time::{Duration, Instant};

/// An opened object file; nothing is loaded yet.
#[derive(Debug)]
pub struct Object {
    pub(crate) inner: skep_object::Object,
    pub(crate) name: ObjectName,
    parse_time: Duration,
}

impl Object {
    /// Reads and parses a file.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Object`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let data = std::fs::read(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&data, path)
    }

    /// Parses the bytes of an object. `path` gives its name, from which maps of global data have theirs.
    ///
    /// # Errors
    /// [`Error::Object`].
    pub fn parse(data: &[u8], path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let begun = Instant::now();
        let inner = skep_object::parse(data).map_err(|source| Error::Object {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            inner,
            name: ObjectName::from_path(&path.to_string_lossy()),
            parse_time: begun.elapsed(),
        })
    }

    /// How long parsing took.
    #[must_use]
    pub fn parse_time(&self) -> Duration {
        self.parse_time
    }

    /// The parsed object, as the loader takes it.
    #[must_use]
    pub fn parsed(&self) -> &skep_object::Object {
        &self.inner
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        &self.name
    }
}

//! A folder for one test, removed with everything in it when the test is over.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// A fresh folder below the system's temporary one. Dropping it removes it, also when the test panics.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
}

impl TempDir {
    /// A new folder whose name begins with `skep-` and `label`.
    ///
    /// # Panics
    /// If the folder cannot be made.
    #[must_use]
    pub fn new(label: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("skep-{label}-{}-{number}", process::id());
        let path = std::env::temp_dir().join(name);
        if let Err(error) = fs::create_dir(&path) {
            panic!("{}: {error}", path.display());
        }
        Self { path }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file in the folder and gives its path.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path.join(name);
        if let Err(error) = fs::write(&path, bytes) {
            panic!("{}: {error}", path.display());
        }
        path
    }
}

impl Deref for TempDir {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // A folder that cannot be removed is litter, not a failure of the test.
        let _ = fs::remove_dir_all(&self.path);
    }
}

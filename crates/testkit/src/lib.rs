//! What the tests of all crates share: text cases, golden files, the tools and rights that some tests need, and the
//! oracles.
//!
//! A test that needs something that this machine lacks is neither passed nor lost: it runs under [`Harness`], which
//! reports it as ignored with the need in its name, adds it to the list that `./test` prints at its end
//! (`SKEP_SKIPS`), and fails it where `SKEP_REQUIRE` names the need. Expected texts live in files, as cases
//! ([`cases`]) or whole ([`golden`]); `BLESS=1` rewrites them, and the reader of the diff decides.
//!
//! This crate is for tests only: its functions panic with a message for the reader of the test's output. It knows no
//! BPF; what a case's sections mean is known to the crate that owns the case. Crates of every level use it as a
//! dev-dependency; it uses [`skep_sys`] alone.
#![forbid(unsafe_code)]

pub mod cases;
mod diff;
pub mod fuzz;
mod golden;
mod harness;
pub mod mask;
mod need;
pub mod oracle;
mod temp;

pub use cases::Case;
pub use golden::{blessing, golden};
pub use harness::Harness;
pub use need::{Missing, Need, need, required};
pub use temp::TempDir;

use std::path::{Path, PathBuf};

/// The top folder of the checkout.
#[must_use]
pub fn root() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates
        .and_then(Path::parent)
        .expect("this crate lies two folders below the top")
        .to_owned()
}

/// The path of a file in `examples/`.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    root().join("examples").join(name)
}

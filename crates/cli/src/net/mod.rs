//! `skep net`: programs on network interfaces.
//!
//! Syntax, texts and the order of checks are bpftool's; what skep adds (ways, counts, devices of its own) stands behind
//! them and is absent with `--kernel`.

pub(crate) mod attach;
pub(crate) mod device;
pub(crate) mod repair;
pub(crate) mod show;
pub(crate) mod tally;

use crate::args::Args;
use crate::failure::{Failure, Outcome};
use skep_sys::interface_index;

/// An interface of this process' network namespace, which is the daemon's too.
pub(crate) struct Interface {
    /// Name as it was given.
    pub(crate) name: String,
    /// Interface index.
    pub(crate) index: u32,
}

impl Interface {
    /// Looks a name up.
    pub(crate) fn find(name: String) -> Outcome<Self> {
        match interface_index(&name) {
            Ok(index) => Ok(Self { name, index }),
            Err(_) => Err(Failure::message(format!("invalid devname {name}"))),
        }
    }

    /// Takes `dev NAME`.
    fn take(args: &mut Args) -> Outcome<Self> {
        if !args.take("dev") {
            let got = args.peek().unwrap_or_default();
            return Err(Failure::message(format!("expected 'dev', got: '{got}'?")));
        }
        Self::find(args.next().unwrap_or_default())
    }
}

/// The reason that came with a refusal, to stand behind the error number's text; nothing if there is none.
pub(crate) fn because(why: &str) -> String {
    match why.trim() {
        "" => String::new(),
        why => format!(" ({why})"),
    }
}

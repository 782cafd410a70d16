//! What verification says of a load, without loading: the verdict, its figures, and why.

use super::prog_load::{read, with_env};
use crate::Connection;
use skep_uapi::{Errno, ProgLoad};
use skep_verifier::{Explanation, Log, LogLevel, Reject, Stats, Verified, Watch};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// What verification said.
#[derive(Clone, Debug)]
pub struct Examined {
    /// The verdict.
    pub result: Result<Verified, Box<Refusal>>,
    /// Figures, of a refused program too.
    pub stats: Stats,
    /// The log at the level that the load asked for.
    pub log: String,
}

/// Why a program is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The error number that a load would give.
    pub errno: Errno,
    /// The verifier's refusal, if it came to that.
    pub reject: Option<Reject>,
    /// The refusal for the program's author.
    pub explanation: Option<Explanation>,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self {
            errno,
            reject: None,
            explanation: None,
        }
    }
}

pub(crate) fn examine(
    connection: &Connection,
    load: &ProgLoad,
    processed: Option<Arc<AtomicU32>>,
) -> Examined {
    let mut log = Log::new(LogLevel(load.log_level));
    let mut watch = processed.map_or_else(Watch::default, Watch::with_progress);
    let result = verdict(connection, load, &mut log, &mut watch);
    Examined {
        result,
        stats: watch.stats,
        log: log.into_text(),
    }
}

fn verdict(
    connection: &Connection,
    load: &ProgLoad,
    log: &mut Log,
    watch: &mut Watch,
) -> Result<Verified, Box<Refusal>> {
    let decoded = read(connection, load, log).map_err(Refusal::from)?;
    with_env(load, &decoded.maps, &decoded.info, |env| {
        let again = decoded.program.clone();
        let verdict = skep_verifier::verify_watched(decoded.program, env, log, watch);
        verdict.map_err(|reject| {
            Box::new(Refusal {
                errno: Errno::from(&reject),
                explanation: skep_verifier::explain(again, env),
                reject: Some(reject),
            })
        })
    })
}

//! `skep net`: not available yet.

use crate::app::Session;
use crate::args::Args;
use crate::failure::{Failure, Outcome};

/// Refuses.
pub(crate) fn run(_session: &mut Session, _args: &mut Args) -> Outcome {
    Err(Failure::message("'net' is not available yet"))
}

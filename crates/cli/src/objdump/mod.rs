//! stub
pub(crate) mod sections;
use crate::app::Session;
use crate::args::Args;
use crate::failure::{Failure, Outcome};
pub(crate) fn run(_session: &mut Session, _args: &mut Args) -> Outcome { Err(Failure::message("nyi")) }

//! Calls: helpers by their rows, local functions by walking into them.

pub(crate) mod arg;
pub(crate) mod format;
pub(crate) mod helper;
pub(crate) mod kfunc;
pub(crate) mod ret;
pub(crate) mod subprog;

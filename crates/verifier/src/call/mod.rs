//! Calls: helpers by their rows, local functions by walking into them.

pub(crate) mod arg;
pub(crate) mod callback;
pub(crate) mod dynptr;
pub(crate) mod format;
pub(crate) mod global;
pub(crate) mod helper;
pub(crate) mod iter;
pub(crate) mod kfunc;
pub(crate) mod refs;
pub(crate) mod ret;
pub(crate) mod sections;
pub(crate) mod subprog;

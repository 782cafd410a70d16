//! One file per group of commands. Each command is a function of the connection and its arguments.

pub(crate) mod btf;
pub(crate) mod compile;
pub(crate) mod examine;
pub(crate) mod ids;
pub(crate) mod link;
pub(crate) mod map;
mod map_btf;
pub(crate) mod net;
pub(crate) mod pin;
pub(crate) mod prog_info;
pub(crate) mod prog_load;
pub(crate) mod status;
pub(crate) mod test_run;

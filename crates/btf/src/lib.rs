//! BTF and BTF.ext: parse, write, dump.
#![forbid(unsafe_code)]

/// Stand-in until the parser lands.
#[derive(Debug)]
pub struct Btf;

//! BTF and BTF.ext: parse, write, dump.

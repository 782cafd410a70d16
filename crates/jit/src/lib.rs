//! Xlated programs to machine code, for x86-64 and aarch64.

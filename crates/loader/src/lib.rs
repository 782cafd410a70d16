//! Plans and loads an object through any Bpf.

//! Ids, lifetimes, pins and the commands of bpf(2).

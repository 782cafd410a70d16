//! skep for embedders: open, verify, load and run BPF programs in user space.

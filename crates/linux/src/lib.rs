//! The typed bpf(2) commands on the real kernel.

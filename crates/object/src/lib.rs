//! BPF ELF objects to programs, maps and relocations.

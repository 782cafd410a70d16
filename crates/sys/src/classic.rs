//! One instruction of classic BPF, the language of socket filters and of the packet scheduler's `bpf` classifier.
//!
//! Plain data in host order; whoever passes a program to the kernel lays it out as `struct sock_filter`. Opcodes and
//! the meaning of the fields: `Documentation/networking/filter.rst`. Nothing here checks a program: the kernel does.

/// One instruction (`struct sock_filter` of `include/uapi/linux/filter.h`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClassicInsn {
    /// Opcode.
    pub code: u16,
    /// Instructions to skip if a jump's condition holds.
    pub jt: u8,
    /// Instructions to skip if it does not.
    pub jf: u8,
    /// Generic operand: an offset, a number, or an absolute jump's distance.
    pub k: u32,
}

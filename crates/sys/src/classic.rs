//! An instruction of classic BPF, as socket filters and the classifier `bpf` of traffic control take it.
//!
//! Plain data; what programs of these mean is written where they are made.

/// One instruction of classic BPF (`struct sock_filter` in linux/filter.h).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClassicInsn {
    /// Operation.
    pub code: u16,
    /// Instructions to skip if a conditional jump's condition holds.
    pub jt: u8,
    /// Instructions to skip if it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

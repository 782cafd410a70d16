//! Helper prototypes as rows: the shape of one, and finding it. The rows are in `helper_rows`.

use crate::Version;
use crate::helper_rows::{HELPERS, NOT_YET};
use skep_uapi::{HelperId, ProgType};

/// What an argument must be. Names follow the kernel's `enum bpf_arg_type` in meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgKind {
    /// No argument.
    None,
    /// Any initialised value (no pointers in unprivileged mode).
    Anything,
    /// The program's context.
    Ctx,
    /// A map.
    Map,
    /// Initialised memory of the map's key size.
    MapKey,
    /// Initialised memory of the map's value size.
    MapValue,
    /// Memory of the map's value size that the helper writes (need not be initialised).
    MapValueWrite,
    /// Initialised memory that the helper reads, sized by the next argument.
    MemRead,
    /// Like `MemRead`, or null.
    MemReadOrNull,
    /// Memory that the helper writes (need not be initialised), sized by the next argument.
    MemWrite,
    /// Like `MemWrite`, or null.
    MemWriteOrNull,
    /// Memory of this many bytes that the helper reads.
    FixedRead(u32),
    /// Memory of this many bytes that the helper reads and writes, aligned to its size.
    FixedWrite(u32),
    /// Size in bytes of the previous argument's memory, at least 1.
    Size,
    /// Size in bytes of the previous argument's memory, may be 0.
    SizeOrZero,
    /// Size that must be a known constant.
    ConstSize,
    /// Pointer to a constant, zero-terminated string in a read-only map.
    ConstStr,
}

/// What r0 is after the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RetKind {
    /// A number.
    Integer,
    /// Nothing: r0 may not be read.
    Void,
    /// Pointer to the map's value, or null.
    MapValueOrNull,
}

/// Whether packet pointers survive the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PacketEffect {
    /// They do.
    Keeps,
    /// All packet pointers become unusable.
    Invalidates,
}

/// Whether memory arguments may lie in the packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PacketArgs {
    /// They may.
    Allowed,
    /// They may not.
    Refused,
}

/// One helper.
#[derive(Clone, Copy, Debug)]
pub struct HelperProto {
    /// Id.
    pub id: HelperId,
    /// Arguments r1 to r5.
    pub args: [ArgKind; 5],
    /// r0 afterwards.
    pub ret: RetKind,
    /// Whether only programs under a GPL-compatible licence may call it.
    pub gpl_only: bool,
    /// Effect on packet pointers.
    pub packet: PacketEffect,
    /// Whether arguments may point into the packet.
    pub packet_args: PacketArgs,
    /// Whether its body needs the run context as sixth argument.
    pub needs_run_ctx: bool,
    /// Program types that may call it; empty = all.
    pub prog_types: &'static [ProgType],
    /// Release that it came in.
    pub since: Version,
}

/// The prototype of a helper that skep knows.
#[must_use]
pub fn helper(id: HelperId) -> Option<&'static HelperProto> {
    HELPERS.iter().find(|row| row.id == id)
}

/// All rows, in order of id.
#[must_use]
pub fn helpers() -> &'static [HelperProto] {
    HELPERS
}

/// Whether Linux lets a program type call this helper although skep has no row for it yet.
#[must_use]
pub fn helper_not_yet(id: HelperId) -> bool {
    NOT_YET.contains(&id)
}

//! Helper prototypes as rows: the shape of one, and finding it. The rows are in `helper_rows`.

use crate::Version;
use crate::helper_rows;
use skep_uapi::{AttachType, HelperId, ProgType};
use std::sync::LazyLock;

/// What an argument must be. Names follow the kernel's `enum bpf_arg_type` in meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgKind {
    /// No argument.
    None,
    /// Any initialised value (no pointers in unprivileged mode).
    Anything,
    /// The program's context.
    Ctx,
    /// Like `Ctx`, or null.
    CtxOrNull,
    /// A map.
    Map,
    /// Initialised memory of the map's key size.
    MapKey,
    /// Initialised memory of the map's value size.
    MapValue,
    /// Like `MapValue`, or null.
    MapValueOrNull,
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
    /// A socket of any kind.
    Sock,
    /// A socket of any kind, or the kernel's own structure of one.
    SockOrBtf,
    /// Like `SockOrBtf`, or null.
    SockOrBtfOrNull,
    /// A full socket, or null.
    FullSockOrNull,
    /// A socket whose reference the call gives up.
    SockReleased,
    /// One of the kernel's own structures.
    Btf,
    /// Like `Btf`, or null.
    BtfOrNull,
    /// A per-CPU variable of the kernel.
    PerCpuBtf,
    /// A spin lock in a map's value.
    SpinLock,
    /// A kernel pointer's place in a map's value.
    Kptr,
    /// A timer in a map's value.
    Timer,
    /// A function of the program.
    Func,
    /// Stack that a called back function is given, or null.
    StackOrNull,
    /// A ring buffer's record.
    RingbufRecord,
    /// A dynamic pointer.
    Dynptr,
    /// Stack that becomes a dynamic pointer.
    DynptrUninit,
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
    /// A socket without a reference, or null.
    SockOrNull,
    /// A socket whose reference the program holds afterwards, or null.
    SockAcquiredOrNull,
    /// A socket of any kind whose reference the program holds afterwards, or null.
    SockCommonAcquiredOrNull,
    /// A ring buffer's record of the constant size in r2, whose reference the program holds afterwards, or null.
    RecordOrNull,
    /// The argument as a full socket, or null: usable as long as the argument.
    SockCastOrNull,
    /// The argument as a TCP socket, or null: usable as long as the argument.
    TcpSockCastOrNull,
    /// Something that skep has no rules for yet.
    Unsupported,
}

/// Which program types may call a helper.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Callers {
    /// These.
    Only(&'static [ProgType]),
    /// All whose context skep knows, but these.
    AllBut(&'static [ProgType]),
}

impl Callers {
    /// Whether programs of the type may call it.
    #[must_use]
    pub fn include(self, prog_type: ProgType) -> bool {
        match self {
            Self::Only(types) => types.contains(&prog_type),
            Self::AllBut(types) => !types.contains(&prog_type),
        }
    }
}

/// What else decides whether a call is allowed at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gate {
    /// Nothing.
    Open,
    /// The program must be one that may sleep.
    Sleeps,
    /// The place where the program is attached, which is never one that allows it in these types.
    Probe,
    /// The instruction pointer of a function, which the program type does not have.
    FuncIp,
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
    /// Program types that may call it.
    pub callers: Callers,
    /// Attach types under which they may; empty: all.
    pub attach: &'static [AttachType],
    /// What else decides.
    pub gate: Gate,
    /// Release that it came in.
    pub since: Version,
}

impl HelperProto {
    /// Whether a program of this type may call it.
    #[must_use]
    pub fn fits(&self, prog_type: ProgType, attach: AttachType) -> bool {
        self.callers.include(prog_type) && (self.attach.is_empty() || self.attach.contains(&attach))
    }
}

/// Rows by id: `BY_ID[id]` are those of a helper.
static BY_ID: LazyLock<Vec<Vec<&'static HelperProto>>> = LazyLock::new(|| {
    let mut by_id = vec![Vec::new(); HelperId::ALL.len() + 1];
    for row in helper_rows::all() {
        let id = usize::try_from(row.id.0).expect("ids are small");
        by_id[id].push(row);
    }
    by_id
});

fn rows(id: HelperId) -> &'static [&'static HelperProto] {
    let index = usize::try_from(id.0).ok();
    index
        .and_then(|id| BY_ID.get(id))
        .map_or(&[], Vec::as_slice)
}

/// The first row of a helper: what does not depend on the program type is the same in all.
#[must_use]
pub fn helper(id: HelperId) -> Option<&'static HelperProto> {
    rows(id).first().copied()
}

/// The prototype that a helper has in a program of this type, if it may call it.
#[must_use]
pub fn helper_in(
    id: HelperId,
    prog_type: ProgType,
    attach: AttachType,
) -> Option<&'static HelperProto> {
    let mut rows = rows(id).iter();
    rows.find(|row| row.fits(prog_type, attach)).copied()
}

/// Program types that may call a helper under some attach type, of those whose context skep knows.
#[must_use]
pub fn helper_callers(id: HelperId) -> Vec<ProgType> {
    let known = crate::prog_types().iter().filter(|row| row.ctx.is_some());
    let mut types: Vec<ProgType> = known
        .map(|row| row.id)
        .filter(|caller| rows(id).iter().any(|row| row.callers.include(*caller)))
        .collect();
    types.sort_unstable();
    types
}

/// All rows.
pub fn helpers() -> impl Iterator<Item = &'static HelperProto> {
    helper_rows::all()
}

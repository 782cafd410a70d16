//! Words for accesses to memory.

use super::Words;
use crate::explain::Scene;
use crate::explain::held::bytes_text;
use crate::explain::origin;
use crate::reject::{Bound, Dir, Reject};
use crate::state::Kind;
use skep_contracts::{ArgKind, FieldAccess, FieldKind, HelperProto, PacketEffect, helper};
use skep_isa::{CallTarget, Insn, Reg as R};
use skep_uapi::HelperId;

/// Accesses to the packet.
pub(super) fn packet(scene: &Scene<'_>, reject: &Reject) -> Option<Words> {
    match *reject {
        Reject::PacketAccess {
            off,
            size,
            reg_off,
            range,
            ..
        } => Some(beyond_range(scene, off, size, reg_off, range)),
        Reject::PacketBeyond { reg, .. } => Some(
            Words::new(format!(
                "{reg} is at the end of the packet or beyond it on this path, and is still accessed"
            ))
            .advise("access the packet only on the branch where the pointer is below data_end"),
        ),
        Reject::PacketWrite { .. } => Some(
            Words::new(format!(
                "{} programs may not write to the packet directly",
                prog_type(scene)
            ))
            .advise("use a helper such as bpf_skb_store_bytes, or a program type that may write"),
        ),
        Reject::PacketArg { .. } => Some(
            Words::new(format!("{} takes no memory of the packet", scene.callee()))
                .advise("copy the bytes to the stack first and pass those"),
        ),
        _ => None,
    }
}

fn beyond_range(scene: &Scene<'_>, off: i64, size: u32, reg_off: i64, range: u32) -> Words {
    let start = reg_off.max(0);
    let needed = start.max(off).saturating_add(size.into());
    let access = match scene.insn() {
        Some(Insn::Call(_)) => format!("{} accesses", scene.callee()),
        _ => format!("the program {}", scene.verb()),
    };
    if start.min(off) < 0 {
        return Words::new(format!(
            "{access} {} in front of the packet, at offset {off}",
            bytes_text(size.into())
        ))
        .advise("access no offset below that of data");
    }
    let proved = match range {
        0 => "no comparison with data_end covers any".to_owned(),
        bytes => format!("comparisons with data_end cover only {bytes}"),
    };
    let words = Words::new(format!(
        "{access} {} of the packet at offset {off}, so {needed} must exist, but {proved}",
        bytes_text(size.into())
    ));
    let missing = needed.saturating_sub(range.into());
    match range {
        0 => words.advise(format!(
            "check the bounds first: `if (ptr + {needed} > data_end) return ...;`, where ptr is the pointer before \
             its constant offset, and access it on the other branch"
        )),
        _ => words.advise(format!(
            "let the check cover {} more: `if (ptr + {needed} > data_end) return ...;`",
            bytes_text(missing)
        )),
    }
}

fn prog_type(scene: &Scene<'_>) -> String {
    scene.env.prog_type.to_string()
}

/// Accesses to map values.
pub(super) fn map_value(reject: &Reject) -> Option<Words> {
    match *reject {
        Reject::MapValueOutside {
            value_bytes: bytes,
            off,
            size,
            bound,
            ..
        } => Some(outside("a map value", bytes, off, size, bound)),
        Reject::MapKeyOutside {
            key_bytes: bytes,
            off,
            size,
            bound,
            ..
        } => Some(outside("a map key", bytes, off, size, bound)),
        Reject::MemoryOutside {
            bytes,
            off,
            size,
            bound,
            ..
        } => Some(outside("memory", bytes, off, size, bound)),
        Reject::SpecialField { name, .. } | Reject::KptrIndirect { name, .. } => Some(
            Words::new(format!(
                "the access touches a {name} in the map value, which belongs to the kernel"
            ))
            .advise("access the other fields one by one, and leave this one to its helpers"),
        ),
        Reject::MapKeyWrite { .. } => Some(
            Words::new("a map's key cannot be changed in place")
                .advise("copy it, or delete the element and insert it anew"),
        ),
        Reject::NegativeOffset { reg, .. } => Some(
            Words::new(format!("the offset that {reg} was moved by may be negative"))
                .advise("make the index unsigned, or check `if (index >= 0)` before it is used"),
        ),
        Reject::UnboundedOffset { reg, .. } => Some(
            Words::new(format!("the offset that {reg} was moved by has no upper bound"))
                .advise("compare the index with the number of elements, or mask it (`index &= 15`), before it is used"),
        ),
        Reject::MapWriteForbidden { .. } | Reject::MapUpdateForbidden { .. } => Some(
            Words::new("the map is read-only for programs, and this writes to it").advise(
                "constants (`const` globals, .rodata) and maps with BPF_F_RDONLY_PROG cannot be written: take out `const`, or \
                 use another map",
            ),
        ),
        Reject::MapReadForbidden { .. } => Some(
            Words::new("the map is write-only for programs, and this reads it")
                .advise("create the map without BPF_F_WRONLY_PROG"),
        ),
        Reject::MapPointerWrite { structure, .. } => Some(
            Words::new(format!("this writes to the map itself (struct {structure}), not to a value in it"))
                .advise("look the element up with bpf_map_lookup_elem and write through what it returns"),
        ),
        _ => None,
    }
}

/// An access that may leave memory of a known size.
fn outside(what: &str, bytes: u32, off: i64, size: i64, bound: Bound) -> Words {
    let place = match bound {
        Bound::Min => format!("may start at offset {off}"),
        Bound::Max => format!(
            "may reach from offset {off} to {}",
            off.saturating_add(size)
        ),
    };
    let words = Words::new(format!(
        "an access of {} to {what} {place}, but it has {}",
        bytes_text(size),
        bytes_text(bytes.into())
    ));
    let last = i64::from(bytes).saturating_sub(size);
    match last {
        0.. => words.advise(format!(
            "keep the offset between 0 and {last}: compare the index before it is used, as an unsigned number"
        )),
        _ => words.advise("make what is accessed larger, or the access smaller"),
    }
}

/// Accesses to the stack.
pub(super) fn stack(reject: &Reject) -> Option<Words> {
    let access = |dir: Dir, size: u64| {
        let verb = match dir {
            Dir::Read => "a read of",
            Dir::Write => "a write of",
        };
        format!(
            "{verb} {}",
            bytes_text(i64::try_from(size).unwrap_or(i64::MAX))
        )
    };
    match *reject {
        Reject::StackOutside { dir, off, size, .. } | Reject::StackPastEnd { dir, off, size, .. } => Some(
            Words::new(format!(
                "{} at offset {off} leaves the stack, which has offsets -512 to -1",
                access(dir, size)
            ))
            .advise("stay inside of the variable that the address was taken of; a function has 512 bytes of stack"),
        ),
        Reject::StackVariableOutside { dir, size, off, .. }
        | Reject::StackVariablePastEnd { dir, size, off, .. } => Some(
            Words::new(format!(
                "{} at a variable offset from {off} on may leave the stack",
                access(dir, size)
            ))
            .advise("compare the index with the array's length before it is used"),
        ),
        Reject::StackUnbounded { dir, .. } => Some(
            Words::new(match dir {
                Dir::Read => "the stack is read at an offset without bounds",
                Dir::Write => "the stack is written at an offset without bounds",
            })
            .advise("compare the index with the array's length before it is used"),
        ),
        Reject::FillSize { .. } => Some(
            Words::new("this reads only part of a pointer that was saved on the stack")
                .advise("read it whole, as 8 bytes"),
        ),
        Reject::SpillSize { .. } => Some(
            Words::new("this saves only part of a pointer on the stack").advise("save it whole, as 8 bytes"),
        ),
        Reject::SpillToCaller { .. } => Some(
            Words::new("this stores an address on this function's stack in its caller's, where it would outlive it")
                .advise("return the value itself"),
        ),
        _ => None,
    }
}

/// Accesses to all else.
pub(super) fn other(scene: &Scene<'_>, reject: &Reject) -> Option<Words> {
    match *reject {
        Reject::InvalidMemAccess { reg, .. } => Some(no_memory(scene, reg)),
        Reject::CtxAccess { off, size, .. } => Some(context(scene, off, size)),
        Reject::CtxVariable { .. } => Some(
            Words::new("the context is accessed at an offset that is not a constant")
                .advise("access its fields by name; copy an array of it element by element"),
        ),
        Reject::CtxNegative { reg, .. } | Reject::CtxModified { reg, .. } => Some(
            Words::new(format!("{reg} is the context, but was moved before it is used"))
                .advise("pass the context as it was given to the program, and access its fields by name"),
        ),
        Reject::ObjectAccess { kind, off, size, .. } => Some(
            Words::new(format!("a {kind} has no field of {} at offset {off}", bytes_text(size.into())))
                .advise("access a field by its name and in its size, and do not write to it"),
        ),
        Reject::ObjectWrite { kind, .. } => Some(
            Words::new(format!("a {kind} can only be read")).advise("use a helper that changes it, if there is one"),
        ),
        Reject::Misaligned { reg_off, off, size, .. } => Some(misaligned(i64::from(reg_off) + i64::from(off), size)),
        Reject::MisalignedPacket {
            ip_align,
            reg_off,
            off,
            size,
            ..
        } => Some(misaligned(
            i64::from(ip_align) + i64::from(reg_off) + i64::from(off),
            size,
        )),
        Reject::VariableBuffer { .. } | Reject::TracepointBuffer { .. } => Some(
            Words::new("the tracepoint's buffer is accessed at an offset that is not a constant, or in front of it")
                .advise("access its fields at constant offsets"),
        ),
        Reject::AtomicKind { kind, .. } => Some(
            Words::new(format!("an atomic operation on {kind} is not allowed"))
                .advise("atomic operations work on map values and the stack"),
        ),
        Reject::DifferentPointers { .. } => Some(
            Words::new("on another path this instruction accesses another kind of memory, which needs other code")
                .advise("access each kind of memory in a branch of its own (a `barrier_var` keeps the compiler from joining them)"),
        ),
        _ => None,
    }
}

fn misaligned(off: i64, size: u32) -> Words {
    Words::new(format!(
        "an access of {} at offset {off} is not aligned to its size",
        bytes_text(size.into())
    ))
    .advise(format!(
        "use an offset that is a multiple of {size}, or access single bytes"
    ))
}

/// A dereference of something that is no memory.
fn no_memory(scene: &Scene<'_>, reg: R) -> Words {
    let kind = scene.reg(reg).map_or(Kind::Uninit, |reg| reg.kind);
    if kind.when_not_null().is_some() {
        let given = match kind {
            Kind::MapValueOrNull(_) | Kind::MapOrNull(_) => "the map lookup",
            _ => "the call that gave it",
        };
        return Words::new(format!(
            "{reg} may be null: {given} may have found nothing, and nobody checked"
        ))
        .advise("check it before it is used: `if (!ptr) return ...;`");
    }
    match kind {
        Kind::Scalar if scene.reg(reg).is_some_and(|reg| reg.is_null()) => {
            Words::new(format!("{reg} is null on this path"))
                .advise("use the pointer only on the branch where it is not null")
        }
        Kind::Scalar => lost(scene, reg),
        Kind::PacketEnd => Words::new("data_end is only there to be compared with")
            .advise("access the packet through data"),
        Kind::MapPtr(_) => Words::new(format!("{reg} is a map, not a value in it"))
            .advise("look the element up with bpf_map_lookup_elem and use what it returns"),
        kind => Words::new(format!("{reg} ({}) cannot be accessed so", kind.name())),
    }
}

/// A number where a pointer is needed, which it may have been: helpers that move the packet or give up a reference make numbers
/// of the pointers.
fn lost(scene: &Scene<'_>, reg: R) -> Words {
    let origins = scene
        .path
        .map_or_else(Vec::new, |path| origin::of(scene, path, reg));
    let from = |start: &str| {
        let first = origins.last();
        first.is_some_and(|origin| origin.how.starts_with(start))
    };
    let moves = |row: &HelperProto| row.packet == PacketEffect::Invalidates;
    let releases = |row: &HelperProto| row.args.contains(&ArgKind::SockReleased);
    if from("read from the context's field 'data")
        && let Some(helper) = last_call(scene, moves)
    {
        return Words::new(format!(
            "{reg} was a packet pointer, but {helper} may move the packet, and made all of them plain numbers"
        ))
        .advise(format!(
            "read data and data_end from the context again after {helper}, and check the bounds again"
        ));
    }
    if from("returned by")
        && let Some(helper) = last_call(scene, releases)
    {
        return Words::new(format!(
            "{reg} was given up with {helper}, and is used afterwards"
        ))
        .advise(format!("use it only before {helper}"));
    }
    Words::new(format!("{reg} is a plain number, and is used as a pointer")).advise(
        "an address must come from the context, a map, the stack or a helper; read kernel memory with bpf_probe_read_kernel",
    )
}

/// The last helper that this path called of those that are `wanted`.
fn last_call(scene: &Scene<'_>, wanted: impl Fn(&HelperProto) -> bool) -> Option<String> {
    let mut steps = scene.path?.trail.steps().iter().rev();
    steps.find_map(|step| {
        let Insn::Call(CallTarget::Helper(id)) = scene.insns.get(step.at.index())? else {
            return None;
        };
        let id = HelperId(id.cast_unsigned());
        let row = helper(id).filter(|row| wanted(row))?;
        Some(format!("bpf_{}", row.id.name()?))
    })
}

/// An access to the context that its layout does not have.
fn context(scene: &Scene<'_>, off: i64, size: u32) -> Words {
    let layout = scene.path.and_then(|path| path.row.ctx);
    let Some(layout) = layout else {
        return Words::new(format!(
            "the context has no {} at offset {off}",
            bytes_text(size.into())
        ));
    };
    let name = match layout.name {
        "" => "its context".to_owned(),
        name => format!("struct {name}"),
    };
    let verb = scene.verb();
    let field = u32::try_from(off).ok().and_then(|off| layout.field_at(off));
    let Some(field) = field else {
        return Words::new(format!(
            "the program {verb} {} at offset {off} of {name}, where there is nothing that {} programs may use",
            bytes_text(size.into()),
            prog_type(scene)
        ))
        .advise("use a field that this program type has; is the program in the right section (SEC)?");
    };
    let words = Words::new(format!(
        "the program {verb} {} of '{}' in {name}, which {} programs may not do",
        bytes_text(size.into()),
        field.name,
        prog_type(scene)
    ));
    let whole = FieldAccess {
        offset: field.offset,
        bytes: field.bytes,
        attach: scene.env.expected_attach_type,
    };
    match (verb, field.kind) {
        ("writes", _) if layout.writable(whole).is_some() => words.advise(format!(
            "write '{}' in its whole size of {}",
            field.name,
            bytes_text(field.bytes.into())
        )),
        ("writes", _) => words.advise(format!("'{}' can only be read here", field.name)),
        (_, FieldKind::Scalar) => words.advise(format!(
            "read '{}' in its whole size of {}, aligned",
            field.name,
            bytes_text(field.bytes.into())
        )),
        (_, _) => words.advise(format!("'{}' is a pointer: read it whole", field.name)),
    }
}

//! What a register held, in the log's words and in plain ones.

use super::{Held, Scene, origin};
use crate::domain::Scalar;
use crate::log::state::{self, Names};
use crate::path::Path;
use crate::state::{Kind, MapIdx, Object, Reg};
use skep_isa::Reg as R;

pub(super) fn of(scene: &Scene<'_>, path: &Path<'_>, register: R) -> Held {
    let reg = path.state.reg(register);
    Held {
        register: register.to_string(),
        state: in_log(path, reg),
        meaning: meaning(path, reg),
        origins: origin::of(scene, path, register),
    }
}

/// As the log prints it.
fn in_log(path: &Path<'_>, reg: &Reg) -> String {
    if !reg.is_init() {
        return String::new();
    }
    let map = |map: MapIdx| path.map_name(map);
    let names = Names {
        map: &map,
        frame: path.state.depth() - 1,
        precision: None,
        traced: crate::log::history::Places::default(),
        is_traced: false,
    };
    state::one(reg, names).to_string()
}

/// In plain words.
pub(super) fn meaning(path: &Path<'_>, reg: &Reg) -> String {
    match reg.kind {
        Kind::Uninit => {
            "nothing on this path: it was not written, or a call left it undefined".to_owned()
        }
        Kind::Scalar => number(&reg.value),
        Kind::Ctx => {
            let name = match path.row.ctx.map_or("", |ctx| ctx.name) {
                "" => String::new(),
                name => format!(" (struct {name})"),
            };
            format!("the program's context{name}{}", offset(reg))
        }
        Kind::Stack(frame) if usize::from(frame) + 1 == path.state.depth() => {
            format!("an address on this function's stack{}", offset(reg))
        }
        Kind::Stack(_) => format!("an address on a caller's stack{}", offset(reg)),
        Kind::MapPtr(map) => format!("the map {}", map_text(path, map)),
        Kind::MapValue(map) => format!("a value of the map {}{}", map_text(path, map), offset(reg)),
        Kind::MapValueOrNull(map) => {
            format!(
                "a value of the map {}, or null if there is none",
                map_text(path, map)
            )
        }
        Kind::Packet => packet(reg, "a packet pointer"),
        Kind::PacketMeta => packet(reg, "a pointer to the packet's metadata"),
        Kind::MapKey(map) => format!("a key of the map '{}'{}", path.map(map).name, offset(reg)),
        Kind::Mem(mem) => format!("{} of memory{}", bytes_text(mem.bytes.into()), offset(reg)),
        Kind::MemOrNull(mem) => format!("{} of memory, or null", bytes_text(mem.bytes.into())),
        Kind::PacketEnd => "the end of the packet".to_owned(),
        Kind::Object(object) => format!("{}{}", object_text(object), offset(reg)),
        Kind::ObjectOrNull(object) => format!("{}, or null", object_text(object)),
        #[allow(unreachable_patterns, reason = "kinds that have no words of their own")]
        kind => format!("a pointer ({}){}", kind.name(), offset(reg)),
    }
}

fn object_text(object: Object) -> String {
    match object {
        Object::Sock => "a socket".to_owned(),
        Object::SockCommon => "a socket (struct bpf_sock, any state)".to_owned(),
        Object::TcpSock => "a TCP socket".to_owned(),
        Object::FlowKeys => "the flow keys".to_owned(),
        #[allow(
            unreachable_patterns,
            reason = "objects that have no words of their own"
        )]
        object => format!("a kernel structure ({})", Kind::Object(object).name()),
    }
}

fn packet(reg: &Reg, what: &str) -> String {
    let proved = match reg.range.bytes() {
        Some(0) => "no byte of it is proved to exist".to_owned(),
        Some(bytes) => format!(
            "{} from its start proved to exist",
            bytes_text(bytes.into())
        ),
        None => "at or beyond the end".to_owned(),
    };
    format!("{what}{}; {proved}", offset(reg))
}

fn map_text(path: &Path<'_>, map: MapIdx) -> String {
    let desc = path.map(map);
    format!(
        "'{}' ({} each)",
        desc.name,
        bytes_text(desc.value_size.into())
    )
}

/// `, at offset 8`, nothing at offset 0.
fn offset(reg: &Reg) -> String {
    let fixed = i64::from(reg.off);
    if let Some(value) = reg.value.as_const() {
        return match fixed.wrapping_add(value.cast_signed()) {
            0 => String::new(),
            off => format!(", at offset {off}"),
        };
    }
    let parts = reg.value.parts();
    let (min, max) = (parts.s64.min, parts.s64.max);
    match (min.checked_add(fixed), max.checked_add(fixed)) {
        (Some(low), Some(high)) if min != i64::MIN && max != i64::MAX => {
            format!(", at a variable offset from {low} to {high}")
        }
        (Some(low), _) if min != i64::MIN => {
            format!(", at a variable offset of {low} or more, without upper bound")
        }
        (_, Some(high)) if max != i64::MAX => {
            format!(", at a variable offset of at most {high}, without lower bound")
        }
        (_, _) => ", at a variable offset without any bound".to_owned(),
    }
}

/// What is known of a number.
pub(super) fn number(value: &Scalar) -> String {
    if let Some(value) = value.as_const() {
        return format!("the number {}", value.cast_signed());
    }
    let parts = value.parts();
    let (signed, unsigned) = (parts.s64, parts.u64);
    if signed.min < 0 && signed.max >= 0 && (signed.min, signed.max) != (i64::MIN, i64::MAX) {
        return format!("a number from {} to {}", signed.min, signed.max);
    }
    if signed.max < 0 && signed.min != i64::MIN {
        return format!("a number from {} to {}", signed.min, signed.max);
    }
    match (unsigned.min, unsigned.max) {
        (0, u64::MAX) => "a number of which nothing is known".to_owned(),
        (0, max) if max == u64::from(u32::MAX) => {
            "any number of 32 bits (0 to 4294967295)".to_owned()
        }
        (min, u64::MAX) => format!("a number of {min} or more, unsigned"),
        (min, max) => format!("a number from {min} to {max}"),
    }
}

/// `1 byte`, `4 bytes`.
pub(super) fn bytes_text(bytes: i64) -> String {
    match bytes {
        1 => "1 byte".to_owned(),
        bytes => format!("{bytes} bytes"),
    }
}

//! Arguments of helpers.

use crate::limits::ARG_SIZE_MAX;
use crate::log::trace::helper_name;
use crate::mem::align::aligned;
use crate::mem::special::Toucher;
use crate::mem::stack::Extent;
use crate::path::Path;
use crate::reject::{Dir, Reject};
use crate::state::dynptr::Dynptr;
use crate::state::{Kind, MapIdx, MemUse, Object, Reg};
use skep_contracts::{ArgKind, HelperProto, PacketArgs};
use skep_isa::Reg as R;
use skep_uapi::MapType;

/// What Linux lists as possible where memory is wanted.
const MEMORY: &str = "fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_";

/// Stack that a helper writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) frame: u8,
    pub(crate) extent: Extent,
}

/// A call's arguments as they are being checked.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) row: &'static HelperProto,
    /// Values of r1 to r5, as far as they were checked.
    pub(crate) values: [Reg; 5],
    pub(crate) map: Option<MapIdx>,
    pub(crate) writes: Vec<Write>,
    /// The key argument, where it lies on the stack at a known place.
    pub(crate) key: Option<(u8, i64)>,
    /// The largest value of the last size argument.
    pub(crate) size_max: u64,
    /// The dynamic pointer among the arguments.
    pub(crate) dynptr: Option<Dynptr>,
}

impl Args {
    pub(crate) fn new(row: &'static HelperProto) -> Self {
        Self {
            row,
            values: [Reg::UNINIT; 5],
            map: None,
            writes: Vec::new(),
            key: None,
            size_max: 0,
            dynptr: None,
        }
    }

    pub(crate) fn count(&self) -> usize {
        let args = self.row.args.iter();
        args.take_while(|kind| **kind != ArgKind::None).count()
    }
}

/// Memory that an argument points to: how much, in which direction.
#[derive(Clone, Copy)]
struct Region {
    reg: R,
    bytes: u64,
    dir: Dir,
    empty: Empty,
}

/// Whether an argument's memory may have no bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    Allowed,
    Refused,
}

/// What the register of an argument must hold, and the list that Linux prints.
fn expected(kind: ArgKind) -> &'static str {
    match kind {
        ArgKind::None | ArgKind::Anything => "",
        ArgKind::Ctx | ArgKind::CtxOrNull => "ctx",
        ArgKind::Map => "map_ptr",
        ArgKind::Sock => "sock_common, sock, tcp_sock, xdp_sock",
        ArgKind::SockOrBtf | ArgKind::SockOrBtfOrNull | ArgKind::SockReleased => {
            "sock_common, sock, tcp_sock, xdp_sock, ptr_, trusted_ptr_"
        }
        ArgKind::FullSockOrNull => "sock",
        ArgKind::Btf | ArgKind::BtfOrNull => "ptr_, trusted_ptr_, rcu_ptr_",
        ArgKind::PerCpuBtf => "percpu_ptr_, percpu_rcu_ptr_, percpu_trusted_ptr_",
        ArgKind::SpinLock | ArgKind::Kptr => "map_value, ptr_",
        ArgKind::Timer => "map_value",
        ArgKind::Func => "func",
        ArgKind::StackOrNull => "fp",
        ArgKind::RingbufRecord => "ringbuf_mem",
        ArgKind::Dynptr | ArgKind::DynptrUninit => "fp, dynptr_ptr",
        ArgKind::MapKey
        | ArgKind::MapValue
        | ArgKind::MapValueOrNull
        | ArgKind::MapValueWrite
        | ArgKind::MemRead
        | ArgKind::MemReadOrNull
        | ArgKind::MemWrite
        | ArgKind::MemWriteOrNull
        | ArgKind::FixedRead(_)
        | ArgKind::FixedWrite(_) => MEMORY,
        ArgKind::Size | ArgKind::SizeOrZero | ArgKind::ConstSize => "scalar",
        ArgKind::ConstStr => "map_value",
    }
}

fn fits(kind: ArgKind, value: &Reg) -> bool {
    match kind {
        ArgKind::None | ArgKind::Anything => true,
        ArgKind::CtxOrNull
        | ArgKind::FullSockOrNull
        | ArgKind::SockOrBtfOrNull
        | ArgKind::BtfOrNull
        | ArgKind::StackOrNull
        | ArgKind::MapValueOrNull
            if value.is_null() =>
        {
            true
        }
        ArgKind::Ctx | ArgKind::CtxOrNull => value.kind == Kind::Ctx,
        ArgKind::Sock => matches!(value.kind, Kind::Object(object) if object.is_socket()),
        ArgKind::SockOrBtf | ArgKind::SockOrBtfOrNull | ArgKind::SockReleased => {
            matches!(value.kind, Kind::Object(object) if object.is_socket() || object.is_btf())
        }
        ArgKind::FullSockOrNull => value.kind == Kind::Object(Object::Sock),
        ArgKind::Btf | ArgKind::BtfOrNull => {
            matches!(value.kind, Kind::Object(object) if object.is_btf())
        }
        ArgKind::SpinLock | ArgKind::Kptr | ArgKind::Timer => {
            matches!(value.kind, Kind::MapValue(_))
        }
        ArgKind::StackOrNull => matches!(value.kind, Kind::Stack(_)),
        ArgKind::Dynptr | ArgKind::DynptrUninit => {
            matches!(value.kind, Kind::Stack(_) | Kind::DynptrPtr(_))
        }
        ArgKind::Func => matches!(value.kind, Kind::Func(_)),
        ArgKind::RingbufRecord => {
            matches!(value.kind, Kind::Mem(mem) if mem.usage == MemUse::Record)
        }
        ArgKind::PerCpuBtf => false,
        ArgKind::Map => matches!(value.kind, Kind::MapPtr(_)),
        ArgKind::MemReadOrNull | ArgKind::MemWriteOrNull if value.is_null() => true,
        ArgKind::MapKey
        | ArgKind::MapValue
        | ArgKind::MapValueOrNull
        | ArgKind::MapValueWrite
        | ArgKind::MemRead
        | ArgKind::MemReadOrNull
        | ArgKind::MemWrite
        | ArgKind::MemWriteOrNull
        | ArgKind::FixedRead(_)
        | ArgKind::FixedWrite(_) => matches!(
            value.kind,
            Kind::Stack(_)
                | Kind::Packet
                | Kind::PacketMeta
                | Kind::MapValue(_)
                | Kind::MapKey(_)
                | Kind::Mem(_)
        ),
        ArgKind::Size | ArgKind::SizeOrZero | ArgKind::ConstSize => value.is_scalar(),
        ArgKind::ConstStr => matches!(value.kind, Kind::MapValue(_)),
    }
}

/// An argument whose rules are not written yet.
fn unsupported(args: &Args) -> Reject {
    let name = helper_name(args.row.id.0.cast_signed()).unwrap_or_default();
    let what = format!("helper {name}");
    Reject::Unsupported { what }
}

impl Path<'_> {
    /// Checks argument `index` (0 is r1).
    pub(crate) fn check_arg(&mut self, args: &mut Args, index: usize) -> Result<(), Reject> {
        let (kind, reg) = (args.row.args[index], R::ALL[index + 1]);
        let kind = self.of_sockets(args, kind)?;
        let value = self.read(reg)?;
        args.values[index] = value;
        if kind == ArgKind::Anything {
            return Ok(());
        }
        if value.kind.is_packet() && args.row.packet_args == PacketArgs::Refused {
            return Err(Reject::PacketArg { at: self.at });
        }
        if !fits(kind, &value) {
            return Err(Reject::ArgKindMismatch {
                at: self.at,
                reg,
                kind: value.kind.name(),
                expected: expected(kind),
            });
        }
        self.check_fitting(args, index, kind, &value)
    }

    /// What a kind of argument asks of a value that is of a fitting kind.
    fn check_fitting(
        &mut self,
        args: &mut Args,
        index: usize,
        kind: ArgKind,
        value: &Reg,
    ) -> Result<(), Reject> {
        let reg = R::ALL[index + 1];
        match kind {
            ArgKind::None | ArgKind::Anything => Ok(()),
            ArgKind::CtxOrNull
            | ArgKind::FullSockOrNull
            | ArgKind::SockOrBtfOrNull
            | ArgKind::BtfOrNull
            | ArgKind::MapValueOrNull
            | ArgKind::StackOrNull
                if value.is_null() =>
            {
                Ok(())
            }
            ArgKind::Ctx | ArgKind::CtxOrNull => self.check_unmoved(reg, value),
            ArgKind::Sock | ArgKind::FullSockOrNull | ArgKind::Func | ArgKind::StackOrNull => {
                Ok(())
            }
            ArgKind::SockOrBtf | ArgKind::SockOrBtfOrNull if value.kind.is_socket() => Ok(()),
            ArgKind::SockReleased | ArgKind::RingbufRecord => self.check_released(reg, value),
            ArgKind::SockOrBtf
            | ArgKind::SockOrBtfOrNull
            | ArgKind::Btf
            | ArgKind::BtfOrNull
            | ArgKind::PerCpuBtf
            | ArgKind::Kptr
            | ArgKind::Timer => Err(unsupported(args)),
            ArgKind::SpinLock => self.change_lock(args.row.id, reg, value),
            ArgKind::Dynptr => self.helper_takes_dynptr(args, index),
            ArgKind::DynptrUninit => self.helper_makes_dynptr(args, index),
            ArgKind::Map => {
                args.map = match value.kind {
                    Kind::MapPtr(map) => Some(map),
                    _ => None,
                };
                Ok(())
            }
            ArgKind::MapKey
            | ArgKind::MapValue
            | ArgKind::MapValueOrNull
            | ArgKind::MapValueWrite => self.check_map_memory(args, kind, reg),
            // Their memory is checked with the size that follows.
            ArgKind::MemRead
            | ArgKind::MemReadOrNull
            | ArgKind::MemWrite
            | ArgKind::MemWriteOrNull => Ok(()),
            ArgKind::FixedRead(bytes) => {
                self.check_region(args, Region::new(reg, bytes.into(), Dir::Read), value)
            }
            ArgKind::FixedWrite(bytes) => self.check_fixed_write(args, reg, bytes, value),
            ArgKind::Size => self.check_size(args, index, Empty::Refused),
            ArgKind::SizeOrZero => self.check_size(args, index, Empty::Allowed),
            ArgKind::ConstSize => {
                if value.as_const().is_none() {
                    return Err(Reject::SizeNotConst { at: self.at, reg });
                }
                self.must_keep_reg(reg, value);
                Ok(())
            }
            ArgKind::ConstStr => self.check_const_str(reg, value),
        }
    }

    /// The value of a map of sockets is a socket, where a helper puts one in; helpers that do anything else with values do not
    /// take such maps.
    fn of_sockets(&self, args: &Args, kind: ArgKind) -> Result<ArgKind, Reject> {
        let sockets = args.map.is_some_and(|map| {
            let map_type = self.map(map).map_type;
            matches!(map_type, MapType::SOCKMAP | MapType::SOCKHASH)
        });
        match kind {
            ArgKind::MapValue if sockets => Ok(ArgKind::SockOrBtf),
            ArgKind::MapValueOrNull | ArgKind::MapValueWrite if sockets => {
                Err(Reject::SocketMapArg { at: self.at })
            }
            other => Ok(other),
        }
    }

    fn check_map_memory(&mut self, args: &mut Args, kind: ArgKind, reg: R) -> Result<(), Reject> {
        let value = *self.state.reg(reg);
        let Some(map) = args.map else {
            let what = "a helper whose key precedes its map".to_owned();
            return Err(Reject::Unsupported { what });
        };
        let desc = self.map(map);
        let (bytes, dir) = match kind {
            ArgKind::MapKey => (desc.key_size, Dir::Read),
            ArgKind::MapValueWrite => (desc.value_size, Dir::Write),
            _ => (desc.value_size, Dir::Read),
        };
        if bytes == 0 {
            return Err(Reject::ZeroSizedRead { at: self.at });
        }
        if let (ArgKind::MapKey, Kind::Stack(frame), Some(var)) =
            (kind, value.kind, value.value.as_const())
        {
            let off = i64::from(value.off) + var.cast_signed();
            args.key = Some((frame, off));
        }
        self.check_region(args, Region::new(reg, bytes.into(), dir), &value)
    }

    fn check_fixed_write(
        &mut self,
        args: &mut Args,
        reg: R,
        bytes: u32,
        value: &Reg,
    ) -> Result<(), Reject> {
        if matches!(value.kind, Kind::Stack(_)) && value.has_fixed_offset() {
            self.stack_extent(reg, value, value.off.into(), bytes.into(), Dir::Write)?;
        }
        if matches!(value.kind, Kind::Stack(_)) && !aligned(&value.value, value.off.into(), bytes) {
            return Err(Reject::Misaligned {
                at: self.at,
                kind: "stack ",
                var_off: crate::log::state::var_off(&value.value),
                reg_off: value.off,
                off: 0,
                size: bytes,
            });
        }
        // It both reads and writes: what is there must be readable, what comes is unknown.
        self.check_region(args, Region::new(reg, bytes.into(), Dir::Read), value)?;
        self.check_region(args, Region::new(reg, bytes.into(), Dir::Write), value)
    }

    /// Checks a size, and with it the memory argument before it.
    fn check_size(&mut self, args: &mut Args, index: usize, empty: Empty) -> Result<(), Reject> {
        let (at, reg) = (self.at, R::ALL[index + 1]);
        let size = args.values[index];
        let (umin, umax) = (size.value.umin(), size.value.umax());
        if size.value.smin() < 0 {
            return Err(Reject::SizeNegative { at, reg });
        }
        if umin == 0 && empty == Empty::Refused {
            return Err(Reject::SizeZero {
                at,
                reg,
                umin,
                umax,
            });
        }
        if umax >= ARG_SIZE_MAX {
            return Err(Reject::SizeUnbounded { at, reg });
        }
        let Some(memory) = index.checked_sub(1) else {
            return Ok(());
        };
        let dir = match args.row.args[memory] {
            ArgKind::MemWrite | ArgKind::MemWriteOrNull => Dir::Write,
            _ => Dir::Read,
        };
        let value = args.values[memory];
        let region = Region {
            reg: R::ALL[index],
            bytes: umax,
            dir,
            empty,
        };
        self.check_region(args, region, &value)?;
        self.must_keep_reg(reg, &size);
        args.size_max = umax;
        Ok(())
    }

    /// Checks the memory behind an argument.
    fn check_region(&mut self, args: &mut Args, region: Region, value: &Reg) -> Result<(), Reject> {
        let Region {
            reg,
            bytes,
            dir,
            empty,
        } = region;
        let off = i64::from(value.off);
        let size = u32::try_from(bytes).unwrap_or(u32::MAX);
        match value.kind {
            Kind::Packet | Kind::PacketMeta => {
                if dir == Dir::Write && !self.row.packet_write {
                    return Err(Reject::PacketWrite { at: self.at });
                }
                self.check_packet(reg, value, off, size)
            }
            Kind::MapValue(map) => {
                self.check_map_direction(map, dir, off, size)?;
                if bytes == 0 && empty == Empty::Allowed {
                    // Nothing is touched, but the address must still be one of the value.
                    return self.check_map_value(reg, value, map, off, 1, Toucher::Helper);
                }
                self.check_map_value(reg, value, map, off, i64::from(size), Toucher::Helper)
            }
            Kind::Stack(frame) => {
                let extent = self.stack_extent(reg, value, off, bytes, dir)?;
                if bytes == 0 {
                    return Ok(());
                }
                match dir {
                    Dir::Read => {
                        self.check_readable_argument(reg, frame, extent)?;
                        self.helper_stack(frame, extent, Dir::Read);
                    }
                    Dir::Write => {
                        self.check_no_dynptr(frame, extent)?;
                        args.writes.push(Write { frame, extent });
                    }
                }
                Ok(())
            }
            Kind::MapKey(_) | Kind::Mem(_) => {
                self.check_argument_region(reg, value, dir, i64::from(size))
            }
            Kind::Scalar if bytes == 0 && empty == Empty::Allowed && value.is_null() => Ok(()),
            Kind::Uninit
            | Kind::Scalar
            | Kind::Ctx
            | Kind::MapPtr(_)
            | Kind::MapValueOrNull(_)
            | Kind::MapOrNull(_)
            | Kind::PacketEnd
            | Kind::Object(_)
            | Kind::ObjectOrNull(_)
            | Kind::MemOrNull(_)
            | Kind::Func(_)
            | Kind::DynptrPtr(_) => Err(Reject::ArgKindMismatch {
                at: self.at,
                reg,
                kind: value.kind.name(),
                expected: "fp",
            }),
        }
    }

    /// A string that cannot change, with an end.
    fn check_const_str(&mut self, reg: R, value: &Reg) -> Result<(), Reject> {
        self.const_str(reg, value).map(|_| ())
    }

    /// The bytes of a constant string argument, without its end.
    pub(crate) fn const_str(&self, reg: R, value: &Reg) -> Result<&[u8], Reject> {
        let at = self.at;
        let Kind::MapValue(map) = value.kind else {
            return Err(Reject::StrNoDirect { at });
        };
        let desc = self.map(map);
        let Some(bytes) = desc.constant.as_deref() else {
            return Err(Reject::StrNotReadonly { at, reg });
        };
        let Some(var) = value.value.as_const() else {
            return Err(Reject::StrNotConst { at, reg });
        };
        let off = i64::from(value.off);
        let rest = i64::from(desc.value_size) - off;
        self.check_map_value(reg, value, map, off, rest, Toucher::Helper)?;
        usize::try_from(off.wrapping_add(var.cast_signed()))
            .ok()
            .and_then(|start| bytes.get(start..))
            .and_then(|tail| {
                let end = tail.iter().position(|byte| *byte == 0)?;
                tail.get(..end)
            })
            .ok_or(Reject::StrNotTerminated { at })
    }
}

impl Region {
    /// Memory of a fixed number of bytes.
    fn new(reg: R, bytes: u64, dir: Dir) -> Self {
        Self {
            reg,
            bytes,
            dir,
            empty: Empty::Refused,
        }
    }
}

//! What r0 holds after a helper.

use crate::call::arg::Args;
use crate::domain::Scalar;
use crate::log::trace::helper_name;
use crate::path::Path;
use crate::reject::Reject;
use crate::state::{Backing, Kind, Mem, MemUse, Object, Reg};
use skep_contracts::RetKind;
use skep_uapi::{HelperId, MapType};

/// The smallest result of a helper that returns a length or an error (`-MAX_ERRNO`).
const ERROR_MIN: i64 = -4095;

impl Path<'_> {
    pub(crate) fn returned(&mut self, args: &Args) -> Result<Reg, Reject> {
        Ok(match args.row.ret {
            RetKind::Void => Reg::UNINIT,
            RetKind::Integer => Reg::scalar(range(args)),
            RetKind::SockOrNull => self.pointer_with_id(Kind::ObjectOrNull(Object::Sock)),
            RetKind::SockAcquiredOrNull => self.acquired(Kind::ObjectOrNull(Object::Sock)),
            RetKind::SockCommonAcquiredOrNull => {
                self.acquired(Kind::ObjectOrNull(Object::SockCommon))
            }
            RetKind::RecordOrNull => {
                // As much of the size as Linux keeps: the call fails for larger ones.
                let size = args.values[1].as_const().unwrap_or(0);
                let bytes = u32::try_from(size & u64::from(u32::MAX)).unwrap_or(0);
                let record = Mem {
                    bytes,
                    usage: MemUse::Record,
                    backing: Backing::Own,
                };
                self.acquired(Kind::MemOrNull(record))
            }
            RetKind::SockCastOrNull => self.cast(args, Kind::ObjectOrNull(Object::Sock)),
            RetKind::TcpSockCastOrNull => self.cast(args, Kind::ObjectOrNull(Object::TcpSock)),
            RetKind::Unsupported if args.row.id == HelperId::DYNPTR_DATA => {
                self.dynptr_data(args)?
            }
            RetKind::Unsupported => {
                let name = helper_name(args.row.id.0.cast_signed()).unwrap_or_default();
                let what = format!("helper {name}");
                return Err(Reject::Unsupported { what });
            }
            RetKind::MapValueOrNull => {
                let Some(map) = args.map else {
                    let what = "a helper that returns a value of no map".to_owned();
                    return Err(Reject::Unsupported { what });
                };
                match self.map(map).map_type {
                    MapType::SOCKMAP | MapType::SOCKHASH => {
                        return Ok(self.acquired(Kind::ObjectOrNull(Object::Sock)));
                    }
                    MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS
                        if self.map(map).inner.is_some() =>
                    {
                        return Ok(self.pointer_with_id(Kind::MapOrNull(map)));
                    }
                    MapType::XSKMAP | MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS => {
                        let what = "what a lookup in this type of map gives".to_owned();
                        return Err(Reject::Unsupported { what });
                    }
                    _ => {}
                }
                if self.key_is_present(args) {
                    self.value_pointer(map)
                } else {
                    self.pointer_with_id(Kind::MapValueOrNull(map))
                }
            }
        })
    }

    /// Whether a lookup's key is a known index of an array: the value exists then.
    fn key_is_present(&mut self, args: &Args) -> bool {
        let (Some(map), Some((frame, off))) = (args.map, args.key) else {
            return false;
        };
        let desc = self.map(map);
        // What lies in a map of maps may have fewer entries than its definition.
        let array =
            !map.is_inner() && matches!(desc.map_type, MapType::ARRAY | MapType::PERCPU_ARRAY);
        if args.row.id != HelperId::MAP_LOOKUP_ELEM || !array {
            return false;
        }
        let Some(key) = self.stack_constant(frame, off, 4) else {
            return false;
        };
        self.must_keep(&key);
        key.as_const()
            .is_some_and(|index| index < u64::from(desc.max_entries))
    }
}

/// What is known of a number that a helper returns.
fn range(args: &Args) -> Scalar {
    match args.row.id {
        HelperId::PROBE_READ_STR
        | HelperId::PROBE_READ_USER_STR
        | HelperId::PROBE_READ_KERNEL_STR
        | HelperId::GET_STACK => {
            let most = i64::try_from(args.size_max).unwrap_or(i64::MAX);
            Scalar::from_signed(ERROR_MIN, most).unwrap_or(Scalar::UNKNOWN)
        }
        _ => Scalar::UNKNOWN,
    }
}

//! Wide immediates: references to maps become indices into the program's used maps.

use crate::env::Env;
use crate::limits::{POINTER_OFFSET_MAX, USED_MAPS_MAX};
use crate::reject::Reject;
use skep_contracts::map_type_rule;
use skep_isa::{Imm64, Insn};

/// Rewrites every map reference to `MapIdx` or `MapIdxValue` and returns the maps, as indices into `Env::maps`, in order
/// of first use.
pub(crate) fn resolve(insns: &mut [Insn], env: &Env<'_>) -> Result<Vec<usize>, Reject> {
    let mut used = Vec::new();
    for insn in insns {
        let Insn::LoadImm64 { imm, .. } = insn else {
            continue;
        };
        *imm = match *imm {
            Imm64::Value(_) | Imm64::Func(_) => continue,
            Imm64::BtfId { id, .. } => return Err(Reject::KernelVariable { id }),
            Imm64::MapFd(fd) => Imm64::MapIdx(use_map(&mut used, by_fd(env, fd)?)?),
            Imm64::MapIdx(idx) => Imm64::MapIdx(use_map(&mut used, by_index(env, idx)?)?),
            Imm64::MapValue { fd, off } => direct_value(&mut used, env, by_fd(env, fd)?, off)?,
            Imm64::MapIdxValue { idx, off } => {
                direct_value(&mut used, env, by_index(env, idx)?, off)?
            }
        };
    }
    Ok(used)
}

fn by_fd(env: &Env<'_>, fd: i32) -> Result<usize, Reject> {
    env.maps
        .iter()
        .position(|map| map.fd == fd)
        .ok_or(Reject::BadMapFd { fd })
}

fn by_index(env: &Env<'_>, index: u32) -> Result<usize, Reject> {
    if env.fd_array.is_empty() {
        return Err(Reject::NoFdArray {});
    }
    usize::try_from(index)
        .ok()
        .and_then(|index| env.fd_array.get(index).copied())
        .filter(|&map| map < env.maps.len())
        .ok_or(Reject::BadMapFd {
            fd: index.cast_signed(),
        })
}

fn use_map(used: &mut Vec<usize>, map: usize) -> Result<u32, Reject> {
    let index = match used.iter().position(|&known| known == map) {
        Some(index) => index,
        None if used.len() >= USED_MAPS_MAX => return Err(Reject::TooManyMaps {}),
        None => {
            used.push(map);
            used.len() - 1
        }
    };
    Ok(u32::try_from(index).unwrap_or(u32::MAX))
}

fn direct_value(
    used: &mut Vec<usize>,
    env: &Env<'_>,
    map: usize,
    off: u32,
) -> Result<Imm64, Reject> {
    if i64::from(off) >= POINTER_OFFSET_MAX {
        return Err(Reject::DirectValueOffset { off });
    }
    let desc = &env.maps[map];
    let has_value = map_type_rule(desc.map_type).is_some_and(|rule| rule.direct_value);
    if !has_value || desc.max_entries != 1 {
        return Err(Reject::NoDirectValue {});
    }
    if off >= desc.value_size {
        return Err(Reject::DirectValueOutside {
            value_bytes: desc.value_size,
            off,
        });
    }
    Ok(Imm64::MapIdxValue {
        idx: use_map(used, map)?,
        off,
    })
}

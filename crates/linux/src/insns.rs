//! Handles in instructions, replaced by the descriptors that the kernel wants.
//!
//! Works on wire slots (RFC 9669, section 3, and section 5.4 for the pseudo sources) because this crate stands below
//! the one that decodes. Everything but the immediates of map loads stays as it is, also what makes no sense: that is
//! the verifier's to refuse, in its own words.

use crate::handles::{Handles, Object};
use skep_uapi::{Errno, Handle};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

const SLOT_BYTES: usize = 8;
/// 64-bit immediate load, two slots.
const LD_IMM64: u8 = 0x18;
/// Call.
const CALL: u8 = 0x85;

/// Sources of [`LD_IMM64`] whose immediate is a map's descriptor: the map, and an address in its value.
const SRC_MAP: [u8; 2] = [1, 2];
/// Sources of [`LD_IMM64`] whose immediate is an index of `fd_array`.
const SRC_MAP_INDEX: [u8; 2] = [5, 6];
/// Source of [`CALL`] for kernel functions, whose offset is an index of `fd_array`, 0 for the kernel itself.
const SRC_KFUNC: u8 = 2;

/// No descriptor has this number; the kernel answers it as it answers any wrong one.
const NO_DESCRIPTOR: i32 = -1;

/// Instructions with descriptors, and the objects that keep those open.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) insns: Vec<u8>,
    pub(crate) fd_array: Vec<i32>,
    _open: Vec<Arc<Object>>,
}

/// Replaces the handles of `insns` and `fd_array`. `EFAULT` for an index beyond the array, which the kernel would take
/// from whatever memory follows it.
pub(crate) fn resolve(
    handles: &Handles,
    insns: &[u8],
    fd_array: &[Handle],
) -> Result<Resolved, Errno> {
    let mut open = Vec::new();
    let mut descriptor = |handle: Handle| match handles.any(handle) {
        Ok(object) => {
            let fd = object.as_fd().as_raw_fd();
            open.push(object);
            fd
        }
        Err(_) => NO_DESCRIPTOR,
    };
    let fd_array: Vec<i32> = fd_array.iter().map(|&handle| descriptor(handle)).collect();
    let mut insns = insns.to_vec();
    let mut slots = insns.chunks_exact_mut(SLOT_BYTES);
    while let Some(slot) = slots.next() {
        let source = slot[1] >> 4;
        if slot[0] == LD_IMM64 {
            if SRC_MAP.contains(&source) {
                let handle = Handle(u32::from_le_bytes([slot[4], slot[5], slot[6], slot[7]]));
                slot[4..].copy_from_slice(&descriptor(handle).to_le_bytes());
            } else if SRC_MAP_INDEX.contains(&source) {
                let index = i32::from_le_bytes([slot[4], slot[5], slot[6], slot[7]]);
                check_index(&fd_array, index)?;
            }
            // The second slot is data.
            slots.next();
        } else if slot[0] == CALL && source == SRC_KFUNC {
            let index = i16::from_le_bytes([slot[2], slot[3]]);
            if index != 0 {
                check_index(&fd_array, index.into())?;
            }
        }
    }
    Ok(Resolved {
        insns,
        fd_array,
        _open: open,
    })
}

/// Without an array the kernel refuses any index itself.
fn check_index(fd_array: &[i32], index: i32) -> Result<(), Errno> {
    let inside = usize::try_from(index).is_ok_and(|index| index < fd_array.len());
    if inside || fd_array.is_empty() {
        Ok(())
    } else {
        Err(Errno::EFAULT)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn slot(code: u8, regs: u8, off: i16, imm: i32) -> [u8; 8] {
        let (off, imm) = (off.to_le_bytes(), imm.to_le_bytes());
        [code, regs, off[0], off[1], imm[0], imm[1], imm[2], imm[3]]
    }

    #[test]
    fn unknown_handles_become_no_descriptor() {
        let handles = Handles::default();
        // The second half of a wide load looks like a map load and must stay.
        let data = slot(LD_IMM64, 0x11, 0, 7);
        let insns = [
            slot(LD_IMM64, 0x11, 0, 7),
            data,
            slot(LD_IMM64, 0x21, 0, 9),
            data,
            slot(LD_IMM64, 0x01, 0, 7),
        ];
        let resolved = resolve(&handles, insns.as_flattened(), &[Handle(3)]).unwrap();
        let expected = [
            slot(LD_IMM64, 0x11, 0, -1),
            data,
            slot(LD_IMM64, 0x21, 0, -1),
            data,
            insns[4],
        ];
        assert_eq!(resolved.insns, expected.as_flattened());
        assert_eq!(resolved.fd_array, [-1]);
    }

    #[test]
    fn indices_stay_inside_the_array() {
        let handles = Handles::default();
        let cases = [
            (slot(LD_IMM64, 0x51, 0, 0), 1, true),
            (slot(LD_IMM64, 0x51, 0, 1), 1, false),
            (slot(LD_IMM64, 0x61, 0, -1), 1, false),
            (slot(LD_IMM64, 0x61, 0, 1), 0, true),
            (slot(CALL, 0x20, 1, 5), 1, false),
            (slot(CALL, 0x20, 1, 5), 2, true),
            (slot(CALL, 0x20, 0, 5), 1, true),
            (slot(CALL, 0x10, 9, 5), 1, true),
        ];
        for (insn, len, good) in cases {
            let fd_array = vec![Handle(1); len];
            assert_eq!(
                resolve(&handles, &insn, &fd_array).is_ok(),
                good,
                "{insn:x?} {len}"
            );
        }
    }

    #[test]
    fn ragged_ends_are_kept() {
        let handles = Handles::default();
        let bytes = [0x18, 0x11, 0, 0, 1];
        assert_eq!(resolve(&handles, &bytes, &[]).unwrap().insns, bytes);
        assert!(resolve(&handles, &slot(LD_IMM64, 0x11, 0, 1), &[]).is_ok());
    }
}

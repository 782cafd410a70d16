//! Program tags.

use sha2::{Digest, Sha256};
use skep_isa::RawInsn;
use skep_uapi::TAG_SIZE;

/// Opcode of the wide load.
const LD_IMM64: u8 = 0x18;

/// The tag of a program as Linux 6.18 computes it: the first eight bytes of SHA-256 over the instructions given to
/// `BPF_PROG_LOAD`, with both immediates of map loads zeroed (their source register stays).
#[must_use]
pub(crate) fn tag(slots: &[RawInsn]) -> [u8; TAG_SIZE] {
    let mut hash = Sha256::new();
    let mut in_map_load = false;
    for slot in slots {
        let mut slot = *slot;
        let second_half = std::mem::take(&mut in_map_load);
        let is_map_load = slot.code == LD_IMM64 && matches!(slot.src, 1 | 2 | 5 | 6);
        if second_half {
            slot.imm = 0;
        } else if is_map_load {
            slot.imm = 0;
            in_map_load = true;
        }
        hash.update(slot.to_bytes());
    }
    let digest = hash.finalize();
    let mut tag = [0; TAG_SIZE];
    tag.copy_from_slice(&digest[..TAG_SIZE]);
    tag
}

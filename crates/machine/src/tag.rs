//! Program tags.

use crate::commands::prog_info::{call_base, helper_imm};
use sha2::{Digest, Sha256};
use skep_isa::RawInsn;
use skep_uapi::TAG_SIZE;
use skep_xlate::{Listing, WireNames};

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

/// Tags of a program's functions: `program` for the main one, as in Linux, and of each local one the tag of its translated
/// instructions.
#[must_use]
pub(crate) fn of_functions(program: [u8; TAG_SIZE], listing: Listing<'_>) -> Vec<[u8; TAG_SIZE]> {
    let slots = listing.wire_for_tags(&Names {
        call_base: call_base(),
    });
    let locals = listing.functions().iter().skip(1);
    let locals = locals.map(|function| tag(&slots[function.slots()]));
    std::iter::once(program).chain(locals).collect()
}

/// Names for tags: maps have none in them, and helpers the distance that this process gives them (Linux: its own).
struct Names {
    call_base: u64,
}

impl WireNames for Names {
    fn map_id(&self, _: u32) -> u32 {
        0
    }

    fn helper_imm(&self, id: i32) -> i32 {
        helper_imm(id, self.call_base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_isa::text::assemble;

    /// The local functions' tags were read from Linux 6.18.
    #[test]
    fn local_functions_have_linux_tags() {
        let text = "call f\nexit\nf: r0 = 1\ncall g\nr0 += 1\nexit\ng: r0 = 2\nexit";
        let program = assemble(text).expect("a program");
        let own = tag(&program.to_raw());
        let xlated = skep_xlate::Xlated::assume_verified_for_tests(&program);
        let tags = of_functions(own, xlated.listing());
        let tags: Vec<u64> = tags.into_iter().map(u64::from_be_bytes).collect();
        let linux = [0x31a8_4cc2_163b_b7d8, 0x614b_434c_d832_4ecc];
        assert_eq!(tags[0], u64::from_be_bytes(own));
        assert_eq!(tags[1..], linux);
    }
}

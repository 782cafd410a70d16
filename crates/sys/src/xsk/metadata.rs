//! What the program writes in front of a frame: the VLAN tag that was beside it.
//!
//! The kernel copies XDP metadata with the frame, to the bytes just before it in the chunk. Nothing there says how long it
//! is, so it is of one length and always there: a frame that the program cannot write it for does not reach a socket.
//!
//! ```text
//! 0  u32  what bpf_xdp_metadata_rx_vlan_tag returned: 0, or an error where there is no tag
//! 4  u16  protocol of the tag, in network order
//! 6  u16  its priority, drop-eligible bit and VLAN number, in the machine's order
//! ```

use crate::packet::VlanTag;

/// What becomes of VLAN tags that the card, or the sender on the same host, left beside frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VlanTags {
    /// They are lost, and nothing says that there was one.
    Lost,
    /// Each frame comes with its tag.
    Kept,
}

pub(super) const BYTES: usize = 8;
pub(super) const BYTES_I16: i16 = 8;
const _: () = assert!(BYTES_I16 as usize == BYTES);

/// The tag, if there is one.
pub(super) fn read(bytes: &[u8; BYTES]) -> Option<VlanTag> {
    let [s0, s1, s2, s3, p0, p1, t0, t1] = *bytes;
    (u32::from_ne_bytes([s0, s1, s2, s3]) == 0).then_some(VlanTag {
        tci: u16::from_ne_bytes([t0, t1]),
        tpid: u16::from_be_bytes([p0, p1]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_or_none() {
        let mut bytes = [0, 0, 0, 0, 0x88, 0xa8, 0, 0];
        bytes[6..].copy_from_slice(&0x2064_u16.to_ne_bytes());
        let tag = VlanTag {
            tci: 0x2064,
            tpid: 0x88a8,
        };
        assert_eq!(read(&bytes), Some(tag));
        // ENODATA
        bytes[..4].copy_from_slice(&(-61_i32).to_ne_bytes());
        assert_eq!(read(&bytes), None);
    }
}

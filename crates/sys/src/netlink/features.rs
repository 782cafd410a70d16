//! What an interface's driver can tell XDP programs beside the frame (`NETDEV_CMD_DEV_GET` of the generic netlink family
//! `netdev`, Linux 6.3; Documentation/netlink/specs/netdev.yaml).
//!
//! A family's number is the kernel's choice, so it is asked for first. Both messages are those of generic netlink: a head of four
//! bytes, then attributes. Numbers are those of `linux/genetlink.h` and `linux/netdev.h`.

use super::attr::{self, Attrs, Malformed, half_at};
use super::error::{Operation, Target};
use super::socket::Socket;
use super::{IfIndex, Netlink, NetlinkError, Reply, Request};

/// The family that knows the others (`GENL_ID_CTRL`).
const CONTROL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_RX_METADATA_FEATURES: u16 = 5;

/// Bytes of `struct genlmsghdr`.
const HEAD_BYTES: usize = 4;

/// What programs in the driver may ask for (`enum netdev_xdp_rx_metadata`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RxMetadata(pub u64);

impl RxMetadata {
    /// The VLAN tag that was taken out of the frame (`bpf_xdp_metadata_rx_vlan_tag`, Linux 6.8).
    #[must_use]
    pub fn has_vlan_tag(self) -> bool {
        self.0 & 4 != 0
    }
}

/// What the driver of an interface of the calling thread's network namespace tells.
///
/// # Errors
/// If the kernel does not know the question (before 6.3), or has no such interface.
pub fn rx_metadata(index: IfIndex) -> Result<RxMetadata, NetlinkError> {
    let target = Target::on(Operation::RxMetadata, index);
    let mut netlink = Netlink::with(Socket::open_generic())?;
    let name = attr::text(CTRL_ATTR_FAMILY_NAME, "netdev");
    let request = Request::new(CONTROL, head(CTRL_CMD_GETFAMILY)).with(name);
    let replies = netlink.ask(&target, request)?;
    let family = family(&replies).map_err(|malformed| target.malformed(malformed))?;
    let device = attr::word(NETDEV_A_DEV_IFINDEX, index.get());
    let request = Request::new(family, head(NETDEV_CMD_DEV_GET)).with(device);
    let replies = netlink.ask(&target, request)?;
    features(&replies).map_err(|malformed| target.malformed(malformed))
}

fn head(command: u8) -> Vec<u8> {
    vec![command, 1, 0, 0]
}

fn attrs(replies: &[Reply]) -> Result<Attrs<'_>, Malformed> {
    let body = &replies.first().ok_or(Malformed)?.body;
    Attrs::parse(body.get(HEAD_BYTES..).ok_or(Malformed)?)
}

fn family(replies: &[Reply]) -> Result<u16, Malformed> {
    half_at(
        attrs(replies)?.get(CTRL_ATTR_FAMILY_ID).ok_or(Malformed)?,
        0,
    )
}

fn features(replies: &[Reply]) -> Result<RxMetadata, Malformed> {
    let bits = attrs(replies)?.get(NETDEV_A_DEV_XDP_RX_METADATA_FEATURES);
    // Kernels before 6.6 do not say.
    let Some(bits) = bits else {
        return Ok(RxMetadata(0));
    };
    let bits = bits.first_chunk().ok_or(Malformed)?;
    Ok(RxMetadata(u64::from_ne_bytes(*bits)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_core::{DefaultNla, Emitable};

    fn reply(attrs: &[DefaultNla]) -> Vec<Reply> {
        let mut body = head(NETDEV_CMD_DEV_GET);
        body.resize(HEAD_BYTES + attrs.buffer_len(), 0);
        attrs.emit(&mut body[HEAD_BYTES..]);
        vec![Reply { kind: 20, body }]
    }

    #[test]
    fn reads_answers() {
        let number = attr::bytes(CTRL_ATTR_FAMILY_ID, &20_u16.to_ne_bytes());
        assert_eq!(family(&reply(&[number])), Ok(20));
        let of = |bits: u64| {
            let attr = attr::bytes(NETDEV_A_DEV_XDP_RX_METADATA_FEATURES, &bits.to_ne_bytes());
            features(&reply(&[attr::word(NETDEV_A_DEV_IFINDEX, 3), attr]))
        };
        assert_eq!(of(7).map(RxMetadata::has_vlan_tag), Ok(true));
        assert_eq!(of(3).map(RxMetadata::has_vlan_tag), Ok(false));
        assert_eq!(features(&reply(&[])), Ok(RxMetadata(0)));
    }

    #[test]
    fn hostile() {
        let short = attr::bytes(NETDEV_A_DEV_XDP_RX_METADATA_FEATURES, &[7; 4]);
        assert_eq!(features(&reply(&[short])), Err(Malformed));
        assert_eq!(features(&[]), Err(Malformed));
        assert_eq!(family(&reply(&[])), Err(Malformed));
        let attr = attr::bytes(NETDEV_A_DEV_XDP_RX_METADATA_FEATURES, &[7; 8]);
        attr::torture(&reply(&[attr])[0].body, |body| {
            let body = body.to_vec();
            let _ = features(&[Reply { kind: 20, body }]);
        });
    }
}

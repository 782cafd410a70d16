//! What the kernel says about an interface (`RTM_NEWLINK`), and asking for one or all.
//!
//! Numbers are those of `include/uapi/linux/if_link.h`. Of the kernel's some sixty attributes ten are read.

use super::attr::{self, Attrs, Malformed, half_at, word_at};
use super::error::{Operation, Target};
use super::xdp::XdpState;
use super::{IfIndex, IfName, Interface, Netlink, NetlinkError, Request};
use netlink_packet_core::DefaultNla;

pub(super) const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;

pub(super) const IFLA_ADDRESS: u16 = 1;
pub(super) const IFLA_IFNAME: u16 = 3;
pub(super) const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
pub(super) const IFLA_LINKINFO: u16 = 18;
pub(super) const IFLA_IFALIAS: u16 = 20;
pub(super) const IFLA_AF_SPEC: u16 = 26;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_NUM_RX_QUEUES: u16 = 32;
const IFLA_LINK_NETNSID: u16 = 37;
pub(super) const IFLA_XDP: u16 = 43;

pub(super) const IFLA_INFO_KIND: u16 = 1;
pub(super) const IFLA_INFO_DATA: u16 = 2;

/// Leave the counters out, which are most of a message.
const RTEXT_FILTER_SKIP_STATS: u32 = 8;

/// Bytes of `struct ifinfomsg`.
pub(super) const LINK_HEAD_BYTES: usize = 16;

/// `struct ifinfomsg`: which interface (0: not by number), and flags with the mask of those that count.
pub(super) fn link_head(index: u32, flags: LinkFlags, change: LinkFlags) -> Vec<u8> {
    let mut head = vec![0; LINK_HEAD_BYTES];
    head[4..8].copy_from_slice(&index.to_ne_bytes());
    head[8..12].copy_from_slice(&flags.0.to_ne_bytes());
    head[12..16].copy_from_slice(&change.0.to_ne_bytes());
    head
}

/// Flags of an interface (`IFF_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkFlags(pub u32);

impl LinkFlags {
    pub(super) const NONE: Self = Self(0);
    pub(super) const UP: Self = Self(0x1);
    const LOOPBACK: Self = Self(0x8);
    const RUNNING: Self = Self(0x40);
    pub(super) const NOARP: Self = Self(0x80);

    fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    /// Set up by an administrator.
    #[must_use]
    pub fn is_up(self) -> bool {
        self.has(Self::UP)
    }

    /// Up and able to send: there is a carrier.
    #[must_use]
    pub fn is_running(self) -> bool {
        self.has(Self::RUNNING)
    }

    /// The namespace's way to itself.
    #[must_use]
    pub fn is_loopback(self) -> bool {
        self.has(Self::LOOPBACK)
    }

    /// Without address resolution.
    #[must_use]
    pub fn is_no_arp(self) -> bool {
        self.has(Self::NOARP)
    }
}

/// Type of hardware (`ARPHRD_*`), which says how frames begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hardware(pub u16);

impl Hardware {
    /// Frames begin with an Ethernet header.
    pub const ETHERNET: Self = Self(1);
    /// The loopback interface, whose frames have an Ethernet header, too.
    pub const LOOPBACK: Self = Self(772);
    /// Frames begin with their IP header.
    pub const NONE: Self = Self(0xfffe);
}

/// An interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkInfo {
    /// Number.
    pub index: IfIndex,
    /// Name; what is not UTF-8 in it is replaced, so act by number.
    pub name: String,
    /// Hardware address, if the interface is Ethernet.
    pub mac: Option<[u8; 6]>,
    /// Most bytes of a packet, without the Ethernet header.
    pub mtu: u32,
    /// Flags.
    pub flags: LinkFlags,
    /// How frames begin.
    pub hardware: Hardware,
    /// Kind of a virtual device: `veth`, `tun`, `bridge` …
    pub kind: Option<String>,
    /// Text that someone attached.
    pub alias: Option<String>,
    /// The other end of a pair, or the interface below, if it is in this network namespace.
    pub peer: Option<IfIndex>,
    /// Receive queues.
    pub rx_queues: u32,
    /// Linux's own XDP programs.
    pub xdp: XdpState,
}

impl LinkInfo {
    /// Reads a message's part behind the header.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let hardware = Hardware(half_at(body, 2)?);
        let index = IfIndex::new(word_at(body, 4)?).ok_or(Malformed)?;
        let flags = LinkFlags(word_at(body, 8)?);
        let attrs = Attrs::parse(body.get(LINK_HEAD_BYTES..).ok_or(Malformed)?)?;
        let mac = attrs.get(IFLA_ADDRESS);
        // With a namespace's number beside it, the peer's is one of that namespace.
        let peer = match attrs.get(IFLA_LINK_NETNSID) {
            Some(_) => None,
            None => attrs.word(IFLA_LINK)?.and_then(IfIndex::new),
        };
        Ok(Self {
            index,
            name: attrs.text(IFLA_IFNAME)?.ok_or(Malformed)?,
            mac: match hardware {
                Hardware::ETHERNET => mac.and_then(|mac| mac.try_into().ok()),
                Hardware(_) => None,
            },
            mtu: attrs.word(IFLA_MTU)?.unwrap_or(0),
            flags,
            hardware,
            kind: attrs.nested(IFLA_LINKINFO)?.text(IFLA_INFO_KIND)?,
            alias: attrs.text(IFLA_IFALIAS)?,
            peer: peer.filter(|peer| *peer != index),
            rx_queues: attrs.word(IFLA_NUM_RX_QUEUES)?.unwrap_or(1),
            xdp: XdpState::parse(&attrs.nested(IFLA_XDP)?)?,
        })
    }
}

impl Netlink {
    /// All interfaces of the namespace.
    ///
    /// # Errors
    /// If the kernel refuses, or its answer is not understood.
    pub fn links(&mut self) -> Result<Vec<LinkInfo>, NetlinkError> {
        let target = Target::none(Operation::ListLinks);
        let replies = self.list(&target, get_link(0))?;
        let links = replies
            .iter()
            .filter(|reply| reply.kind == RTM_NEWLINK)
            .map(|reply| LinkInfo::parse(&reply.body));
        links
            .collect::<Result<_, _>>()
            .map_err(|malformed| target.malformed(malformed))
    }

    /// The interface of this number, if there is one.
    ///
    /// # Errors
    /// As [`Netlink::links`].
    pub fn link_by_index(&mut self, index: IfIndex) -> Result<Option<LinkInfo>, NetlinkError> {
        self.link(index.into(), get_link(index.get()))
    }

    /// The interface of this name, if there is one. Alternative names count.
    ///
    /// # Errors
    /// As [`Netlink::links`].
    pub fn link_by_name(&mut self, name: &IfName) -> Result<Option<LinkInfo>, NetlinkError> {
        let request = get_link(0).with(name_attr(name));
        self.link(name.into(), request)
    }

    fn link(
        &mut self,
        interface: Interface,
        request: Request,
    ) -> Result<Option<LinkInfo>, NetlinkError> {
        let target = Target::on(Operation::FindLink, interface);
        let replies = match self.ask(&target, request) {
            Err(error) if error.is_no_device() => return Ok(None),
            other => other?,
        };
        let reply = replies.iter().find(|reply| reply.kind == RTM_NEWLINK);
        let reply = reply.ok_or_else(|| target.malformed(Malformed))?;
        let link = LinkInfo::parse(&reply.body);
        link.map(Some)
            .map_err(|malformed| target.malformed(malformed))
    }
}

fn get_link(index: u32) -> Request {
    Request::new(
        RTM_GETLINK,
        link_head(index, LinkFlags::NONE, LinkFlags::NONE),
    )
    .with(attr::word(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS))
}

/// The attribute of an interface's name.
pub(super) fn name_attr(name: &IfName) -> DefaultNla {
    attr::text(IFLA_IFNAME, name.as_str())
}

/// A message about an interface, for tests.
#[cfg(test)]
pub(super) fn sample() -> Vec<u8> {
    use netlink_packet_core::Emitable;
    let mut body = link_head(5, LinkFlags(0x1_0043), LinkFlags::NONE);
    body[2] = 1;
    let attrs = [
        attr::text(IFLA_IFNAME, "x0"),
        attr::bytes(IFLA_ADDRESS, &[2, 0, 0, 0, 0, 9]),
        attr::word(IFLA_MTU, 1500),
        attr::word(IFLA_LINK, 6),
        attr::text(IFLA_IFALIAS, "mine"),
        attr::word(IFLA_NUM_RX_QUEUES, 4),
        attr::nest(IFLA_LINKINFO, &[attr::text(IFLA_INFO_KIND, "veth")]),
        attr::nest(IFLA_XDP, &super::xdp::sample()),
    ];
    let attrs = attrs.as_slice();
    let start = body.len();
    body.resize(start + attrs.buffer_len(), 0);
    attrs.emit(&mut body[start..]);
    body
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn reads_a_link() {
        let link = LinkInfo::parse(&sample()).unwrap();
        assert_eq!(link.index.get(), 5);
        assert_eq!(
            (link.name.as_str(), link.mtu, link.rx_queues),
            ("x0", 1500, 4)
        );
        assert_eq!(link.mac, Some([2, 0, 0, 0, 0, 9]));
        assert_eq!(link.peer, IfIndex::new(6));
        assert_eq!(link.kind.as_deref(), Some("veth"));
        assert_eq!(link.alias.as_deref(), Some("mine"));
        assert!(link.flags.is_up() && link.flags.is_running() && !link.flags.is_loopback());
        assert_eq!(link.xdp.programs().count(), 1);
    }

    #[test]
    fn hostile() {
        attr::torture(&sample(), |body| {
            let _ = LinkInfo::parse(body);
        });
        assert_eq!(LinkInfo::parse(&sample()[..16]), Err(Malformed));
    }
}

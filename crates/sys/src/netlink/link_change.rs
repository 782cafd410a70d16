//! Making, changing and deleting interfaces.
//!
//! What a device is made with (name, address, MTU, no address resolution) goes in the message that makes it; the
//! kernel takes alias and IPv6's address mode only for one that exists, so these follow, and if one of them fails
//! the pair is deleted again.

use super::attr;
use super::error::{Cause, Operation, Target};
use super::link::{
    IFLA_ADDRESS, IFLA_AF_SPEC, IFLA_IFALIAS, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINKINFO,
    IFLA_MTU, LinkFlags, RTM_DELLINK, RTM_NEWLINK, link_head, name_attr,
};
use super::{IfIndex, IfName, Interface, Netlink, NetlinkError, Request};
use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};
use std::io;

const RTM_SETLINK: u16 = 19;
const VETH_INFO_PEER: u16 = 1;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
/// `AF_INET6`, as the attribute's number.
const FAMILY_INET6: u16 = 10;

/// Most bytes of an alias (`IFALIASZ` without the final zero).
pub const ALIAS_BYTES_MAX: usize = 255;

/// One end of a pair that is to be made.
///
/// It will be down, without address resolution, and IPv6 will make no address for it: nothing is sent on it but
/// what its maker sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewLink {
    /// Name, which must be free.
    pub name: IfName,
    /// Hardware address; the kernel makes one up without.
    pub mac: Option<[u8; 6]>,
    /// Most bytes of a packet; the kernel's default (1500) without.
    pub mtu: Option<u32>,
    /// Text that says whose it is, at most [`ALIAS_BYTES_MAX`].
    pub alias: Option<String>,
}

impl NewLink {
    fn attrs(&self) -> Vec<DefaultNla> {
        let mut attrs = vec![name_attr(&self.name)];
        attrs.extend(self.mac.map(|mac| attr::bytes(IFLA_ADDRESS, &mac)));
        attrs.extend(self.mtu.map(|mtu| attr::word(IFLA_MTU, mtu)));
        attrs
    }
}

impl Netlink {
    /// Makes a pair of virtual Ethernet devices: what is sent on one is received on the other.
    ///
    /// # Errors
    /// `EEXIST` if a name is taken, `EPERM` without `CAP_NET_ADMIN` in the namespace. Nothing is left behind.
    pub fn create_veth(&mut self, a: &NewLink, b: &NewLink) -> Result<(), NetlinkError> {
        let target = Target::on(Operation::CreateVeth, &a.name);
        let head = link_head(0, LinkFlags::NOARP, LinkFlags::NOARP);
        let peer = attr::nest_behind(VETH_INFO_PEER, &head, &b.attrs());
        let mut request = Request::new(RTM_NEWLINK, head).flags(NLM_F_CREATE | NLM_F_EXCL);
        request.attrs = a.attrs();
        let request = request.with(attr::nest(
            IFLA_LINKINFO,
            &[
                attr::text(IFLA_INFO_KIND, "veth"),
                attr::nest(IFLA_INFO_DATA, &[peer]),
            ],
        ));
        self.change(&target, request)?;
        let finished = [a, b].into_iter().try_for_each(|end| self.finish(end));
        if finished.is_err() {
            // The first error is what the caller must know.
            let _ = self.delete_link_by_name(&a.name);
        }
        finished
    }

    fn finish(&mut self, end: &NewLink) -> Result<(), NetlinkError> {
        self.addr_gen_mode_none(Interface::from(&end.name), |request| {
            request.with(name_attr(&end.name))
        })?;
        match &end.alias {
            None => Ok(()),
            Some(alias) => {
                let target = Target::on(Operation::SetAlias, &end.name);
                let request = set_link(None).with(name_attr(&end.name));
                self.change(&target, request.with(alias_attr(&target, alias)?))
            }
        }
    }

    /// Sets an interface up.
    ///
    /// # Errors
    /// `ENODEV` if there is none, `EPERM` without `CAP_NET_ADMIN`, and those of its driver.
    pub fn set_up(&mut self, index: IfIndex) -> Result<(), NetlinkError> {
        self.set_flags(index, LinkFlags::UP, LinkFlags::UP)
    }

    /// Sets an interface down.
    ///
    /// # Errors
    /// As [`Netlink::set_up`].
    pub fn set_down(&mut self, index: IfIndex) -> Result<(), NetlinkError> {
        self.set_flags(index, LinkFlags::NONE, LinkFlags::UP)
    }

    /// Switches address resolution off.
    ///
    /// # Errors
    /// As [`Netlink::set_up`].
    pub fn set_no_arp(&mut self, index: IfIndex) -> Result<(), NetlinkError> {
        self.set_flags(index, LinkFlags::NOARP, LinkFlags::NOARP)
    }

    fn set_flags(
        &mut self,
        index: IfIndex,
        flags: LinkFlags,
        change: LinkFlags,
    ) -> Result<(), NetlinkError> {
        let target = Target::on(Operation::SetFlags, index);
        let head = link_head(index.get(), flags, change);
        self.change(&target, Request::new(RTM_SETLINK, head))
    }

    /// Sets the hardware address.
    ///
    /// # Errors
    /// As [`Netlink::set_up`]; `EBUSY` if the driver wants the interface down first.
    pub fn set_mac(&mut self, index: IfIndex, mac: [u8; 6]) -> Result<(), NetlinkError> {
        let target = Target::on(Operation::SetMac, index);
        let request = set_link(Some(index)).with(attr::bytes(IFLA_ADDRESS, &mac));
        self.change(&target, request)
    }

    /// Attaches a text of at most [`ALIAS_BYTES_MAX`] bytes; an empty one removes what is there.
    ///
    /// # Errors
    /// As [`Netlink::set_up`], and [`Cause::TooLong`].
    pub fn set_alias(&mut self, index: IfIndex, alias: &str) -> Result<(), NetlinkError> {
        let target = Target::on(Operation::SetAlias, index);
        let request = set_link(Some(index)).with(alias_attr(&target, alias)?);
        self.change(&target, request)
    }

    /// Sets the most bytes of a packet.
    ///
    /// # Errors
    /// As [`Netlink::set_up`]; `EINVAL` outside of the driver's range.
    pub fn set_mtu(&mut self, index: IfIndex, mtu: u32) -> Result<(), NetlinkError> {
        let target = Target::on(Operation::SetMtu, index);
        let request = set_link(Some(index)).with(attr::word(IFLA_MTU, mtu));
        self.change(&target, request)
    }

    /// Has IPv6 make no address for the interface when it comes up. Without IPv6 there is nothing to do.
    ///
    /// # Errors
    /// As [`Netlink::set_up`].
    pub fn set_addr_gen_mode_none(&mut self, index: IfIndex) -> Result<(), NetlinkError> {
        self.addr_gen_mode_none(index.into(), |mut request| {
            request.head = link_head(index.get(), LinkFlags::NONE, LinkFlags::NONE);
            request
        })
    }

    fn addr_gen_mode_none(
        &mut self,
        interface: Interface,
        named: impl FnOnce(Request) -> Request,
    ) -> Result<(), NetlinkError> {
        let target = Target::on(Operation::SetAddrGenMode, interface);
        let mode = attr::bytes(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE]);
        let family = attr::nest(FAMILY_INET6, &[mode]);
        let request = named(set_link(None)).with(attr::nest(IFLA_AF_SPEC, &[family]));
        match self.change(&target, request) {
            // No IPv6 in the kernel, or none on this interface, whose MTU may be too small for it.
            Err(error) if error.errno() == Some(libc::EAFNOSUPPORT) => Ok(()),
            other => other,
        }
    }

    /// Deletes an interface, and with it the other end of a pair.
    ///
    /// # Errors
    /// `ENODEV` if there is none, `EOPNOTSUPP` if it is no virtual device.
    pub fn delete_link(&mut self, index: IfIndex) -> Result<(), NetlinkError> {
        let target = Target::on(Operation::DeleteLink, index);
        let head = link_head(index.get(), LinkFlags::NONE, LinkFlags::NONE);
        self.change(&target, Request::new(RTM_DELLINK, head))
    }

    /// Deletes the interface of this name.
    ///
    /// # Errors
    /// As [`Netlink::delete_link`].
    pub fn delete_link_by_name(&mut self, name: &IfName) -> Result<(), NetlinkError> {
        let target = Target::on(Operation::DeleteLink, name);
        let head = link_head(0, LinkFlags::NONE, LinkFlags::NONE);
        let request = Request::new(RTM_DELLINK, head).with(name_attr(name));
        self.change(&target, request)
    }
}

/// A change of an interface that exists; without a number an attribute names it.
fn set_link(index: Option<IfIndex>) -> Request {
    let index = index.map_or(0, IfIndex::get);
    Request::new(
        RTM_SETLINK,
        link_head(index, LinkFlags::NONE, LinkFlags::NONE),
    )
}

fn alias_attr(target: &Target, alias: &str) -> Result<DefaultNla, NetlinkError> {
    match alias.len() {
        0..=ALIAS_BYTES_MAX => Ok(attr::bytes(IFLA_IFALIAS, alias.as_bytes())),
        _ => Err(target.because(Cause::TooLong)),
    }
}

/// Switches IPv6 off on an interface of the *calling thread's* network namespace, through `/proc`: rtnetlink cannot.
/// Where IPv6 or `/proc` is absent there is nothing to switch off, or no way.
///
/// # Errors
/// `EACCES` or `EROFS` if the file may not be written.
pub fn disable_ipv6(name: &IfName) -> Result<(), NetlinkError> {
    let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
    match std::fs::write(path, "1") {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            let target = Target::on(Operation::DisableIpv6, name);
            Err(target.because(Cause::System { errno }))
        }
        Err(_) | Ok(()) => Ok(()),
    }
}

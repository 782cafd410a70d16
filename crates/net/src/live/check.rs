//! What is refused before anything is changed.

use super::refusal::Refusal;
use skep_sys::netlink::{Hardware, IfIndex, LinkInfo, Netlink};
use std::path::Path;

/// The alias of a device of ours: `skep:INDEX:PID:UID`, with the index of the interface that it serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Owner {
    /// The interface that the device serves.
    pub(crate) ifindex: u32,
    /// The daemon.
    pub(crate) pid: u32,
    /// Its user.
    pub(crate) uid: u32,
}

impl Owner {
    /// This process, for an interface.
    pub(crate) fn this_process(ifindex: IfIndex) -> Self {
        Self {
            ifindex: ifindex.get(),
            pid: skep_sys::pid(),
            uid: skep_sys::effective_uid(),
        }
    }

    /// The alias.
    pub(crate) fn alias(self) -> String {
        format!("skep:{}:{}:{}", self.ifindex, self.pid, self.uid)
    }

    /// Reads an alias; nothing if it is none of ours.
    pub(crate) fn parse(alias: &str) -> Option<Self> {
        let mut numbers = alias.strip_prefix("skep:")?.split(':').map(str::parse);
        let owner = Self {
            ifindex: numbers.next()?.ok()?,
            pid: numbers.next()?.ok()?,
            uid: numbers.next()?.ok()?,
        };
        numbers.next().is_none().then_some(owner)
    }
}

/// The interface, if a program may be attached to it.
pub(crate) fn attachable(netlink: &mut Netlink, ifindex: u32) -> Result<LinkInfo, Refusal> {
    let links = netlink.links()?;
    let link = links.iter().find(|link| link.index.get() == ifindex);
    let link = link.ok_or(Refusal::NoDevice(ifindex))?;
    let name = link.name.clone();
    if link.flags.is_loopback() {
        return Err(Refusal::Loopback { name });
    }
    if link.hardware != Hardware::ETHERNET {
        let hardware = link.hardware.0;
        return Err(Refusal::NotEthernet { name, hardware });
    }
    for other in &links {
        let owner = other.alias.as_deref().and_then(Owner::parse);
        let Some(Owner { pid, uid, .. }) = owner.filter(|owner| owner.ifindex == ifindex) else {
            continue;
        };
        let device = other.name.clone();
        return Err(match Path::new(&format!("/proc/{pid}")).exists() {
            true => Refusal::OtherDaemon {
                name,
                device,
                pid,
                uid,
            },
            false => Refusal::DeadDaemon {
                name,
                device,
                pid,
                uid,
            },
        });
    }
    // Behind the question for other daemons, one of whose ways has a program there.
    if let Some((_, id)) = link.xdp.programs().next() {
        return Err(Refusal::LinuxXdp { name, id });
    }
    Ok(link.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases() {
        let owner = Owner {
            ifindex: 7,
            pid: 12,
            uid: 1000,
        };
        assert_eq!(owner.alias(), "skep:7:12:1000");
        assert_eq!(Owner::parse("skep:7:12:1000"), Some(owner));
        for other in [
            "",
            "skep",
            "skep:7:12",
            "skep:7:12:1000:1",
            "skep:a:1:1",
            "uplink",
        ] {
            assert_eq!(Owner::parse(other), None, "{other}");
        }
    }
}

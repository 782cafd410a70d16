//! The programs for Linux's XDP on an interface that are to be tried: where each runs, and what becomes of VLAN tags there.
//!
//! A tag that the card took out of a frame (or that a sender on the same host never put into it) is beside the frame in the
//! kernel, and no socket of AF_XDP tells it. Without its tag a frame that passes is in the wrong VLAN. So an interface
//! whose driver does not tell the tag to a program is taken only where the user asked for this way: nothing else chooses it.

use super::refusal::Refusal;
use skep_btf::{Btf, Kind};
use skep_sys::netlink::{LinkInfo, XdpMode as Hook, rx_metadata};
use skep_sys::xsk::{RedirectProgram, TagSource};
use skep_uapi::XdpMode;
use std::sync::OnceLock;

/// The kernel's types, in which its functions for programs have their numbers.
const KERNEL_TYPES: &str = "/sys/kernel/btf/vmlinux";
/// Linux 6.8.
const TAG_FUNCTION: &str = "bpf_xdp_metadata_rx_vlan_tag";

/// Who chose the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Chosen {
    /// The user, by its name.
    ByName,
    /// Nobody: it is the first that works.
    Automatically,
}

/// A program, loaded and not yet attached.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) hook: Hook,
    pub(crate) program: RedirectProgram,
}

/// Loads the programs that may be attached, the best first. At least one, which changes nothing yet.
pub(crate) fn candidates(
    link: &LinkInfo,
    mode: XdpMode,
    chosen: Chosen,
) -> Result<Vec<Candidate>, Refusal> {
    let hooks: &[Hook] = match mode {
        XdpMode::Any => &[Hook::Driver, Hook::Generic],
        XdpMode::Driver => &[Hook::Driver],
        XdpMode::Generic => &[Hook::Generic],
        XdpMode::Offload => return Err(Refusal::Missing("programs cannot run in hardware")),
    };
    let mut candidates = Vec::new();
    for &hook in hooks {
        if let Some(program) = load(link, hook, chosen)? {
            candidates.push(Candidate { hook, program });
        }
    }
    match candidates.is_empty() {
        false => Ok(candidates),
        true => Err(Refusal::Missing(
            "VLAN tags beside frames would be lost, because kernel or driver does not tell them to XDP programs; \
             where there are none, ask for this way by its name (`--via afxdp`)",
        )),
    }
}

/// Nothing if tags would be lost and nobody asked for that.
fn load(link: &LinkInfo, hook: Hook, chosen: Chosen) -> Result<Option<RedirectProgram>, Refusal> {
    let queues = link.rx_queues.max(1);
    let source = match hook {
        Hook::Driver => tag_source(link),
        Hook::Generic | Hook::Hardware => None,
    };
    let loaded = match (source, chosen) {
        (Some(_), Chosen::Automatically) => RedirectProgram::load(queues, source),
        (Some(_), Chosen::ByName) => {
            RedirectProgram::load(queues, source).or_else(|_| RedirectProgram::load(queues, None))
        }
        (None, Chosen::ByName) => RedirectProgram::load(queues, None),
        (None, Chosen::Automatically) => return Ok(None),
    };
    loaded.map(Some).map_err(|error| Refusal::System {
        what: "loading a program into Linux's XDP, for which CAP_BPF and CAP_NET_ADMIN are needed \
               outside of all user namespaces"
            .to_owned(),
        error,
    })
}

/// What tells a program in the driver of tags, if driver and kernel can.
fn tag_source(link: &LinkInfo) -> Option<TagSource> {
    // Kernels that do not know the question do not have the function.
    let told = rx_metadata(link.index).ok()?;
    let kfunc = told.has_vlan_tag().then(tag_function)??;
    Some(TagSource {
        ifindex: link.index.get(),
        kfunc,
    })
}

/// The function's number, which stays while the kernel runs: its types are megabytes to parse.
fn tag_function() -> Option<u32> {
    static FOUND: OnceLock<u32> = OnceLock::new();
    if let Some(number) = FOUND.get() {
        return Some(*number);
    }
    let types = Btf::parse(&std::fs::read(KERNEL_TYPES).ok()?).ok()?;
    let function = types.find(TAG_FUNCTION, |kind| matches!(kind, Kind::Func(_)))?;
    Some(*FOUND.get_or_init(|| function.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use skep_sys::netlink::{Hardware, IfIndex, LinkFlags, XdpState};

    /// An interface whose driver tells nothing, because there is none of this number.
    fn silent() -> LinkInfo {
        LinkInfo {
            index: IfIndex::new(0x7fff_0000).unwrap(),
            name: "silent".to_owned(),
            mac: None,
            mtu: 1500,
            flags: LinkFlags(0),
            hardware: Hardware::ETHERNET,
            kind: None,
            alias: None,
            peer: None,
            rx_queues: 1,
            xdp: XdpState::default(),
        }
    }

    #[test]
    fn tags_are_never_lost_unasked() {
        for mode in [XdpMode::Any, XdpMode::Driver, XdpMode::Generic] {
            let refusal = candidates(&silent(), mode, Chosen::Automatically).unwrap_err();
            assert!(refusal.to_string().starts_with("VLAN tags"), "{refusal}");
            assert!(refusal.is_of_the_way());
        }
    }
}

//! Filters of the packet scheduler: listing all kinds, adding a classic-BPF one that redirects, deleting.
//!
//! A filter is found by interface, direction, preference, protocol, kind and handle ([`FilterId`]): filters of one
//! preference share protocol and kind and are told apart by handle, those of a lower preference run first. Numbers
//! are those of `include/uapi/linux/pkt_cls.h` and `tc_act/tc_mirred.h`. Actions are read of `bpf` filters alone:
//! each kind has an attribute of its own for them.

use super::attr::{self, Attrs, Malformed, word_at};
use super::error::{Cause, Operation, Target};
use super::tc::{TCA_KIND, TcHead};
use super::{IfIndex, Netlink, NetlinkError, Request};
use crate::ClassicInsn;
use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};
use std::collections::BTreeSet;

const RTM_NEWTFILTER: u16 = 44;
const RTM_DELTFILTER: u16 = 45;
const RTM_GETTFILTER: u16 = 46;

const TCA_OPTIONS: u16 = 2;
const TCA_BPF_ACT: u16 = 1;
const TCA_BPF_OPS_LEN: u16 = 4;
const TCA_BPF_OPS: u16 = 5;
const TCA_BPF_FLAGS: u16 = 8;
/// The program's result is what is done with the frame.
const TCA_BPF_FLAG_ACT_DIRECT: u32 = 1;
/// Drop.
const TC_ACT_SHOT: u32 = 2;
const TCA_ACT_KIND: u16 = 1;
const TCA_ACT_OPTIONS: u16 = 2;
const TCA_ACT_COOKIE: u16 = 6;
const TCA_MIRRED_PARMS: u16 = 2;

const TCA_EGRESS_REDIR: u32 = 1;
const TCA_INGRESS_REDIR: u32 = 3;
/// The frame is the action's now, and no later filter sees it.
const TC_ACT_STOLEN: u32 = 4;
/// Offsets in `struct tc_mirred`.
const MIRRED_ACTION: usize = 8;
const MIRRED_EACTION: usize = 20;
const MIRRED_IFINDEX: usize = 24;
const MIRRED_BYTES: usize = 28;

const BPF: &str = "bpf";

/// Every protocol (`ETH_P_ALL`).
pub const PROTOCOL_ALL: u16 = 3;
/// Most instructions of a classic program (`BPF_MAXINSNS`).
pub const CLASSIC_INSNS_MAX: usize = 4096;
/// Most bytes of a cookie (`TC_COOKIE_MAX_SIZE`).
pub const COOKIE_BYTES_MAX: usize = 16;

/// Which way frames go, seen from the host.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// They arrive.
    Ingress,
    /// They are sent.
    Egress,
}

impl Direction {
    /// Where the filters of this direction hang on a clsact.
    const fn parent(self) -> u32 {
        match self {
            Self::Ingress => 0xffff_fff2,
            Self::Egress => 0xffff_fff3,
        }
    }

    const fn redirect(self) -> u32 {
        match self {
            Self::Ingress => TCA_INGRESS_REDIR,
            Self::Egress => TCA_EGRESS_REDIR,
        }
    }
}

/// What finds one filter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilterId {
    /// Interface.
    pub index: IfIndex,
    /// Direction.
    pub direction: Direction,
    /// Order among the filters of a direction: lower ones run first; not 0.
    pub preference: u16,
    /// Protocol of the frames that it looks at (`ETH_P_*`), in host order.
    pub protocol: u16,
    /// Kind: `bpf`, `u32`, `flower` …
    pub kind: String,
    /// Which one within its preference. 0 in a list: a preference that is taken without a filter in it, which the
    /// `fw` classifier gives a meaning.
    pub handle: u32,
}

/// Where an action sends a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Redirect {
    /// The interface.
    pub to: IfIndex,
    /// As a frame that it sends, or as one that arrived on it.
    pub direction: Direction,
}

/// An action of a filter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActionInfo {
    /// Kind: `mirred`, `gact` …
    pub kind: String,
    /// Where it sends frames, if it redirects to an interface that exists.
    pub redirect: Option<Redirect>,
    /// Bytes that whoever made it left with it; empty without.
    pub cookie: Vec<u8>,
}

/// A filter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilterInfo {
    /// What finds it.
    pub id: FilterId,
    /// Its actions in order, if it is of kind `bpf`.
    pub actions: Vec<ActionInfo>,
}

/// A filter that redirects the frames for which a classic program gives 0xffff_ffff, and lets those by for which it
/// gives 0. It looks at every protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BpfFilter<'a> {
    /// Interface, which has a clsact.
    pub index: IfIndex,
    /// Direction.
    pub direction: Direction,
    /// Order among the filters of the direction; not 0. Others of it must be of kind `bpf` and for every protocol.
    pub preference: u16,
    /// Which one within the preference; not 0, and free.
    pub handle: u32,
    /// The program, of at most [`CLASSIC_INSNS_MAX`] instructions.
    pub program: &'a [ClassicInsn],
    /// Where the frames go.
    pub redirect: Redirect,
    /// Bytes to recognise the filter by, at most [`COOKIE_BYTES_MAX`]; none if empty.
    pub cookie: &'a [u8],
}

impl BpfFilter<'_> {
    /// What will find it.
    #[must_use]
    pub fn id(&self) -> FilterId {
        FilterId {
            index: self.index,
            direction: self.direction,
            preference: self.preference,
            protocol: PROTOCOL_ALL,
            kind: BPF.to_owned(),
            handle: self.handle,
        }
    }

    /// `TCA_OPTIONS`; nothing if something is too long.
    fn options(&self) -> Option<DefaultNla> {
        let count = u16::try_from(self.program.len()).ok()?;
        if self.program.len() > CLASSIC_INSNS_MAX || self.cookie.len() > COOKIE_BYTES_MAX {
            return None;
        }
        let mut action = vec![attr::text(TCA_ACT_KIND, "mirred")];
        if !self.cookie.is_empty() {
            action.push(attr::bytes(TCA_ACT_COOKIE, self.cookie));
        }
        let mirred = attr::bytes(TCA_MIRRED_PARMS, &mirred(self.redirect));
        action.push(attr::nest(TCA_ACT_OPTIONS, &[mirred]));
        // Actions are numbered from 1, in the order that they run.
        let actions = attr::nest(TCA_BPF_ACT, &[attr::nest(1, &action)]);
        let options = [
            attr::bytes(TCA_BPF_OPS_LEN, &count.to_ne_bytes()),
            attr::bytes(TCA_BPF_OPS, &sock_filters(self.program)),
            actions,
        ];
        Some(attr::nest(TCA_OPTIONS, &options))
    }
}

/// `struct sock_filter` for each instruction.
fn sock_filters(program: &[ClassicInsn]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(program.len() * 8);
    for insn in program {
        bytes.extend(insn.code.to_ne_bytes());
        bytes.extend([insn.jt, insn.jf]);
        bytes.extend(insn.k.to_ne_bytes());
    }
    bytes
}

/// `struct tc_mirred` with an index of the kernel's choice.
fn mirred(redirect: Redirect) -> [u8; MIRRED_BYTES] {
    let mut bytes = [0; MIRRED_BYTES];
    let words = [
        (MIRRED_ACTION, TC_ACT_STOLEN),
        (MIRRED_EACTION, redirect.direction.redirect()),
        (MIRRED_IFINDEX, redirect.to.get()),
    ];
    for (at, word) in words {
        bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

impl Netlink {
    /// The filters of a direction, of all chains, in the order that they run. None if there is no clsact, or no such
    /// interface. If this is empty for both directions, deleting the clsact takes nothing from anybody.
    ///
    /// # Errors
    /// If the kernel refuses, or its answer is not understood.
    pub fn filters(
        &mut self,
        index: IfIndex,
        direction: Direction,
    ) -> Result<Vec<FilterInfo>, NetlinkError> {
        let target = Target::on(Operation::ListFilters, index);
        let head = TcHead {
            index: index.get(),
            handle: 0,
            parent: direction.parent(),
            info: 0,
        };
        let replies = self.list(&target, Request::new(RTM_GETTFILTER, head.bytes()))?;
        let filters = replies
            .iter()
            .filter(|reply| reply.kind == RTM_NEWTFILTER)
            .map(|reply| FilterInfo::parse(&reply.body, direction));
        let filters: Result<Vec<_>, _> = filters.collect();
        let mut filters = filters.map_err(|malformed| target.malformed(malformed))?;
        drop_heads(&mut filters);
        Ok(filters)
    }

    /// Adds a filter.
    ///
    /// # Errors
    /// `EEXIST` if preference and handle are taken, `EINVAL` if the preference is of another kind or protocol, there is no
    /// clsact, or the program is bad; [`Cause::TooLong`]; `ENODEV`, `EPERM`.
    pub fn add_bpf_filter(&mut self, filter: &BpfFilter<'_>) -> Result<(), NetlinkError> {
        let target = Target::on(Operation::AddFilter, filter.index);
        let options = filter
            .options()
            .ok_or_else(|| target.because(Cause::TooLong))?;
        let request = filter_request(RTM_NEWTFILTER, &filter.id());
        let request = request.flags(NLM_F_CREATE | NLM_F_EXCL).with(options);
        self.change(&target, request)
    }

    /// Adds a filter that drops whatever enters an interface, which has a clsact.
    ///
    /// # Errors
    /// As [`Netlink::add_bpf_filter`].
    pub fn drop_ingress(
        &mut self,
        index: IfIndex,
        preference: u16,
        handle: u32,
    ) -> Result<(), NetlinkError> {
        const RETURN: u16 = 6;
        let id = FilterId {
            index,
            direction: Direction::Ingress,
            preference,
            protocol: PROTOCOL_ALL,
            kind: BPF.to_owned(),
            handle,
        };
        let shot = ClassicInsn {
            code: RETURN,
            jt: 0,
            jf: 0,
            k: TC_ACT_SHOT,
        };
        let options = [
            attr::bytes(TCA_BPF_OPS_LEN, &1_u16.to_ne_bytes()),
            attr::bytes(TCA_BPF_OPS, &sock_filters(&[shot])),
            attr::bytes(TCA_BPF_FLAGS, &TCA_BPF_FLAG_ACT_DIRECT.to_ne_bytes()),
        ];
        let request = filter_request(RTM_NEWTFILTER, &id).flags(NLM_F_CREATE | NLM_F_EXCL);
        let request = request.with(attr::nest(TCA_OPTIONS, &options));
        self.change(&Target::on(Operation::AddFilter, index), request)
    }

    /// Deletes a filter of chain 0, where they are unless someone says otherwise.
    ///
    /// # Errors
    /// `ENOENT`, `EINVAL` or `ENODEV` if there is none such ([`NetlinkError::is_already_gone`]); `EPERM`;
    /// [`Cause::Unspecific`].
    pub fn delete_filter(&mut self, id: &FilterId) -> Result<(), NetlinkError> {
        let target = Target::on(Operation::DeleteFilter, id.index);
        // Without a preference or a handle the kernel would delete all that fit.
        if id.preference == 0 || id.handle == 0 {
            return Err(target.because(Cause::Unspecific));
        }
        self.change(&target, filter_request(RTM_DELTFILTER, id))
    }
}

fn filter_request(kind: u16, id: &FilterId) -> Request {
    let head = TcHead {
        index: id.index.get(),
        handle: id.handle,
        parent: id.direction.parent(),
        info: u32::from(id.preference) << 16 | u32::from(id.protocol.to_be()),
    };
    Request::new(kind, head.bytes()).with(attr::text(TCA_KIND, &id.kind))
}

impl FilterInfo {
    /// Reads a message's part behind the header.
    fn parse(body: &[u8], direction: Direction) -> Result<Self, Malformed> {
        let (head, attrs) = TcHead::parse(body)?;
        let [preference, protocol] = halves(head.info);
        let kind = attrs.text(TCA_KIND)?.ok_or(Malformed)?;
        let actions = match kind.as_str() {
            BPF => actions(&attrs.nested(TCA_OPTIONS)?.nested(TCA_BPF_ACT)?)?,
            _ => Vec::new(),
        };
        let id = FilterId {
            index: IfIndex::new(head.index).ok_or(Malformed)?,
            direction,
            preference,
            protocol: u16::from_be(protocol),
            kind,
            handle: head.handle,
        };
        Ok(Self { id, actions })
    }
}

/// The kernel lists each preference itself, with handle 0, before the filters in it. Only one without filters says
/// something more than they do.
fn drop_heads(filters: &mut Vec<FilterInfo>) {
    let of = |filter: &FilterInfo| filter.id.preference;
    let numbered = filters.iter().filter(|filter| filter.id.handle != 0);
    let filled: BTreeSet<u16> = numbered.map(of).collect();
    filters.retain(|filter| filter.id.handle != 0 || !filled.contains(&of(filter)));
}

/// Upper and lower half.
fn halves(word: u32) -> [u16; 2] {
    let [a, b, c, d] = word.to_be_bytes();
    [[a, b], [c, d]].map(u16::from_be_bytes)
}

fn actions(list: &Attrs<'_>) -> Result<Vec<ActionInfo>, Malformed> {
    let action = |(_, value)| {
        let attrs = Attrs::parse(value)?;
        let kind = attrs.text(TCA_ACT_KIND)?.ok_or(Malformed)?;
        let redirect = match kind.as_str() {
            "mirred" => read_mirred(&attrs.nested(TCA_ACT_OPTIONS)?)?,
            _ => None,
        };
        let cookie = attrs.get(TCA_ACT_COOKIE).unwrap_or_default().to_vec();
        Ok(ActionInfo {
            kind,
            redirect,
            cookie,
        })
    };
    list.iter().map(action).collect()
}

fn read_mirred(options: &Attrs<'_>) -> Result<Option<Redirect>, Malformed> {
    let mirred = options.get(TCA_MIRRED_PARMS).ok_or(Malformed)?;
    let direction = match word_at(mirred, MIRRED_EACTION)? {
        TCA_INGRESS_REDIR => Direction::Ingress,
        TCA_EGRESS_REDIR => Direction::Egress,
        // A copy, not a redirect.
        _ => return Ok(None),
    };
    // Number 0 if the interface is gone.
    let to = IfIndex::new(word_at(mirred, MIRRED_IFINDEX)?);
    Ok(to.map(|to| Redirect { to, direction }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use netlink_packet_core::Emitable;

    const RETURN: ClassicInsn = ClassicInsn {
        code: 6,
        jt: 0,
        jf: 0,
        k: 0xffff_ffff,
    };

    fn filter<'a>(program: &'a [ClassicInsn], cookie: &'a [u8]) -> BpfFilter<'a> {
        BpfFilter {
            index: IfIndex::new(5).unwrap(),
            direction: Direction::Ingress,
            preference: 0x1234,
            handle: 9,
            program,
            redirect: Redirect {
                to: IfIndex::new(6).unwrap(),
                direction: Direction::Egress,
            },
            cookie,
        }
    }

    /// The message that adds a filter, which is also one that lists it.
    fn body(filter: &BpfFilter<'_>) -> Vec<u8> {
        let request = filter_request(RTM_NEWTFILTER, &filter.id());
        let request = request.with(filter.options().unwrap());
        request.bytes(1).unwrap()[16..].to_vec()
    }

    #[test]
    fn round_trip() {
        let program = [RETURN];
        for cookie in [&b""[..], b"x", b"0123456789abcdef"] {
            let filter = filter(&program, cookie);
            let expected = FilterInfo {
                id: filter.id(),
                actions: vec![ActionInfo {
                    kind: "mirred".to_owned(),
                    redirect: Some(filter.redirect),
                    cookie: cookie.to_vec(),
                }],
            };
            let read = FilterInfo::parse(&body(&filter), Direction::Ingress);
            assert_eq!(read, Ok(expected));
        }
    }

    #[test]
    fn heads() {
        let program = [RETURN];
        let of = |preference, handle| {
            let one = BpfFilter {
                preference,
                handle,
                ..filter(&program, b"")
            };
            FilterInfo::parse(&body(&one), Direction::Ingress).unwrap()
        };
        let mut filters = vec![of(1, 0), of(1, 7), of(1, 8), of(2, 0), of(3, 0), of(3, 1)];
        drop_heads(&mut filters);
        let left = filters.iter();
        let left: Vec<_> = left.map(|one| (one.id.preference, one.id.handle)).collect();
        assert_eq!(left, [(1, 7), (1, 8), (2, 0), (3, 1)]);
    }

    #[test]
    fn bounds() {
        let program = vec![RETURN; CLASSIC_INSNS_MAX + 1];
        assert!(filter(&program, b"").options().is_none());
        let longest = filter(&program[1..], &[7; COOKIE_BYTES_MAX]).options();
        assert!(longest.unwrap().buffer_len() > CLASSIC_INSNS_MAX * 8);
        assert!(filter(&[], &[7; COOKIE_BYTES_MAX + 1]).options().is_none());
    }

    #[test]
    fn hostile() {
        attr::torture(&body(&filter(&[RETURN], b"mine")), |body| {
            let _ = FilterInfo::parse(body, Direction::Ingress);
        });
    }
}

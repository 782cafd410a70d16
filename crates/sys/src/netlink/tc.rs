//! The queueing discipline that filters hang on: clsact, which has one list of them for each direction and queues
//! nothing.

use super::attr::{self, Attrs, Malformed, word_at};
use super::error::{Operation, Target};
use super::{IfIndex, Netlink, NetlinkError, Request};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};

const RTM_NEWQDISC: u16 = 36;
const RTM_DELQDISC: u16 = 37;
const RTM_GETQDISC: u16 = 38;

pub(super) const TCA_KIND: u16 = 1;

/// Where clsact and the older ingress discipline sit (`TC_H_CLSACT`).
pub(super) const CLSACT: u32 = 0xffff_fff1;
/// The handle that the discipline there always has.
const CLSACT_HANDLE: u32 = 0xffff_0000;

/// Bytes of `struct tcmsg`.
pub(super) const TC_HEAD_BYTES: usize = 20;

/// `struct tcmsg`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TcHead {
    pub(super) index: u32,
    pub(super) handle: u32,
    pub(super) parent: u32,
    pub(super) info: u32,
}

impl TcHead {
    pub(super) fn bytes(self) -> Vec<u8> {
        let mut head = vec![0; 4];
        for word in [self.index, self.handle, self.parent, self.info] {
            head.extend(word.to_ne_bytes());
        }
        head
    }

    /// Splits a message's part behind the header into this and the attributes.
    pub(super) fn parse(body: &[u8]) -> Result<(Self, Attrs<'_>), Malformed> {
        let head = Self {
            index: word_at(body, 4)?,
            handle: word_at(body, 8)?,
            parent: word_at(body, 12)?,
            info: word_at(body, 16)?,
        };
        let attrs = Attrs::parse(body.get(TC_HEAD_BYTES..).ok_or(Malformed)?)?;
        Ok((head, attrs))
    }
}

/// What may be in clsact's place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IngressQdisc {
    /// clsact.
    Clsact,
    /// Another one, of this kind (`ingress`), which takes filters for arriving frames alone.
    Other(String),
}

impl Netlink {
    /// The queueing discipline in clsact's place, if there is one.
    ///
    /// # Errors
    /// If the kernel refuses, or its answer is not understood.
    pub fn ingress_qdisc(&mut self, index: IfIndex) -> Result<Option<IngressQdisc>, NetlinkError> {
        let target = Target::on(Operation::ListQdiscs, index);
        let head = TcHead {
            index: index.get(),
            handle: 0,
            parent: 0,
            info: 0,
        };
        let replies = self.list(&target, Request::new(RTM_GETQDISC, head.bytes()))?;
        let replies = replies.iter().filter(|reply| reply.kind == RTM_NEWQDISC);
        for reply in replies {
            let found = ingress_qdisc(&reply.body, index);
            let found = found.map_err(|malformed| target.malformed(malformed))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Whether the interface has a clsact.
    ///
    /// # Errors
    /// As [`Netlink::ingress_qdisc`].
    pub fn clsact_exists(&mut self, index: IfIndex) -> Result<bool, NetlinkError> {
        Ok(self.ingress_qdisc(index)? == Some(IngressQdisc::Clsact))
    }

    /// Adds a clsact.
    ///
    /// # Errors
    /// `EEXIST` if there is one, or an ingress discipline; `ENODEV`, `EPERM`.
    pub fn add_clsact(&mut self, index: IfIndex) -> Result<(), NetlinkError> {
        let target = Target::on(Operation::AddClsact, index);
        let request =
            Request::new(RTM_NEWQDISC, clsact_head(index)).flags(NLM_F_CREATE | NLM_F_EXCL);
        self.change(&target, request.with(attr::text(TCA_KIND, "clsact")))
    }

    /// Deletes the clsact with all of its filters, whoever made them.
    ///
    /// # Errors
    /// `ENOENT` if there is none, `EINVAL` if something else is in its place; `ENODEV`, `EPERM`.
    pub fn delete_clsact(&mut self, index: IfIndex) -> Result<(), NetlinkError> {
        let target = Target::on(Operation::DeleteClsact, index);
        let request = Request::new(RTM_DELQDISC, clsact_head(index));
        self.change(&target, request.with(attr::text(TCA_KIND, "clsact")))
    }
}

fn clsact_head(index: IfIndex) -> Vec<u8> {
    let head = TcHead {
        index: index.get(),
        handle: CLSACT_HANDLE,
        parent: CLSACT,
        info: 0,
    };
    head.bytes()
}

/// The discipline that a message of a list names, if it is in clsact's place on this interface: the kernel lists
/// those of all.
fn ingress_qdisc(body: &[u8], index: IfIndex) -> Result<Option<IngressQdisc>, Malformed> {
    let (head, attrs) = TcHead::parse(body)?;
    if (head.index, head.parent) != (index.get(), CLSACT) {
        return Ok(None);
    }
    let kind = attrs.text(TCA_KIND)?.ok_or(Malformed)?;
    Ok(Some(match kind.as_str() {
        "clsact" => IngressQdisc::Clsact,
        _ => IngressQdisc::Other(kind),
    }))
}

//! Changes to interfaces, as the kernel announces them (`RTMGRP_LINK`).
//!
//! Announcements are hints: they may be merged, repeat what is known, or be lost when nobody reads them for long,
//! which [`LinkEvent::Lost`] says. Whoever needs certainty then asks [`super::Netlink`].

use super::attr::{Attrs, Malformed, word_at};
use super::error::{Cause, Operation, Target};
use super::link::{LinkInfo, RTM_DELLINK, RTM_NEWLINK};
use super::socket::{self, Message, Socket};
use super::{IfIndex, NetlinkError};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};

/// `RTMGRP_LINK`.
const GROUP_LINK: u32 = 1;

/// A change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkEvent {
    /// The interface is new, or something about it changed.
    Changed(Box<LinkInfo>),
    /// The interface is gone: deleted, or moved to another network namespace.
    Deleted(IfIndex),
    /// Announcements were lost: ask for the interfaces.
    Lost,
}

/// A socket that hears of changes in the network namespace that its thread was in when it was opened.
#[derive(Debug)]
pub struct Monitor {
    socket: Socket,
    events: VecDeque<LinkEvent>,
}

impl Monitor {
    /// Listens from now on.
    ///
    /// # Errors
    /// Those of `socket(2)` and `bind(2)`.
    pub fn open() -> Result<Self, NetlinkError> {
        let socket = Socket::open_nonblocking(GROUP_LINK);
        let socket = socket.map_err(|errno| Target::none(Operation::Open).system(errno))?;
        Ok(Self {
            socket,
            events: VecDeque::new(),
        })
    }

    /// The next change; nothing if there is none yet, whereupon [`Monitor::as_fd`] becomes readable with the next.
    ///
    /// # Errors
    /// If receiving fails, or an announcement is not understood (the next may be).
    pub fn next_event(&mut self) -> Result<Option<LinkEvent>, NetlinkError> {
        let target = Target::none(Operation::Watch);
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            match self.socket.receive() {
                Ok(None) | Err(Errno::NOBUFS) => return Ok(Some(LinkEvent::Lost)),
                Err(Errno::AGAIN) => return Ok(None),
                Err(errno) => return Err(target.system(errno)),
                Ok(Some(datagram)) => {
                    for message in socket::messages(datagram) {
                        let event = message.and_then(|message| read(&message));
                        let event = event.map_err(|bad| target.because(Cause::from(bad)))?;
                        self.events.extend(event);
                    }
                }
            }
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What a message announces, if it is about an interface as such: a bridge announces in the same group, with its
/// family's number, what happens to its ports, among it that one is no longer a port (as `RTM_DELLINK`).
fn read(message: &Message<'_>) -> Result<Option<LinkEvent>, Malformed> {
    let body = message.body;
    let is_link = matches!(message.kind, RTM_NEWLINK | RTM_DELLINK);
    if !is_link || *body.first().ok_or(Malformed)? != 0 {
        return Ok(None);
    }
    if message.kind == RTM_NEWLINK {
        return Ok(Some(LinkEvent::Changed(Box::new(LinkInfo::parse(body)?))));
    }
    Attrs::parse(body.get(super::link::LINK_HEAD_BYTES..).ok_or(Malformed)?)?;
    let index = IfIndex::new(word_at(body, 4)?).ok_or(Malformed)?;
    Ok(Some(LinkEvent::Deleted(index)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::attr::torture;
    use super::super::link::sample;
    use super::*;

    fn event(kind: u16, body: &[u8]) -> Result<Option<LinkEvent>, Malformed> {
        read(&Message {
            kind,
            flags: 0,
            sequence: 0,
            body,
        })
    }

    #[test]
    fn announcements() {
        let mut body = sample();
        let link = LinkInfo::parse(&body).unwrap();
        let changed = LinkEvent::Changed(Box::new(link.clone()));
        assert_eq!(event(RTM_NEWLINK, &body), Ok(Some(changed)));
        let deleted = LinkEvent::Deleted(link.index);
        assert_eq!(event(RTM_DELLINK, &body), Ok(Some(deleted)));
        assert_eq!(event(99, &body), Ok(None));
        // AF_BRIDGE: a port left its bridge.
        body[0] = 7;
        assert_eq!(event(RTM_DELLINK, &body), Ok(None));
    }

    #[test]
    fn hostile() {
        for kind in [RTM_NEWLINK, RTM_DELLINK] {
            torture(&sample(), |body| {
                let _ = event(kind, body);
            });
        }
    }
}

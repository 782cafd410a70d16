//! Interfaces, the packet scheduler's filters and Linux's own XDP, by blocking rtnetlink requests; what a driver tells XDP
//! programs ([`rx_metadata`]), by generic netlink.
//!
//! A [`Netlink`] belongs to the network namespace that its thread was in when it was opened, for as long as it lives:
//! a process that keeps one open can still undo what was done there. For changes the kernel wants `CAP_NET_ADMIN` of
//! both whoever opened the socket and whoever sends on it. Each method is one request, and returns once
//! the kernel has answered it; an error says what was tried on which interface, with the kernel's number and, where
//! it gave one, its text. [`Monitor`] tells of changes to interfaces.
//!
//! Sockets are rustix's, framing and attributes are netlink-packet-core's. Its companion crate with a type for every
//! message of rtnetlink is not used: there, one attribute of an unforeseen shape (a new kernel's, an odd driver's)
//! fails the whole message and with it the list of interfaces, and the kernel's text for an error is not read. Here a
//! message's attributes are split first, and only those looked for are read ([`attr`]).
//!
//! Of classifiers only `bpf` with a classic program is written, of actions only `mirred`, because kernels without
//! the others exist. What programs do, and which devices belong to whom, is not known here.

mod attr;
mod error;
mod features;
mod link;
mod link_change;
mod monitor;
mod name;
mod socket;
mod tc;
mod tc_filter;
mod xdp;

pub use error::{Cause, Interface, NetlinkError, Operation};
pub use features::{RxMetadata, rx_metadata};
pub use link::{Hardware, LinkFlags, LinkInfo};
pub use link_change::{ALIAS_BYTES_MAX, NewLink, disable_ipv6};
pub use monitor::{LinkEvent, Monitor};
pub use name::{IfIndex, IfName};
pub use tc::IngressQdisc;
pub use tc_filter::{
    ActionInfo, BpfFilter, CLASSIC_INSNS_MAX, COOKIE_BYTES_MAX, Direction, FilterId, FilterInfo,
    PROTOCOL_ALL, Redirect,
};
pub use xdp::{XdpAttach, XdpMode, XdpState, XdpUpdate};

use attr::Malformed;
use error::Target;
use netlink_packet_core::{
    DefaultNla, DoneBuffer, Emitable, ErrorBuffer, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED,
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN,
    NetlinkHeader,
};
use rustix::io::Errno;
use socket::{Message, Socket};

/// A list that changed while the kernel wrote it is asked for again, so often.
const INTERRUPTED_MAX: u32 = 16;

/// `NLMSGERR_ATTR_MSG`.
const ERROR_TEXT: u16 = 1;
/// Bytes of `struct nlmsghdr`.
const HEADER_BYTES: usize = 16;

/// A socket for requests; one thread at a time uses it.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

/// What is asked of the kernel: message type, flags, fixed part and attributes.
struct Request {
    kind: u16,
    flags: u16,
    head: Vec<u8>,
    attrs: Vec<DefaultNla>,
}

/// A message that the kernel answered with.
struct Reply {
    kind: u16,
    body: Vec<u8>,
}

/// How one attempt at a request ended well.
enum Outcome {
    Complete(Vec<Reply>),
    /// The list changed while it was written, so that entries may be missing.
    Interrupted,
}

impl Netlink {
    /// A socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// Those of `socket(2)` and `bind(2)`.
    pub fn open() -> Result<Self, NetlinkError> {
        Self::with(Socket::open(0))
    }

    fn with(socket: Result<Socket, Errno>) -> Result<Self, NetlinkError> {
        Ok(Self {
            socket: socket.map_err(|errno| Target::none(Operation::Open).system(errno))?,
            sequence: 0,
        })
    }

    /// Makes a change.
    fn change(&mut self, target: &Target, request: Request) -> Result<(), NetlinkError> {
        self.ask(target, request).map(drop)
    }

    /// Sends a request that the kernel acknowledges after its answers, if there are any.
    fn ask(&mut self, target: &Target, mut request: Request) -> Result<Vec<Reply>, NetlinkError> {
        request.flags |= NLM_F_REQUEST | NLM_F_ACK;
        match self.attempt(target, &request)? {
            Outcome::Complete(replies) => Ok(replies),
            Outcome::Interrupted => Err(target.because(Cause::Unsteady)),
        }
    }

    /// Asks for a list.
    fn list(&mut self, target: &Target, mut request: Request) -> Result<Vec<Reply>, NetlinkError> {
        request.flags |= NLM_F_REQUEST | NLM_F_DUMP;
        for _ in 0..INTERRUPTED_MAX {
            if let Outcome::Complete(replies) = self.attempt(target, &request)? {
                return Ok(replies);
            }
        }
        Err(target.because(Cause::Unsteady))
    }

    fn attempt(&mut self, target: &Target, request: &Request) -> Result<Outcome, NetlinkError> {
        // What an attempt that failed left unread has another number, and is passed over.
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = request
            .bytes(self.sequence)
            .ok_or_else(|| target.because(Cause::TooLong))?;
        self.socket
            .send(&bytes)
            .map_err(|errno| target.system(errno))?;
        let mut replies = Vec::new();
        let mut interrupted = false;
        loop {
            let datagram = self
                .socket
                .receive()
                .map_err(|errno| target.system(errno))?
                .ok_or_else(|| target.because(Malformed.into()))?;
            for message in socket::messages(datagram) {
                let message = message.map_err(|malformed| target.because(malformed.into()))?;
                if message.sequence != self.sequence {
                    continue;
                }
                interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
                match read(&message).map_err(|cause| target.because(cause))? {
                    Step::Reply(reply) => replies.push(reply),
                    Step::End if interrupted => return Ok(Outcome::Interrupted),
                    Step::End => return Ok(Outcome::Complete(replies)),
                }
            }
        }
    }
}

enum Step {
    Reply(Reply),
    End,
}

/// What a message of an answer means for the request.
fn read(message: &Message<'_>) -> Result<Step, Cause> {
    let refusal = |code: i32, attributes: &[u8]| match code {
        0 => Ok(Step::End),
        _ => Err(Cause::Refused {
            errno: code.saturating_neg(),
            text: attr::Attrs::parse(attributes)
                .and_then(|attrs| attrs.text(ERROR_TEXT))
                .unwrap_or(None),
        }),
    };
    match message.kind {
        NLMSG_ERROR => {
            let buffer = ErrorBuffer::new_checked(message.body).map_err(|_| Malformed)?;
            let attributes = error_attributes(message.flags, buffer.payload());
            refusal(buffer.code().map_or(0, i32::from), attributes)
        }
        // Linux may end a list without a code.
        NLMSG_DONE if message.body.is_empty() => Ok(Step::End),
        NLMSG_DONE => {
            let buffer = DoneBuffer::new_checked(message.body).map_err(|_| Malformed)?;
            refusal(buffer.code(), buffer.extended_ack())
        }
        NLMSG_OVERRUN => Err(Cause::Unsteady),
        kind => Ok(Step::Reply(Reply {
            kind,
            body: message.body.to_vec(),
        })),
    }
}

/// The attributes behind the request that an error message repeats, which a capped one cuts to its header.
fn error_attributes(flags: u16, payload: &[u8]) -> &[u8] {
    if flags & NLM_F_ACK_TLVS == 0 {
        return &[];
    }
    let repeated = match flags & NLM_F_CAPPED {
        0 => payload
            .first_chunk()
            .and_then(|length| usize::try_from(u32::from_ne_bytes(*length)).ok()),
        _ => Some(HEADER_BYTES),
    };
    repeated
        .and_then(|bytes| payload.get(bytes.checked_next_multiple_of(4)?..))
        .unwrap_or(&[])
}

impl Request {
    fn new(kind: u16, head: Vec<u8>) -> Self {
        Self {
            kind,
            flags: 0,
            head,
            attrs: Vec::new(),
        }
    }

    fn flags(mut self, flags: u16) -> Self {
        self.flags |= flags;
        self
    }

    fn with(mut self, attr: DefaultNla) -> Self {
        self.attrs.push(attr);
        self
    }

    /// The message; nothing if it is longer than its length can say.
    fn bytes(&self, sequence: u32) -> Option<Vec<u8>> {
        let attrs = self.attrs.as_slice();
        let head_end = HEADER_BYTES + self.head.len();
        let mut bytes = vec![0; head_end + attrs.buffer_len()];
        let mut header = NetlinkHeader::default();
        header.length = u32::try_from(bytes.len()).ok()?;
        header.message_type = self.kind;
        header.flags = self.flags;
        header.sequence_number = sequence;
        header.emit(&mut bytes[..HEADER_BYTES]);
        bytes[HEADER_BYTES..head_end].copy_from_slice(&self.head);
        attrs.emit(&mut bytes[head_end..]);
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// An error message as the kernel sends it: code, the request's header, attributes.
    fn refusal(flags: u16, text: &[u8]) -> Vec<u8> {
        let mut body = (-22_i32).to_ne_bytes().to_vec();
        let mut header = NetlinkHeader::default();
        header.length = if flags & NLM_F_CAPPED == 0 { 20 } else { 9999 };
        let mut bytes = vec![0; HEADER_BYTES];
        header.emit(&mut bytes);
        if flags & NLM_F_CAPPED == 0 {
            bytes.extend([0; 4]);
        }
        body.extend(bytes);
        let nla = attr::bytes(ERROR_TEXT, text);
        let mut bytes = vec![0; nla.buffer_len()];
        nla.emit(&mut bytes);
        body.extend(bytes);
        body
    }

    fn read_error(flags: u16, body: &[u8]) -> Result<(), Cause> {
        let message = Message {
            kind: NLMSG_ERROR,
            flags,
            sequence: 1,
            body,
        };
        read(&message).map(drop)
    }

    #[test]
    fn text_of_an_error() {
        for capped in [0, NLM_F_CAPPED] {
            let body = refusal(NLM_F_ACK_TLVS | capped, b"too odd\0");
            let expected = Cause::Refused {
                errno: 22,
                text: Some("too odd".to_owned()),
            };
            assert_eq!(
                read_error(NLM_F_ACK_TLVS | capped, &body),
                Err(expected.clone())
            );
            // Cut anywhere: an error all the same, with or without its text.
            for end in 0..body.len() {
                assert!(read_error(NLM_F_ACK_TLVS | capped, &body[..end]).is_err());
            }
        }
        assert_eq!(read_error(0, &[0; 4]), Ok(()));
        let lowest = i32::MIN.to_ne_bytes();
        assert!(read_error(NLM_F_ACK_TLVS, &lowest).is_err());
    }
}

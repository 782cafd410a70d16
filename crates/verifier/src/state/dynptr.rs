//! A dynamic pointer as the stack holds it: sixteen bytes, two whole slots, that only calls look into.

use super::reg::Id;

/// What memory a dynamic pointer is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Source {
    /// A map's value.
    Local,
    /// A ring buffer's record.
    Ringbuf,
    /// A packet as the network stack has it.
    Skb,
    /// A frame as a driver has it.
    Xdp,
}

impl Source {
    /// The name in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Ringbuf => "ringbuf",
            Self::Skb => "skb",
            Self::Xdp => "xdp",
        }
    }

    /// Whether it is a packet, whose slices end when the packet moves.
    pub(crate) fn is_packet(self) -> bool {
        match self {
            Self::Local | Self::Ringbuf => false,
            Self::Skb | Self::Xdp => true,
        }
    }
}

/// Which of the two slots.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Half {
    /// That of the lower address, by which it is named.
    Low,
    /// The other.
    High,
}

/// A dynamic pointer, in each of its slots.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Dynptr {
    pub(crate) source: Source,
    pub(crate) id: Id,
    /// The reference that must be given up; a clone has that of its origin.
    pub(crate) reference: Id,
    pub(crate) half: Half,
}

impl Dynptr {
    /// The id that slices of it carry: when it goes, so do they.
    pub(crate) fn slice_id(&self) -> Id {
        if self.reference.is_some() {
            self.reference
        } else {
            self.id
        }
    }
}

//! What the network stack knows about a frame beside its bytes: checksum to be computed, segments to be cut.

/// `struct virtio_net_hdr` of linux/virtio_net.h: before each frame on sockets with `PACKET_VNET_HDR` and on TAP
/// devices with `IFF_VNET_HDR`, in the host's byte order. The default says nothing special.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct VnetHeader {
    /// Bits: [`Self::NEEDS_CSUM`], [`Self::DATA_VALID`].
    pub flags: u8,
    /// How to cut the frame into segments; see [`Self::gso`].
    pub gso_type: u8,
    /// Bytes of all headers of the frame, a hint.
    pub hdr_len: u16,
    /// Bytes of payload in each segment.
    pub gso_size: u16,
    /// Offset in the frame from which the checksum is computed.
    pub csum_start: u16,
    /// Offset behind `csum_start` where the checksum goes.
    pub csum_offset: u16,
}

/// How a frame is to be cut into segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gso {
    /// Not at all: it is one.
    None,
    /// TCP over IPv4.
    TcpV4,
    /// TCP over IPv6.
    TcpV6,
    /// One UDP datagram to IP fragments.
    UdpFragments,
    /// Several UDP datagrams.
    UdpSegments,
    /// A number that this version does not know.
    Other(u8),
}

impl VnetHeader {
    /// Bytes of its form in memory.
    pub const BYTES: usize = 10;
    /// Flag: the checksum is still to be computed from `csum_start` to the end, and stored at `csum_offset`.
    pub const NEEDS_CSUM: u8 = 1;
    /// Flag: the checksum was checked.
    pub const DATA_VALID: u8 = 2;
    /// Bit of `gso_type`: the TCP header has its congestion bit set.
    pub const GSO_ECN: u8 = 0x80;

    /// The header in memory.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let [
            flags,
            gso_type,
            h0,
            h1,
            g0,
            g1,
            start0,
            start1,
            offset0,
            offset1,
        ] = bytes;
        Self {
            flags,
            gso_type,
            hdr_len: u16::from_ne_bytes([h0, h1]),
            gso_size: u16::from_ne_bytes([g0, g1]),
            csum_start: u16::from_ne_bytes([start0, start1]),
            csum_offset: u16::from_ne_bytes([offset0, offset1]),
        }
    }

    /// The header as it lies in memory.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; Self::BYTES] {
        let [h0, h1] = self.hdr_len.to_ne_bytes();
        let [g0, g1] = self.gso_size.to_ne_bytes();
        let [start0, start1] = self.csum_start.to_ne_bytes();
        let [offset0, offset1] = self.csum_offset.to_ne_bytes();
        [
            self.flags,
            self.gso_type,
            h0,
            h1,
            g0,
            g1,
            start0,
            start1,
            offset0,
            offset1,
        ]
    }

    /// How the frame is to be cut into segments.
    #[must_use]
    pub const fn gso(self) -> Gso {
        match self.gso_type & !Self::GSO_ECN {
            0 => Gso::None,
            1 => Gso::TcpV4,
            3 => Gso::UdpFragments,
            4 => Gso::TcpV6,
            5 => Gso::UdpSegments,
            other => Gso::Other(other),
        }
    }

    /// Whether the frame is longer than it will be on a wire.
    #[must_use]
    pub const fn is_gso(self) -> bool {
        !matches!(self.gso(), Gso::None)
    }

    /// Whether the checksum is still to be computed.
    #[must_use]
    pub const fn needs_checksum(self) -> bool {
        self.flags & Self::NEEDS_CSUM != 0
    }

    /// The header for the same frame with its start moved: `delta` bytes were put before it (negative: taken away).
    /// `None` if the checksummed part no longer begins within the frame.
    #[must_use]
    pub fn moved(self, delta: i32) -> Option<Self> {
        let shift = |offset: u16| u16::try_from(i32::from(offset).checked_add(delta)?).ok();
        Some(Self {
            csum_start: match self.needs_checksum() {
                true => shift(self.csum_start)?,
                false => self.csum_start,
            },
            // Only a hint: zero means "not known".
            hdr_len: match self.hdr_len {
                0 => 0,
                len => shift(len).unwrap_or(0),
            },
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_fields() {
        let bytes = [1, 0x84, 2, 3, 4, 5, 6, 7, 8, 9];
        let header = VnetHeader::from_bytes(bytes);
        assert_eq!(header.to_bytes(), bytes);
        assert_eq!(header.csum_start, u16::from_ne_bytes([6, 7]));
        assert_eq!(header.gso(), Gso::TcpV6);
        assert!(header.is_gso() && header.needs_checksum());
        assert_eq!(VnetHeader::default().to_bytes(), [0; 10]);
        assert_eq!(VnetHeader::default().gso(), Gso::None);
    }

    #[test]
    fn moving() {
        let header = VnetHeader {
            flags: VnetHeader::NEEDS_CSUM,
            csum_start: 34,
            hdr_len: 54,
            ..VnetHeader::default()
        };
        let moved = header
            .moved(4)
            .map(|moved| (moved.csum_start, moved.hdr_len));
        assert_eq!(moved, Some((38, 58)));
        let moved = header.moved(-34).map(|moved| moved.csum_start);
        assert_eq!(moved, Some(0));
        assert_eq!(header.moved(-35), None);
        assert_eq!(header.moved(i32::MAX), None);
        assert_eq!(
            VnetHeader::default().moved(-35),
            Some(VnetHeader::default())
        );
    }
}

//! What a frame's bytes alone tell of its checksum and segments.
//!
//! An AF_XDP socket gives bytes and nothing beside them. Within one host a frame may have its TCP or UDP checksum still to be
//! computed: the field then holds the sum of the pseudo-header alone (addresses, protocol, length). A frame that comes so is
//! taken to be one. That is right also for a finished checksum which happens to have that value: computing it again
//! gives the same. Only a frame that was damaged on the way, and whose checksum has this value (one in 65,536 of the
//! damaged), gets a valid one that it did not have.
//!
//! In the same way a TCP segment longer than the interface's MTU is taken to be several that were joined (by the sender's
//! segmentation offload, or by receive offload), and is to be cut at the MTU again. Joined UDP datagrams cannot be told
//! apart: their length is nowhere in the bytes.

use skep_sys::packet::VnetHeader;

/// What a frame is besides its bytes, as far as they tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Guess {
    /// A frame as it would be on a wire, or one to be finished as the header says.
    Frame(VnetHeader),
    /// Several UDP datagrams, joined at places that are not known.
    JoinedDatagrams,
}

/// Bytes of an Ethernet header.
const ETHERNET_BYTES: usize = 14;
const IPV6_BYTES: usize = 40;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Tags and extension headers that are looked behind at most.
const LAYERS_MAX: usize = 8;

/// A packet's transport part, found in a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Transport<'a> {
    version: Version,
    protocol: u8,
    /// Source and destination, one behind the other.
    addresses: &'a [u8],
    /// Offset of the network header in the frame.
    network: usize,
    /// Offset of the transport header in the frame.
    start: usize,
    /// The transport header and what follows, without the frame's padding.
    bytes: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Version {
    V4,
    V6,
}

/// What a frame is that came in at an interface with this MTU.
pub(super) fn guess(frame: &[u8], mtu: u32) -> Guess {
    let Some(transport) = transport(frame) else {
        return Guess::Frame(VnetHeader::default());
    };
    let packet_bytes = transport.start - transport.network + transport.bytes.len();
    let is_long = u32::try_from(packet_bytes).map_or(true, |bytes| bytes > mtu);
    match transport.protocol {
        TCP => Guess::Frame(tcp(&transport, is_long.then_some(mtu))),
        _ if is_long => Guess::JoinedDatagrams,
        _ => Guess::Frame(unfinished(&transport, 6).unwrap_or_default()),
    }
}

/// The header of a TCP segment, which is to be cut if an MTU is given.
fn tcp(transport: &Transport<'_>, cut_at: Option<u32>) -> VnetHeader {
    const CONGESTION_WINDOW_REDUCED: u8 = 0x80;
    let Some(vnet) = unfinished(transport, 16) else {
        return VnetHeader::default();
    };
    let Some(mtu) = cut_at else { return vnet };
    let [lengths, flags] = [transport.bytes[12], transport.bytes[13]];
    let header_bytes = usize::from(lengths >> 4) * 4;
    let headers = transport.start - transport.network + header_bytes;
    let segment = usize::try_from(mtu)
        .ok()
        .and_then(|mtu| mtu.checked_sub(headers));
    let (Some(segment @ 1..), 20..) = (segment, header_bytes) else {
        return vnet;
    };
    let ecn = match flags & CONGESTION_WINDOW_REDUCED {
        0 => 0,
        _ => VnetHeader::GSO_ECN,
    };
    let version = match transport.version {
        Version::V4 => 1,
        Version::V6 => 4,
    };
    VnetHeader {
        gso_type: version | ecn,
        gso_size: u16::try_from(segment).unwrap_or(u16::MAX),
        hdr_len: u16::try_from(transport.start + header_bytes).unwrap_or(0),
        ..vnet
    }
}

/// The header that asks for the checksum at this offset in the transport header, if it is unfinished.
fn unfinished(transport: &Transport<'_>, offset: u16) -> Option<VnetHeader> {
    let at = usize::from(offset);
    let field = transport.bytes.get(at..at + 2)?;
    let field = u16::from_be_bytes([field[0], field[1]]);
    // Zero says that there is no checksum.
    (field != 0 && field == pseudo_header_sum(transport)?).then_some(VnetHeader {
        flags: VnetHeader::NEEDS_CSUM,
        csum_start: u16::try_from(transport.start).ok()?,
        csum_offset: offset,
        ..VnetHeader::default()
    })
}

/// The folded sum of RFC 9293's and RFC 8200's pseudo-headers, which are the same words but for zeros.
fn pseudo_header_sum(transport: &Transport<'_>) -> Option<u16> {
    let addresses = transport.addresses.chunks_exact(2);
    let addresses = addresses.map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let length = u32::try_from(transport.bytes.len()).ok()?;
    let mut sum = addresses.sum::<u32>() + u32::from(transport.protocol) + length;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).ok()
}

/// The TCP or UDP part of a frame, if it has a whole one with its header inside.
fn transport(frame: &[u8]) -> Option<Transport<'_>> {
    const TAGS: [u16; 2] = [0x8100, 0x88a8];
    let mut network = ETHERNET_BYTES;
    for _ in 0..LAYERS_MAX {
        match half(frame, network - 2)? {
            0x0800 => return ipv4(frame, network),
            0x86dd => return ipv6(frame, network),
            tag if TAGS.contains(&tag) => network += 4,
            _ => return None,
        }
    }
    None
}

fn ipv4(frame: &[u8], network: usize) -> Option<Transport<'_>> {
    const FRAGMENT: u16 = 0x3fff;
    let packet = frame.get(network..)?;
    let header_bytes = usize::from(packet.first()? & 0xf) * 4;
    let length = usize::from(half(packet, 2)?);
    if packet[0] >> 4 != 4 || header_bytes < 20 || half(packet, 6)? & FRAGMENT != 0 {
        return None;
    }
    whole(Transport {
        version: Version::V4,
        protocol: *packet.get(9)?,
        addresses: packet.get(12..20)?,
        network,
        start: network + header_bytes,
        bytes: packet.get(header_bytes..length)?,
    })
}

fn ipv6(frame: &[u8], network: usize) -> Option<Transport<'_>> {
    const OPTIONS: [u8; 3] = [0, 43, 60];
    let packet = frame.get(network..)?;
    let length = IPV6_BYTES + usize::from(half(packet, 4)?);
    if packet[0] >> 4 != 6 {
        return None;
    }
    let mut protocol = *packet.get(6)?;
    let mut start = IPV6_BYTES;
    for _ in 0..LAYERS_MAX {
        if !OPTIONS.contains(&protocol) {
            break;
        }
        protocol = *packet.get(start)?;
        start += (usize::from(*packet.get(start + 1)?) + 1) * 8;
    }
    whole(Transport {
        version: Version::V6,
        protocol,
        addresses: packet.get(8..40)?,
        network,
        start: network + start,
        bytes: packet.get(start..length)?,
    })
}

fn whole(transport: Transport<'_>) -> Option<Transport<'_>> {
    let header_bytes = match transport.protocol {
        TCP => 20,
        UDP => 8,
        _ => return None,
    };
    (transport.bytes.len() >= header_bytes).then_some(transport)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// UDP from 10.0.0.1 to 10.0.0.2, two bytes of data, with the sum of the pseudo-header: 0xa00 twice, 1, 2, 17 and 10.
    const UDP_V4: [u8; 46] = [
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, // Ethernet
        0x45, 0, 0, 30, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, // IPv4
        0, 9, 0, 9, 0, 10, 0x14, 0x1e, 1, 2, // UDP
        0, 0, // padding
    ];

    fn partial(csum_start: u16, csum_offset: u16) -> VnetHeader {
        VnetHeader {
            flags: VnetHeader::NEEDS_CSUM,
            csum_start,
            csum_offset,
            ..VnetHeader::default()
        }
    }

    #[test]
    fn an_unfinished_checksum_is_known() {
        assert_eq!(guess(&UDP_V4, 1500), Guess::Frame(partial(34, 6)));
        let mut tagged = UDP_V4[..12].to_vec();
        tagged.extend([0x81, 0, 0, 5]);
        tagged.extend(&UDP_V4[12..]);
        assert_eq!(guess(&tagged, 1500), Guess::Frame(partial(38, 6)));
        let done = Guess::Frame(VnetHeader::default());
        for (at, value) in [
            (40, 0x15),
            (20, 0x20),
            (23, 1),
            (14, 0x65),
            (17, 31),
            (17, 2),
        ] {
            let mut frame = UDP_V4;
            frame[at] ^= value;
            assert_eq!(guess(&frame, 1500), done, "{at}");
        }
    }

    #[test]
    fn joined_frames() {
        assert_eq!(guess(&UDP_V4, 29), Guess::JoinedDatagrams);
        let tcp = tcp_v6(3000);
        let Guess::Frame(vnet) = guess(&tcp, 1500) else {
            panic!()
        };
        let expected = VnetHeader {
            gso_type: 4 | VnetHeader::GSO_ECN,
            gso_size: 1440,
            hdr_len: 74,
            ..partial(54, 16)
        };
        assert_eq!(vnet, expected);
        assert_eq!(guess(&tcp, 3060), Guess::Frame(partial(54, 16)));
    }

    /// TCP over IPv6 with so many bytes of data and the sum of the pseudo-header.
    fn tcp_v6(data: u16) -> Vec<u8> {
        let length = data + 20;
        let mut frame = vec![0; 12];
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend(length.to_be_bytes());
        frame.extend([6, 64]);
        frame.extend([0xfd, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        frame.extend([0xfd, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        frame.extend([0, 9, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x90, 1, 0]);
        let sum = 0xfd07 * 2 + 3 + 6 + u32::from(length);
        let sum = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
        frame.extend(sum.to_be_bytes());
        frame.extend([0, 0]);
        frame.resize(frame.len() + usize::from(data), 7);
        frame
    }

    /// Cut or changed anywhere: whatever is said lies within the frame.
    #[test]
    fn hostile() {
        for frame in [UDP_V4.to_vec(), tcp_v6(40)] {
            for end in 0..=frame.len() {
                check(&frame[..end]);
            }
            for at in 0..frame.len() {
                for value in [0, 1, 0x0f, 0x7f, 0x80, 0xff] {
                    let mut frame = frame.clone();
                    frame[at] = value;
                    check(&frame);
                }
            }
        }
    }

    fn check(frame: &[u8]) {
        for mtu in [0, 1, 70, 1500, u32::MAX] {
            if let Guess::Frame(vnet) = guess(frame, mtu)
                && vnet.needs_checksum()
            {
                let place = usize::from(vnet.csum_start) + usize::from(vnet.csum_offset);
                assert!(place + 2 <= frame.len());
            }
        }
    }
}

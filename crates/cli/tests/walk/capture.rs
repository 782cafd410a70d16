//! Capture files made and read by the tests themselves, so that skep's reader and writer are held against the formats
//! (draft-ietf-opsawg-pcap and -pcapng) and not against each other.

/// A packet and when it was captured: seconds and nanoseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Captured {
    /// Seconds since 1970.
    pub(crate) seconds: u32,
    /// Nanoseconds of the second, whole microseconds.
    pub(crate) nanos: u32,
    /// The frame.
    pub(crate) bytes: Vec<u8>,
}

const ETHERNET: u32 = 1;
const MICROS: u32 = 0xa1b2_c3d4;
const NANOS: u32 = 0xa1b2_3c4d;

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

/// A pcap file with microseconds, little endian.
pub(crate) fn pcap(packets: &[Captured]) -> Vec<u8> {
    let mut file = words(&[MICROS, 4 << 16 | 2, 0, 0, 65_535, ETHERNET]);
    for packet in packets {
        let len = length(&packet.bytes);
        file.extend(words(&[packet.seconds, packet.nanos / 1000, len, len]));
        file.extend(&packet.bytes);
    }
    file
}

/// A pcapng file: one section, one interface, enhanced packets, and a block of an unknown type, which readers skip.
pub(crate) fn pcapng(packets: &[Captured]) -> Vec<u8> {
    let mut file = block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]));
    file.extend(block(1, &words(&[ETHERNET, 65_535])));
    file.extend(block(0x0bad_0bad, &words(&[7])));
    for packet in packets {
        let micros = u64::from(packet.seconds) * 1_000_000 + u64::from(packet.nanos / 1000);
        let (high, low) = (
            u32::try_from(micros >> 32).unwrap(),
            u32::try_from(micros & 0xffff_ffff).unwrap(),
        );
        let len = length(&packet.bytes);
        let mut body = words(&[0, high, low, len, len]);
        body.extend(&packet.bytes);
        file.extend(block(6, &body));
    }
    file
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let total = u32::try_from(padded + 12).unwrap();
    let mut block = words(&[kind, total]);
    block.extend(body);
    block.resize(8 + padded, 0);
    block.extend(words(&[total]));
    block
}

/// Reads a pcap file of either resolution and byte order.
pub(crate) fn read(file: &[u8]) -> Vec<Captured> {
    let word = |at: usize, swapped: bool| {
        let word = u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        if swapped { word.swap_bytes() } else { word }
    };
    let (swapped, unit) = match (word(0, false), word(0, true)) {
        (MICROS, _) => (false, 1000),
        (NANOS, _) => (false, 1),
        (_, MICROS) => (true, 1000),
        (_, NANOS) => (true, 1),
        (other, _) => panic!("not pcap: {other:#x}"),
    };
    assert_eq!(word(20, swapped), ETHERNET);
    let (mut at, mut packets) = (24, Vec::new());
    while at < file.len() {
        let (seconds, part, len) = (
            word(at, swapped),
            word(at + 4, swapped),
            word(at + 8, swapped),
        );
        assert_eq!(len, word(at + 12, swapped), "nothing was cut");
        let end = at + 16 + usize::try_from(len).unwrap();
        packets.push(Captured {
            seconds,
            nanos: part * unit,
            bytes: file[at + 16..end].to_vec(),
        });
        at = end;
    }
    packets
}

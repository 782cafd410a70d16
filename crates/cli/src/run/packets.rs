//! The built-in packets: one of each kind that a first XDP program looks for.

use etherparse::PacketBuilder;

const HERE: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
const THERE: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];
/// Addresses reserved for documentation (RFC 5737, RFC 3849).
const V4: [[u8; 4]; 2] = [[192, 0, 2, 1], [192, 0, 2, 2]];
const V6: [[u8; 16]; 2] = [
    [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
];
const HOPS: u8 = 64;

/// ICMP echo request, TCP SYN to port 80, UDP to port 53, ICMPv6 echo request.
pub(crate) fn built_in() -> Vec<Vec<u8>> {
    let ethernet = || PacketBuilder::ethernet2(HERE, THERE);
    let v4 = || ethernet().ipv4(V4[0], V4[1], HOPS);
    let mut packets = vec![Vec::new(); 4];
    let payload = [0x61; 32];
    // Writing to a vector does not fail, and the payloads are far below every length limit.
    let written = [
        v4().icmpv4_echo_request(1, 1)
            .write(&mut packets[0], &payload)
            .is_ok(),
        v4().tcp(40_000, 80, 1, 64_240)
            .syn()
            .write(&mut packets[1], &[])
            .is_ok(),
        v4().udp(40_000, 53)
            .write(&mut packets[2], &payload)
            .is_ok(),
        ethernet()
            .ipv6(V6[0], V6[1], HOPS)
            .icmpv6_echo_request(1, 1)
            .write(&mut packets[3], &payload)
            .is_ok(),
    ];
    debug_assert!(written.iter().all(|written| *written));
    packets
}

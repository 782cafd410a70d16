//! The receive ring and the sender, on a veth pair.

use crate::world::{RING, frame, ip, pair, receive, receive_nothing, send};
use skep_sys::ClassicInsn;
use skep_sys::packet::{
    BATCH_BYTES, BATCH_FRAMES, PacketType, RingSpec, RxRing, TxSocket, VlanTag, VnetHeader,
};
use std::io;

pub(crate) fn frames_of_all_sizes() {
    let (a, b) = pair();
    let mut ring = RxRing::open(b, RING, &[]).unwrap();
    let mut socket = TxSocket::open(None).unwrap();
    let sizes = [14, 15, 60, 64, 1514, 4000, 65_535, 65_549];
    // More than a batch and more than a block: the socket flushes by itself, the ring goes round several times.
    let rounds: u8 = 60;
    let mut received = 0;
    for number in 0..rounds {
        for size in sizes {
            let frame = frame(size, number);
            let (head, tail) = frame.split_at(size / 2);
            socket.push(a, &VnetHeader::default(), &[head, &[], tail]);
        }
        let outcome = socket.flush();
        assert_eq!((outcome.sent, outcome.failed), (8, 0), "{outcome:?}");
        assert!(socket.is_empty());
        for size in sizes {
            let expected = frame(size, number);
            receive(&mut ring, |got| {
                assert_eq!(got.data, expected);
                assert_eq!(usize::try_from(got.wire_bytes).unwrap(), size);
                assert!(!got.is_truncated());
                assert_eq!(got.vnet, VnetHeader::default());
                assert_eq!((got.vlan, got.packet_type), (None, PacketType::Broadcast));
            });
            received += 1;
        }
    }
    receive_nothing(&mut ring);
    let statistics = ring.take_statistics().unwrap();
    assert_eq!((statistics.packets, statistics.drops), (received, 0));
    assert_eq!(statistics.malformed_blocks, 0);
    assert_eq!(ring.take_statistics().unwrap().packets, 0);
}

pub(crate) fn frames_too_long_for_a_block() {
    let (a, b) = pair();
    let spec = RingSpec {
        block_bytes: 16 << 10,
        ..RING
    };
    let mut ring = RxRing::open(b, spec, &[]).unwrap();
    let mut socket = TxSocket::open(None).unwrap();
    send(&mut socket, a, &frame(20_000, 1));
    send(&mut socket, a, &frame(100, 2));
    receive(&mut ring, |got| {
        assert!(got.is_truncated());
        assert_eq!(got.wire_bytes, 20_000);
        assert_eq!(got.data, &frame(20_000, 1)[..got.data.len()]);
        assert!(got.data.len() > 15_000);
    });
    receive(&mut ring, |got| assert_eq!(got.data, frame(100, 2)));
}

pub(crate) fn tags_are_metadata() {
    let (a, b) = pair();
    let mut ring = RxRing::open(b, RING, &[]).unwrap();
    let mut socket = TxSocket::open(None).unwrap();
    let plain = frame(100, 1);
    let check = |ring: &mut RxRing, tag| {
        receive(ring, |got| {
            assert_eq!(got.data, plain);
            assert_eq!(got.vlan, tag);
        });
    };
    let tag = |tci, tpid| Some(VlanTag { tci, tpid });
    // The receiving side takes tags out of the frame, as network cards do. VLAN 0 is a tag, too.
    for (bytes, tag) in [
        ([0x81, 0, 0xa0, 7], tag(0xa007, 0x8100)),
        ([0x88, 0xa8, 0, 9], tag(9, 0x88a8)),
        ([0x81, 0, 0, 0], tag(0, 0x8100)),
    ] {
        let (addresses, rest) = plain.split_at(12);
        socket.push(a, &VnetHeader::default(), &[addresses, &bytes, rest]);
        assert_eq!(socket.flush().sent, 1);
        check(&mut ring, tag);
    }
    send(&mut socket, a, &plain);
    check(&mut ring, None);
}

pub(crate) fn losses_are_counted() {
    const SENT: u32 = 5000;
    let (a, b) = pair();
    let spec = RingSpec {
        block_bytes: 64 << 10,
        blocks: 4,
        ..RING
    };
    let mut ring = RxRing::open(b, spec, &[]).unwrap();
    let mut socket = TxSocket::open(None).unwrap();
    let mut total = 0;
    for _ in 0..SENT {
        socket.push(a, &VnetHeader::default(), &[&frame(200, 0)]);
    }
    let outcome = socket.flush();
    total += outcome.sent;
    assert_eq!(total + outcome.failed, SENT);
    std::thread::sleep(10 * RING.retire);
    let mut read = 0;
    while ring.next().is_some() {
        read += 1;
    }
    let statistics = ring.take_statistics().unwrap();
    assert_eq!(statistics.packets, total, "{outcome:?}");
    assert_eq!(statistics.packets - statistics.drops, read);
    assert!(statistics.drops > 1000, "{statistics:?}");
    // And it goes on.
    send(&mut socket, a, &frame(60, 1));
    receive(&mut ring, |got| assert_eq!(got.data, frame(60, 1)));
}

/// Passes what does not carry the mark (the ancillary load of `SKF_AD_OFF + SKF_AD_MARK`).
fn without_mark(mark: u32) -> [ClassicInsn; 4] {
    let insn = |code, jt, jf, k| ClassicInsn { code, jt, jf, k };
    [
        insn(0x20, 0, 0, 0xffff_f014),
        insn(0x15, 0, 1, mark),
        insn(0x06, 0, 0, 0),
        insn(0x06, 0, 0, u32::MAX),
    ]
}

pub(crate) fn filter_by_mark() {
    const MARK: u32 = 0xfedc_ba98;
    let (a, b) = pair();
    let mut ring = RxRing::open(b, RING, &without_mark(MARK)).unwrap();
    for (mark, passes) in [(None, true), (Some(MARK), false), (Some(7), true)] {
        let mut socket = TxSocket::open(mark).unwrap();
        send(&mut socket, a, &frame(64, 3));
        match passes {
            true => receive(&mut ring, |got| assert_eq!(got.data, frame(64, 3))),
            false => receive_nothing(&mut ring),
        }
    }
    // What leaves by the interface is not seen.
    let mut socket = TxSocket::open(None).unwrap();
    send(&mut socket, b, &frame(64, 4));
    receive_nothing(&mut ring);
    assert_eq!(ring.take_statistics().unwrap().packets, 2);
}

fn number(error: &io::Error) -> Option<i32> {
    error.raw_os_error()
}

pub(crate) fn down_and_up_again() {
    let (a, b) = pair();
    let mut ring = RxRing::open(b, RING, &[]).unwrap();
    let mut socket = TxSocket::open(None).unwrap();
    for round in 0..3 {
        send(&mut socket, a, &frame(64, round));
        receive(&mut ring, |got| assert_eq!(got.data, frame(64, round)));
        assert!(ring.take_error().is_none());
        ip("link set vb down");
        let error = ring.take_error().unwrap();
        assert_eq!(number(&error), Some(libc::ENETDOWN));
        assert!(ring.take_error().is_none());
        socket.push(b, &VnetHeader::default(), &[&frame(64, 9)]);
        socket.push(a, &VnetHeader::default(), &[&frame(64, 9)]);
        let outcome = socket.flush();
        assert_eq!((outcome.sent, outcome.failed), (0, 2), "{outcome:?}");
        let first = outcome.first_error.as_ref().and_then(number);
        assert_eq!(first, Some(libc::ENETDOWN));
        ip("link set vb up");
    }
    ip("link delete vb");
    assert!(ring.take_error().is_some());
    assert_eq!(ring.next(), None);
    socket.push(b, &VnetHeader::default(), &[&frame(64, 9)]);
    let outcome = socket.flush();
    let first = outcome.first_error.as_ref().and_then(number);
    assert_eq!(first, Some(libc::ENXIO));
}

pub(crate) fn refusals() {
    let (a, b) = pair();
    ip("link set va mtu 1500");
    let mut socket = TxSocket::open(None).unwrap();
    let impossible = VnetHeader {
        flags: VnetHeader::NEEDS_CSUM,
        csum_start: 5000,
        ..VnetHeader::default()
    };
    let default = VnetHeader::default();
    for (ifindex, vnet, bytes, error) in [
        (a, default, 1600, libc::EMSGSIZE),
        (a, default, BATCH_BYTES, libc::EMSGSIZE),
        (a, default, 13, libc::EINVAL),
        (a, default, 0, libc::EINVAL),
        (a, impossible, 100, libc::EINVAL),
        (4711, default, 100, libc::ENXIO),
        (u32::MAX, default, 100, libc::ENXIO),
    ] {
        // Good frames around are not harmed.
        socket.push(a, &default, &[&frame(60, 1)]);
        socket.push(ifindex, &vnet, &[&vec![0xff; bytes]]);
        socket.push(a, &default, &[&frame(60, 1)]);
        let outcome = socket.flush();
        assert_eq!((outcome.sent, outcome.failed), (2, 1), "{outcome:?}");
        let first = outcome.first_error.as_ref().and_then(number);
        assert_eq!(first, Some(error), "{ifindex} {bytes}");
    }
    for _ in 0..=BATCH_FRAMES {
        socket.push(b, &default, &[&frame(60, 1)]);
    }
    assert_eq!(
        usize::try_from(socket.flush().sent).unwrap(),
        BATCH_FRAMES + 1
    );

    let open = |ifindex, spec, filter: &[_]| RxRing::open(ifindex, spec, filter).unwrap_err();
    assert_eq!(number(&open(4711, RING, &[])), Some(libc::ENODEV));
    let odd = RingSpec {
        block_bytes: 5000,
        ..RING
    };
    assert_eq!(number(&open(b, odd, &[])), Some(libc::EINVAL));
    let none = RingSpec { blocks: 0, ..RING };
    assert_eq!(number(&open(b, none, &[])), Some(libc::EINVAL));
    let endless = ClassicInsn {
        code: 0x05,
        jt: 0,
        jf: 0,
        k: 7,
    };
    assert_eq!(number(&open(b, RING, &[endless])), Some(libc::EINVAL));
}

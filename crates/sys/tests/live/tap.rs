//! TAP devices. Where the tun file is refused, the cases check that the error says what to do.

use crate::world::{PATIENCE, RING, frame, ip, receive, receive_nothing, silence};
use skep_sys::packet::{Gso, RxRing, TxSocket, VnetHeader};
use skep_sys::{
    ClassicInsn, TUN_FILE, Tap, TapHeader, TapOffload, TapQueues, TapSpec, wait_readable,
};
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::Instant;

pub(crate) const PLAIN: TapSpec = TapSpec {
    queues: TapQueues::Single,
    header: TapHeader::None,
};
const VNET: TapSpec = TapSpec {
    queues: TapQueues::Multiple,
    header: TapHeader::Vnet,
};

/// An interface that is up and silent; `None` where it cannot be made, for a reason that the error explains.
fn create(spec: TapSpec) -> Option<Tap> {
    match Tap::create("t%d", spec) {
        Ok(tap) => {
            silence(tap.name());
            ip(&format!("link set {} up", tap.name()));
            Some(tap)
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with(TUN_FILE), "{text}");
            assert!(
                text.contains("chmod") || text.contains("modprobe"),
                "{text}"
            );
            None
        }
    }
}

/// Waits for a frame that the host sent.
fn read(tap: &Tap) -> (VnetHeader, Vec<u8>) {
    let mut buffer = vec![0; 70_000];
    wait_readable(tap.as_fd(), Some(PATIENCE)).unwrap();
    let (header, len) = tap.read(&mut buffer).unwrap().unwrap();
    buffer.truncate(len);
    (header, buffer)
}

pub(crate) fn frames_both_ways() {
    for spec in [PLAIN, VNET] {
        let Some(tap) = create(spec) else {
            return;
        };
        let ifindex = tap.ifindex().unwrap();
        assert_eq!(tap.read(&mut [0; 100]).unwrap(), None);
        let mut ring = RxRing::open(ifindex, RING, &[]).unwrap();
        let mut socket = TxSocket::open(None).unwrap();
        for size in [14, 60, 1514] {
            let frame = frame(size, 5);
            crate::world::send(&mut socket, ifindex, &frame);
            assert_eq!(read(&tap), (VnetHeader::default(), frame.clone()));
            let (head, tail) = frame.split_at(7);
            tap.write(&VnetHeader::default(), &[head, tail]).unwrap();
            receive(&mut ring, |got| assert_eq!(got.data, frame));
        }
        let number = |result: std::io::Result<()>| result.unwrap_err().raw_os_error();
        let header = VnetHeader::default();
        assert_eq!(number(tap.write(&header, &[&[0; 13]])), Some(libc::EINVAL));
        assert_eq!(
            number(tap.write(&header, &[&[][..]; 9])),
            Some(libc::EINVAL)
        );
        let again = Tap::create(tap.name(), spec).unwrap_err();
        assert_eq!(again.raw_os_error(), Some(libc::EBUSY));
        ip(&format!("link set {} down", tap.name()));
        let down = tap.write(&header, &[&frame(60, 1)]);
        assert_eq!(number(down), Some(libc::EIO));
        let name = tap.name().to_owned();
        drop(tap);
        assert!(skep_sys::interface_index(&name).is_err());
    }
}

pub(crate) fn queues() {
    let Some(first) = create(VNET) else {
        return;
    };
    let second = first.open_queue().unwrap();
    assert_eq!(second.name(), first.name());
    // Passes what entered by queue 1: the ancillary load `SKF_AD_OFF + SKF_AD_QUEUE` counts from one.
    let insn = |code, jt, jf, k| ClassicInsn { code, jt, jf, k };
    let filter = [
        insn(0x20, 0, 0, 0xffff_f018),
        insn(0x15, 0, 1, 2),
        insn(0x06, 0, 0, u32::MAX),
        insn(0x06, 0, 0, 0),
    ];
    let mut ring = RxRing::open(first.ifindex().unwrap(), RING, &filter).unwrap();
    let header = VnetHeader::default();
    first.write(&header, &[&frame(60, 1)]).unwrap();
    receive_nothing(&mut ring);
    second.write(&header, &[&frame(60, 2)]).unwrap();
    receive(&mut ring, |got| assert_eq!(got.data, frame(60, 2)));

    let single = create(PLAIN).unwrap();
    assert!(single.open_queue().is_err());
}

/// Nobody reads: what is too much is lost and counted, and the sender comes back.
pub(crate) fn unread() {
    let Some(tap) = create(PLAIN) else {
        return;
    };
    let ifindex = tap.ifindex().unwrap();
    let mut socket = TxSocket::open(None).unwrap();
    let begin = Instant::now();
    for number in 0..5000 {
        let frame = frame(1000, u8::try_from(number % 256).unwrap());
        socket.push(ifindex, &VnetHeader::default(), &[&frame]);
    }
    let outcome = socket.flush();
    assert!(begin.elapsed() < PATIENCE, "{outcome:?}");
    assert_eq!(outcome.sent + outcome.failed, 5000);
    assert!(outcome.failed > 1000, "{outcome:?}");
    let error = outcome.first_error.unwrap();
    assert_eq!(error.raw_os_error(), Some(libc::ENOBUFS));
    for number in 0..10 {
        assert_eq!(read(&tap).1, frame(1000, number));
    }
}

pub(crate) fn segments() {
    let Some(tap) = create(VNET) else {
        return;
    };
    tap.set_offload(TapOffload::Segments).unwrap();
    ip(&format!("address add 10.8.0.1/24 dev {}", tap.name()));
    let socket = UdpSocket::bind("10.8.0.1:0").unwrap();
    let datagram = [7; 300];
    socket.send_to(&datagram, "10.8.0.2:9").unwrap();
    let (header, frame) = read(&tap);
    assert!(header.needs_checksum(), "{header:?}");
    assert_eq!((header.gso(), header.csum_start), (Gso::None, 34));
    assert_eq!(&frame[42..], datagram);
    // Back with the addresses exchanged and the checksum still to be computed: the host's socket takes it.
    let mut answer = frame.clone();
    answer[..6].copy_from_slice(&frame[6..12]);
    answer[26..30].copy_from_slice(&frame[30..34]);
    answer[30..34].copy_from_slice(&frame[26..30]);
    answer[34..36].copy_from_slice(&frame[36..38]);
    answer[36..38].copy_from_slice(&frame[34..36]);
    tap.write(&header, &[&answer]).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let (len, from) = socket.recv_from(&mut [0; 400]).unwrap();
    assert_eq!((len, from.port()), (300, 9));

    tap.set_offload(TapOffload::None).unwrap();
    socket.send_to(&datagram, "10.8.0.2:9").unwrap();
    assert_eq!(read(&tap).0, VnetHeader::default());
    let plain = create(PLAIN).unwrap();
    assert!(plain.set_offload(TapOffload::Segments).is_err());
}

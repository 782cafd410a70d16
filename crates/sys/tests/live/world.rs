//! Namespaces, interfaces and frames for the cases.

use skep_sys::packet::{RingSpec, RxFrame, RxRing, TxSocket, VnetHeader};
use skep_sys::{Readiness, interface_index, wait_readable};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::{Duration, Instant};

/// Longest wait for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A ring that holds the longest frames.
pub(crate) const RING: RingSpec = RingSpec {
    block_bytes: 256 << 10,
    blocks: 8,
    retire: Duration::from_millis(1),
};

/// Runs a case inside.
///
/// As the user that the tests run as: an ordinary user suffices, and root outside is none inside.
pub(crate) fn run_inside(name: &str) {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net"]);
    command.arg(std::env::current_exe().unwrap());
    let output = command.env("SKEP_SYS_INSIDE", name).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}", output.status);
}

/// Runs `ip` with these words.
pub(crate) fn ip(words: &str) {
    let output = Command::new("ip").args(words.split_whitespace()).output();
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {words}: {text}");
}

/// A silent veth pair `va`, `vb`, both up; gives their numbers.
pub(crate) fn pair() -> (u32, u32) {
    ip("link add name va type veth peer name vb");
    for end in ["va", "vb"] {
        silence(end);
        ip(&format!("link set {end} mtu 65535 up"));
    }
    (
        interface_index("va").unwrap(),
        interface_index("vb").unwrap(),
    )
}

/// Keeps the host's own neighbour discovery away from an interface.
pub(crate) fn silence(interface: &str) {
    ip(&format!("link set {interface} addrgenmode none arp off"));
    std::fs::write(
        format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6"),
        "1",
    )
    .unwrap();
}

/// A frame of `len` bytes that says its length and number in each place.
pub(crate) fn frame(len: usize, number: u8) -> Vec<u8> {
    let header = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, number, 0x88, 0xb5,
    ];
    let payload = (0..len).map(|at| u8::try_from(at % 251).unwrap() ^ number);
    header.into_iter().chain(payload).take(len).collect()
}

/// Sends one frame that must go.
pub(crate) fn send(socket: &mut TxSocket, ifindex: u32, frame: &[u8]) {
    socket.push(ifindex, &VnetHeader::default(), &[frame]);
    let outcome = socket.flush();
    assert_eq!((outcome.sent, outcome.failed), (1, 0), "{outcome:?}");
}

/// Waits for the next frame and shows it to `look`.
pub(crate) fn receive<T>(ring: &mut RxRing, look: impl Fn(RxFrame<'_>) -> T) -> T {
    let begin = Instant::now();
    loop {
        if let Some(frame) = ring.next() {
            return look(frame);
        }
        assert!(begin.elapsed() < PATIENCE, "no frame");
        let readiness = wait_readable(ring.as_fd(), Some(PATIENCE)).unwrap();
        assert_eq!(readiness, Readiness::Ready);
    }
}

/// Fails if a frame comes within some time that is long for the ring.
pub(crate) fn receive_nothing(ring: &mut RxRing) {
    std::thread::sleep(10 * RING.retire);
    assert_eq!(ring.next(), None);
}

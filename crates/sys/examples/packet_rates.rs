//! How fast frames are sent and received on a veth pair: `unshare -Urn target/release/examples/packet_rates [BYTES]`.
//!
//! Prints nanoseconds for each frame: of the sender alone (the receiving half of the pair's work is done by its system
//! call), and of the receiver's reading of full blocks. The pair `va`, `vb` is made here.

#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement, not a program"
)]

use skep_sys::packet::{RingSpec, RxRing, TxSocket, VnetHeader};
use skep_sys::{interface_index, wait_readable};
use std::io;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ROUNDS: u32 = 20;
const FRAMES: u32 = 50_000;
/// Few enough for the blocks of a ring, many enough to hide the clock's cost.
const FRAMES_READ: u32 = 1_000;

fn main() -> io::Result<()> {
    let bytes = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(64);
    let setup = "set -e; ip link add va type veth peer name vb
        for i in va vb; do
            ip link set dev $i addrgenmode none; ip link set dev $i arp off
            echo 1 > /proc/sys/net/ipv6/conf/$i/disable_ipv6; ip link set dev $i mtu 65535 up
        done";
    // A header of two lines, and loopback.
    if std::fs::read_to_string("/proc/net/dev")?.lines().count() > 3 {
        return Err(io::Error::other("run this in a network of its own"));
    }
    if !Command::new("sh").args(["-c", setup]).status()?.success() {
        return Err(io::Error::other("no pair could be made"));
    }
    let (a, b) = (interface_index("va")?, interface_index("vb")?);
    let frame = vec![0xff; bytes];
    println!("frames of {bytes} bytes");
    send_alone(a, &frame)?;
    read_alone(a, b, &frame)?;
    both(a, b, &frame)
}

fn ring(b: u32, blocks: u32) -> io::Result<RxRing> {
    let spec = RingSpec {
        block_bytes: 256 << 10,
        blocks,
        retire: Duration::from_millis(1),
    };
    RxRing::open(b, spec, &[])
}

fn send(socket: &mut TxSocket, a: u32, frame: &[u8], count: u32) -> u32 {
    for _ in 0..count {
        socket.push(a, &VnetHeader::default(), &[frame]);
    }
    socket.flush().failed
}

fn report(what: &str, elapsed: Duration, frames: u64) {
    let nanos = elapsed.as_nanos() as f64 / frames as f64;
    println!("{what}: {nanos:.1} ns a frame, {:.3} Mpps", 1e3 / nanos);
}

/// Nobody listens: what a sent frame costs, its way into the other end's host included.
fn send_alone(a: u32, frame: &[u8]) -> io::Result<()> {
    let mut socket = TxSocket::open(None)?;
    let begin = Instant::now();
    let failed: u32 = (0..ROUNDS)
        .map(|_| send(&mut socket, a, frame, FRAMES))
        .sum();
    report(
        "sent, nobody listens",
        begin.elapsed(),
        u64::from(ROUNDS * FRAMES),
    );
    println!("  {failed} failed");
    Ok(())
}

/// Blocks are full before they are read: what reading costs.
fn read_alone(a: u32, b: u32, frame: &[u8]) -> io::Result<()> {
    let (mut socket, mut ring) = (TxSocket::open(None)?, ring(b, 64)?);
    let (mut frames, mut bytes, mut elapsed) = (0_u64, 0_usize, Duration::ZERO);
    for _ in 0..10 * ROUNDS {
        send(&mut socket, a, frame, FRAMES_READ);
        std::thread::sleep(Duration::from_millis(5));
        let begin = Instant::now();
        while let Some(frame) = ring.next() {
            frames += 1;
            bytes += frame.data.len() + usize::from(frame.vlan.is_some());
        }
        elapsed += begin.elapsed();
    }
    report("read from full blocks", elapsed, frames);
    println!("  {bytes} bytes");
    Ok(())
}

/// One thread sends, the other reads.
fn both(a: u32, b: u32, frame: &[u8]) -> io::Result<()> {
    let mut ring = ring(b, 64)?;
    let mut socket = TxSocket::open(None)?;
    let done = AtomicBool::new(false);
    let begin = Instant::now();
    let received = std::thread::scope(|scope| {
        scope.spawn(|| {
            let failed: u32 = (0..ROUNDS)
                .map(|_| send(&mut socket, a, frame, FRAMES))
                .sum();
            report(
                "sent, with a reader",
                begin.elapsed(),
                u64::from(ROUNDS * FRAMES),
            );
            println!("  {failed} failed");
            done.store(true, Ordering::Release);
        });
        let mut received = 0_u64;
        while !done.load(Ordering::Acquire) {
            while ring.next().is_some() {
                received += 1;
            }
            wait_readable(ring.as_fd(), Some(Duration::from_millis(5)))?;
        }
        io::Result::Ok(received)
    })?;
    report("received, with a sender", begin.elapsed(), received);
    println!("  {:?}", ring.take_statistics()?);
    Ok(())
}

//! UDP with sequence numbers: which of them arrived, and how often.

use super::{Receiver, command};
use crate::world::Space;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// How often each sequence number arrived.
pub(crate) type Arrivals = BTreeMap<u32, u32>;

/// A stream of datagrams.
pub(crate) struct Stream<'a> {
    /// Address and port, `10.1.0.1:7000`.
    pub(crate) to: &'a str,
    /// Number of datagrams.
    pub(crate) count: u32,
    /// From one to the next.
    pub(crate) pace: Duration,
    /// Of the datagram, at least 4.
    pub(crate) bytes: usize,
}

impl<'a> Stream<'a> {
    /// `count` small datagrams, a third of a millisecond apart.
    pub(crate) fn new(to: &'a str, count: u32) -> Self {
        Self {
            to,
            count,
            pace: Duration::from_micros(300),
            bytes: 64,
        }
    }

    fn command(&self, space: &Space, program: &Path) -> std::process::Command {
        let words = [
            self.to,
            &self.count.to_string(),
            &self.pace.as_micros().to_string(),
            &self.bytes.to_string(),
        ]
        .map(str::to_owned);
        command(
            space,
            program,
            "udp-send",
            &words.each_ref().map(String::as_str),
        )
    }

    /// Sends them all. Those of one run come from one port.
    pub(crate) fn send(&self, space: &Space, program: &Path) {
        let sent = self.start(space, program).wait();
        assert_eq!(sent, self.count);
    }

    /// Sends in the background until told to stop.
    pub(crate) fn start(&self, space: &Space, program: &Path) -> Sending {
        let mut command = self.command(space, program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Sending(command.spawn().unwrap())
    }
}

/// A sender in the background.
pub(crate) struct Sending(Child);

impl Sending {
    /// Stops it and gives how many it sent: the numbers from zero up to this.
    pub(crate) fn stop(mut self) -> u32 {
        drop(self.0.stdin.take());
        self.finish()
    }

    fn wait(mut self) -> u32 {
        let _open = self.0.stdin.take();
        self.finish()
    }

    fn finish(&mut self) -> u32 {
        let mut text = String::new();
        self.0
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert!(self.0.wait().unwrap().success());
        text.trim().parse().unwrap()
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Listens on a port of every address; [`arrivals`] reads what it prints at its end.
pub(crate) fn listen(space: &Space, program: &Path, port: u16) -> Receiver {
    Receiver::start(command(space, program, "udp-recv", &[&port.to_string()]))
}

/// Listens on a port, to what is sent to a multicast group at `x0`, too.
pub(crate) fn listen_in_group(space: &Space, program: &Path, port: u16, group: &str) -> Receiver {
    Receiver::start(command(
        space,
        program,
        "udp-recv",
        &[&port.to_string(), group],
    ))
}

/// Ends a receiver and reads its report.
pub(crate) fn arrivals(receiver: Receiver) -> Arrivals {
    let text = receiver.end();
    let mut arrivals = Arrivals::new();
    for line in text.lines() {
        let numbers: Vec<u32> = line.split(' ').map(|word| word.parse().unwrap()).collect();
        let [from, to, times] = numbers[..] else {
            panic!("{line}")
        };
        arrivals.extend((from..=to).map(|number| (number, times)));
    }
    arrivals
}

/// Every number below `count` once.
fn each_once(count: u32) -> Arrivals {
    (0..count).map(|number| (number, 1)).collect()
}

/// Runs to completion: sends `stream` and gives what arrived at `port` of `to`.
pub(crate) fn exchange(
    from: &Space,
    stream: &Stream<'_>,
    to: &Space,
    port: u16,
    program: &Path,
) -> Arrivals {
    let receiver = listen(to, program, port);
    stream.send(from, program);
    arrivals(receiver)
}

/// `TO COUNT MICROSECONDS BYTES`
pub(super) fn send_main(args: &[String]) {
    let [to, count, pace, bytes] = args else {
        panic!("{args:?}")
    };
    let (count, pace): (u32, u64) = (count.parse().unwrap(), pace.parse().unwrap());
    let mut payload = vec![0xa5; bytes.parse().unwrap()];
    let stopped = super::end_of_input();
    let own = if to.starts_with('[') {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    };
    let socket = UdpSocket::bind(own).unwrap();
    let begun = Instant::now();
    let mut sent = 0;
    while sent < count && !stopped.is_over() {
        payload[..4].copy_from_slice(&sent.to_be_bytes());
        // A full queue of the device is no loss: it was not sent.
        while let Err(error) = socket.send_to(&payload, to) {
            assert!(
                error.kind() != std::io::ErrorKind::InvalidInput,
                "{to}: {error}"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        sent += 1;
        let due = Duration::from_micros(pace * u64::from(sent));
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    std::io::stdout()
        .write_all(sent.to_string().as_bytes())
        .unwrap();
}

/// `PORT [GROUP]`
pub(super) fn recv_main(args: &[String]) {
    let port: u16 = args[0].parse().unwrap();
    let socket = match args.get(1) {
        None => UdpSocket::bind(("::", port))
            .or_else(|_| UdpSocket::bind(("0.0.0.0", port)))
            .unwrap(),
        Some(group) => {
            let socket = UdpSocket::bind(("0.0.0.0", port)).unwrap();
            socket
                .join_multicast_v4(&group.parse().unwrap(), &"10.1.0.1".parse().unwrap())
                .unwrap();
            socket
        }
    };
    socket.set_read_timeout(Some(super::QUIET)).unwrap();
    let mut out = std::io::stdout();
    out.write_all(b"ready\n").unwrap();
    out.flush().unwrap();
    let ended = super::end_of_input();
    let mut arrivals = Arrivals::new();
    let mut buffer = [0; 65536];
    loop {
        let was_ended = ended.is_over();
        match socket.recv(&mut buffer) {
            Ok(len) if len >= 4 => {
                let number = u32::from_be_bytes(buffer[..4].try_into().unwrap());
                *arrivals.entry(number).or_default() += 1;
            }
            Ok(_) => {}
            // Silence that began after the end was asked for.
            Err(_) if was_ended => break,
            Err(_) => {}
        }
    }
    out.write_all(ranges(&arrivals).as_bytes()).unwrap();
}

/// Lines `FROM TO TIMES`.
fn ranges(arrivals: &Arrivals) -> String {
    let mut ranges: Vec<(u32, u32, u32)> = Vec::new();
    for (&number, &times) in arrivals {
        match ranges.last_mut() {
            Some((_, to, same)) if *to + 1 == number && *same == times => *to = number,
            Some(_) | None => ranges.push((number, number, times)),
        }
    }
    ranges
        .iter()
        .map(|(from, to, times)| format!("{from} {to} {times}\n"))
        .collect()
}

/// Checks that every number below `count` arrived once, and says of which this is not true.
pub(crate) fn expect_each_once(arrivals: &Arrivals, count: u32) {
    assert!(*arrivals == each_once(count), "{}", flaws(arrivals, count));
}

/// Which numbers below `count` did not arrive once, or which others did.
pub(crate) fn flaws(arrivals: &Arrivals, count: u32) -> String {
    let wrong: Arrivals = (0..count)
        .map(|number| (number, arrivals.get(&number).copied().unwrap_or(0)))
        .filter(|&(_, times)| times != 1)
        .collect();
    let beyond: Arrivals = arrivals
        .range(count..)
        .map(|(&number, &times)| (number, times))
        .collect();
    format!("from to times:\n{}{}", ranges(&wrong), ranges(&beyond))
}

//! What running programs get of the machine: time, random numbers, the trace pipe.

use crate::connection::Peer;
use crate::{Host, Machine};
use skep_helpers::{Clock, Services};
use skep_maps::Devices;
use skep_sys::clock;
use std::sync::Arc;

/// Services of one run, on behalf of a peer.
#[derive(Debug)]
pub(crate) struct RunServices<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) peer: &'a Peer,
}

impl RunServices<'_> {
    /// The beginning of the kernel's line: command and pid of the runner, CPU, context flags, seconds since boot, event.
    fn trace_head(&self, cpu: u32, event: &str) -> String {
        let micros = self.clock_ns(Clock::Monotonic) / 1000;
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        let (comm, pid) = (&self.peer.comm, self.peer.pid);
        format!("{comm:>16}-{pid:<7} [{cpu:03}] b..11 {seconds:>5}.{micros:06}: {event}: ")
    }

    /// A line of an event that is no program's output.
    pub(crate) fn trace_event(&self, event: &str, text: &str) {
        // Whoever tells of an event holds no CPU slot; a single run's would be the lowest.
        self.machine.trace.push(self.trace_head(0, event) + text);
    }
}

impl Services for RunServices<'_> {
    fn clock_ns(&self, clock: Clock) -> u64 {
        self.machine.config.host.clock_ns(clock)
    }

    fn random_u32(&self) -> u32 {
        self.machine.config.host.random_u32()
    }

    fn trace(&self, cpu: u32, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let head = self.trace_head(cpu, "bpf_trace_printk");
        let mut lines = text.split('\n');
        self.machine
            .trace
            .push(head + lines.next().unwrap_or_default());
        // What follows a line break stands alone, as in Linux's pipe; so does the empty rest behind a final one.
        for line in lines {
            self.machine.trace.push(line.to_owned());
        }
    }
}

/// The host's interfaces, for maps.
#[derive(Debug)]
pub(crate) struct HostDevices(pub(crate) Arc<dyn Host>);

impl Devices for HostDevices {
    fn exists(&self, ifindex: u32) -> bool {
        self.0.device_exists(ifindex)
    }
}

/// Whether the host has an interface of that number.
pub(crate) fn host_device_exists(ifindex: u32) -> bool {
    skep_sys::interface_name(ifindex).is_ok()
}

/// A clock of the host.
pub(crate) fn host_clock_ns(clock: Clock) -> u64 {
    clock::now_ns(match clock {
        Clock::Monotonic => clock::Clock::Monotonic,
        Clock::Boot => clock::Clock::Boottime,
        Clock::Coarse => clock::Clock::MonotonicCoarse,
        Clock::Tai => clock::Clock::Tai,
    })
}

/// A random number of the host, or the low bits of its clock where it has none.
pub(crate) fn host_random_u32() -> u32 {
    let mut bytes = [0; 4];
    match skep_sys::fill_random(&mut bytes) {
        Ok(()) => u32::from_ne_bytes(bytes),
        Err(_) => {
            u32::try_from(host_clock_ns(Clock::Monotonic) & 0xffff_ffff).expect("masked to 32 bits")
        }
    }
}

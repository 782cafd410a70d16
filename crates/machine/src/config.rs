//! What a machine is made with: CPU slots, clocks and random numbers, limits.

use crate::Ports;
use skep_btf::core::KernelBtf;
use skep_helpers::Clock;
use std::fmt;
use std::sync::Arc;

/// Where time, random numbers and interfaces come from; settable, so that runs can be reproduced.
pub trait Host: Send + Sync + fmt::Debug {
    /// Nanoseconds of a clock.
    fn clock_ns(&self, clock: Clock) -> u64;
    /// A random number.
    fn random_u32(&self) -> u32;
    /// Whether an interface exists, so that device maps may name it: in the network namespace of the calling thread.
    fn device_exists(&self, ifindex: u32) -> bool {
        crate::services::host_device_exists(ifindex)
    }
}

/// The real clocks and random numbers of the host.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostClock;

impl Host for HostClock {
    fn clock_ns(&self, clock: Clock) -> u64 {
        crate::services::host_clock_ns(clock)
    }

    fn random_u32(&self) -> u32 {
        crate::services::host_random_u32()
    }
}

/// Configuration of a machine.
#[derive(Clone, Debug)]
pub struct Config {
    /// CPU slots: how many runs go on at once, and how many values per-CPU maps have. At least 1.
    pub cpus: u32,
    /// Lines that the trace pipe holds before the oldest are lost.
    pub trace_lines_max: usize,
    /// Time and random numbers.
    pub host: Arc<dyn Host>,
    /// The kernel's types, by which programs name its functions; `None`: there are none.
    pub kernel: Option<Arc<KernelBtf>>,
    /// Network interfaces; `None`: nothing can be attached.
    pub ports: Option<Arc<dyn Ports>>,
}

impl Config {
    /// A machine like its host: as many CPU slots as the host has CPUs, the host's clocks.
    #[must_use]
    pub fn of_host() -> Self {
        Self {
            cpus: skep_sys::possible_cpus().unwrap_or(1),
            trace_lines_max: 64 << 10,
            host: Arc::new(HostClock),
            kernel: None,
            ports: None,
        }
    }
}

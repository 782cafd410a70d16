//! The thread that watches the interfaces of the namespace.
//!
//! It tells the table of renamed, changed and deleted interfaces, and has every way looked after once a second: somebody may have
//! removed a filter of ours (`tc qdisc del dev X clsact`), whereupon packets would reach the host without a verdict and a second
//! time after one. Filters are put back; if that cannot be, or a device of ours is gone, the program is detached, and the trace
//! pipe says so.

use super::background::{Background, Orders};
use super::ports::Inner;
use super::refusal::Refusal;
use skep_sys::netlink::{IfIndex, LinkEvent, Monitor, Netlink, NetlinkError};
use skep_sys::wait_any_readable;
use std::os::fd::AsFd;
use std::sync::Weak;
use std::time::{Duration, Instant};

/// How often each way is looked after.
const PERIOD: Duration = Duration::from_millis(700);

/// Starts it. From then on no change is missed.
pub(crate) fn start(ports: Weak<Inner>) -> Result<Background, Refusal> {
    let monitor = Monitor::open()?;
    let netlink = Netlink::open()?;
    let started = Background::start("skep-monitor".to_owned(), move |orders| {
        let mut watch = Watch {
            ports,
            monitor,
            netlink,
            orders,
        };
        watch.run();
    });
    started.map_err(|error| Refusal::system("a thread that watches the interfaces", error))
}

struct Watch {
    ports: Weak<Inner>,
    monitor: Monitor,
    netlink: Netlink,
    orders: Orders,
}

impl Watch {
    fn run(&mut self) {
        let mut checked = Instant::now();
        loop {
            let left = PERIOD.saturating_sub(checked.elapsed());
            let fds = [self.orders.fd(), self.monitor.as_fd()];
            let waited = wait_any_readable(&fds, Some(left));
            let ports = self.ports.upgrade();
            let Some(ports) = ports.filter(|_| !self.orders.is_over()) else {
                return;
            };
            if waited.is_err() {
                // Without memory for a poll: try again, not at once.
                std::thread::sleep(PERIOD);
            }
            let urgent = self.hear(&ports);
            if urgent || checked.elapsed() >= PERIOD {
                ports.check();
                checked = Instant::now();
            }
        }
    }

    /// Handles what was announced; true if a way has to be looked after at once.
    fn hear(&mut self, ports: &Inner) -> bool {
        let mut urgent = false;
        loop {
            match self.monitor.next_event() {
                Ok(Some(LinkEvent::Changed(link))) => ports.changed(&link),
                Ok(Some(LinkEvent::Deleted(index))) => {
                    urgent |= ports.uses(index);
                    ports.gone(index.get());
                }
                Ok(Some(LinkEvent::Lost)) => {
                    urgent = true;
                    // What cannot be listed now is found by the next check.
                    let _: Result<(), NetlinkError> = self.compare(ports);
                }
                Ok(None) => return urgent,
                // An announcement of a shape that nobody knows: the next may be better. A socket that fails is quiet.
                Err(_) => return true,
            }
        }
    }

    /// Compares all interfaces with what is attached.
    fn compare(&mut self, ports: &Inner) -> Result<(), NetlinkError> {
        for ifindex in ports.attached_indices() {
            let Some(index) = IfIndex::new(ifindex) else {
                continue;
            };
            match self.netlink.link_by_index(index)? {
                Some(link) => ports.changed(&link),
                None => ports.gone(ifindex),
            }
        }
        Ok(())
    }
}

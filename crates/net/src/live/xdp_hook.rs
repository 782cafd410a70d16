//! The kernel's XDP on an interface X, as far as it is ours: the program that redirects frames to sockets, attached.
//!
//! It is attached first, with no sockets in its map, when it lets everything pass; then the sockets are opened (a driver may
//! want a program before it lets sockets have its queues) and put into the map one by one.

use super::changes::Changes;
use super::ledger::{Ledger, Undo};
use super::refusal::Refusal;
use super::upkeep::{Broken, Restored, Upkeep};
use super::wiring::Wiring;
use super::xdp_programs::Candidate;
use skep_sys::netlink::{
    IfIndex, LinkInfo, Netlink, NetlinkError, XdpAttach, XdpMode as Hook, XdpUpdate,
};
use skep_sys::xsk::{RedirectProgram, VlanTags, XskBind, XskSocket, XskSpec};
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Chunks that all queues of an interface have together, if they need no more: 64 MiB.
const CHUNKS: u32 = 16 << 10;
/// Chunks of a queue at least and at most: 1 and 16 MiB. A frame of 64 KiB takes 18.
const QUEUE_CHUNKS: [u32; 2] = [1 << 8, 4 << 10];
/// More memory would be locked than is allowed, as Linux says it here.
const ENOBUFS: i32 = 105;
/// How long a queue may stay taken by a socket that was closed, and how often it is looked at.
const BUSY_MAX: Duration = Duration::from_secs(1);
const BUSY_STEP: Duration = Duration::from_millis(5);

/// Our program on X.
#[derive(Debug)]
pub(crate) struct XdpHook {
    state: Mutex<State>,
    program: RedirectProgram,
    wiring: Wiring,
    x: IfIndex,
    mtu: AtomicU32,
}

#[derive(Debug)]
struct State {
    netlink: Netlink,
    changes: Changes,
    /// Where the program is attached; `None` if it is not to be any more.
    hook: Option<Hook>,
}

/// What attaching gives.
#[derive(Debug)]
pub(crate) struct Hooked {
    pub(crate) hook: XdpHook,
    /// A socket for each receive queue.
    pub(crate) queues: Vec<XskSocket>,
}

impl XdpHook {
    /// Attaches the first program that can be, and opens the sockets.
    pub(crate) fn attach(
        ledger: Arc<dyn Ledger>,
        link: &LinkInfo,
        candidates: Vec<Candidate>,
        wiring: Wiring,
    ) -> Result<Hooked, Refusal> {
        let mut netlink = Netlink::open()?;
        let mut changes = Changes::new(ledger);
        let mut outcome = Err(Refusal::Missing("no program can be attached"));
        for Candidate { hook, program } in candidates {
            outcome = begin(&mut netlink, &mut changes, link, &program, hook)
                .map(|queues| (hook, program, queues));
            if outcome.is_ok() {
                break;
            }
            changes.undo(&mut netlink, |_| true);
        }
        let (hook, program, queues) = outcome?;
        let state = State {
            netlink,
            changes,
            hook: Some(hook),
        };
        let hook = Self {
            state: Mutex::new(state),
            program,
            wiring,
            x: link.index,
            mtu: AtomicU32::new(link.mtu),
        };
        Ok(Hooked { hook, queues })
    }

    /// Takes the program off X.
    pub(crate) fn detach(&self) {
        let mut state = self.lock();
        state.hook = None;
        let State {
            netlink, changes, ..
        } = &mut *state;
        changes.undo(netlink, |_| true);
    }

    /// X's MTU now.
    pub(crate) fn mtu(&self) -> u32 {
        self.mtu.load(Ordering::Relaxed)
    }

    /// Whether the program runs in the network core.
    pub(crate) fn is_generic(&self) -> bool {
        self.lock().hook == Some(Hook::Generic)
    }

    /// What becomes of VLAN tags beside frames.
    pub(crate) fn tags(&self) -> VlanTags {
        self.program.tags()
    }

    /// The device that passed frames are sent on.
    pub(crate) fn entry(&self) -> u32 {
        self.wiring.entry
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for XdpHook {
    fn drop(&mut self) {
        self.detach();
    }
}

/// Attaches the program and feeds it with sockets.
fn begin(
    netlink: &mut Netlink,
    changes: &mut Changes,
    link: &LinkInfo,
    program: &RedirectProgram,
    hook: Hook,
) -> Result<Vec<XskSocket>, Refusal> {
    let undo = Undo::DetachXdp {
        ifindex: link.index.get(),
        prog_id: program.id(),
        flags: flags(hook),
    };
    changes.make(netlink, undo, |netlink| {
        put(netlink, link.index, program, hook)
    })?;
    let failed = |error| Refusal::system("an AF_XDP socket", error);
    let queues = open_queues(link, program, hook).map_err(failed)?;
    for (number, queue) in (0..).zip(&queues) {
        program.redirect(number, queue).map_err(failed)?;
    }
    Ok(queues)
}

fn put(
    netlink: &mut Netlink,
    x: IfIndex,
    program: &RedirectProgram,
    hook: Hook,
) -> Result<(), NetlinkError> {
    netlink.xdp_attach(
        x,
        &XdpAttach {
            program: Some(program.as_fd()),
            mode: Some(hook),
            update: XdpUpdate::IfNone,
        },
    )
}

/// A socket for each queue that the interface has, which may have been made for more than are in use now: the first ones.
fn open_queues(
    link: &LinkInfo,
    program: &RedirectProgram,
    hook: Hook,
) -> io::Result<Vec<XskSocket>> {
    let [least, most] = QUEUE_CHUNKS;
    let mut spec = XskSpec {
        ifindex: link.index.get(),
        queue: 0,
        chunks: 1 << (CHUNKS / link.rx_queues.max(1)).clamp(least, most).ilog2(),
        tags: program.tags(),
        bind: match hook {
            Hook::Driver | Hook::Hardware => XskBind::Driver,
            Hook::Generic => XskBind::Copy,
        },
    };
    let mut queues = Vec::new();
    while spec.queue < link.rx_queues.max(1) {
        match open_queue(&mut spec) {
            Ok(socket) => queues.push(socket),
            Err(error) if spec.queue > 0 && error.kind() == io::ErrorKind::InvalidInput => break,
            Err(error) => return Err(error),
        }
        spec.queue += 1;
    }
    Ok(queues)
}

/// Opens one, with as much memory as may be locked: without `CAP_IPC_LOCK` there is a limit (`RLIMIT_MEMLOCK`), of 8 MiB for
/// all on most hosts. Linux takes the queue from a closed socket some time later, which is waited for.
fn open_queue(spec: &mut XskSpec) -> io::Result<XskSocket> {
    let begin = Instant::now();
    loop {
        let error = match XskSocket::open(spec) {
            Ok(socket) => return Ok(socket),
            Err(error) => error,
        };
        if error.raw_os_error() == Some(ENOBUFS) && spec.chunks > QUEUE_CHUNKS[0] {
            spec.chunks /= 2;
        } else if error.kind() == io::ErrorKind::ResourceBusy && begin.elapsed() < BUSY_MAX {
            std::thread::sleep(BUSY_STEP);
        } else {
            return Err(error);
        }
    }
}

/// `XDP_FLAGS_SKB_MODE`, `XDP_FLAGS_DRV_MODE`, `XDP_FLAGS_HW_MODE` of linux/if_link.h.
fn flags(hook: Hook) -> u32 {
    match hook {
        Hook::Generic => 1 << 1,
        Hook::Driver => 1 << 2,
        Hook::Hardware => 1 << 3,
    }
}

impl Upkeep for XdpHook {
    fn changed(&self, link: &LinkInfo) {
        if link.index == self.x {
            self.mtu.store(link.mtu, Ordering::Relaxed);
        }
        self.wiring.changed(link);
    }

    fn uses(&self, index: IfIndex) -> bool {
        self.wiring.uses(index)
    }

    fn check(&self) -> Result<Restored, Broken> {
        let mut state = self.lock();
        let Some(hook) = state.hook else {
            return Ok(Restored::Nothing);
        };
        let broken = |error: NetlinkError| Broken(error.to_string());
        let restored = self.wiring.check()?;
        let there = state.netlink.xdp_query(self.x).map_err(broken)?;
        match there.and_then(|programs| programs.program(hook)) {
            Some(id) if id == self.program.id() => Ok(restored),
            Some(other) => Err(Broken(format!(
                "Linux's XDP program {other} was put in the place of skep's"
            ))),
            // Detached by somebody: its entry in the ledger stands.
            None => {
                put(&mut state.netlink, self.x, &self.program, hook).map_err(broken)?;
                Ok(Restored::Filter)
            }
        }
    }
}

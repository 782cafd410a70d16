//! The wires of the devices that the machine made: what goes out at one end comes in at the other.
//!
//! Frames that a host sends are read from the devices' descriptors by the worker of the other end; frames that programs send out
//! of a device (`XDP_TX`, `XDP_REDIRECT`) get there through that end's [`Inbox`].

use super::outlets::{Offload, Outgoing};
use super::wake::{Sleeper, Waker, pair};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// Most frames that wait in an inbox; more are lost, as in a card's queue.
const INBOX_FRAMES_MAX: usize = 1024;

/// Frames that come in at a device, besides those that the host at the other end sends.
#[derive(Debug)]
pub(crate) struct Inbox {
    frames: Mutex<VecDeque<(Offload, Vec<u8>)>>,
    waker: Waker,
    sleeper: Sleeper,
}

impl Inbox {
    pub(crate) fn new() -> io::Result<Self> {
        let (waker, sleeper) = pair()?;
        Ok(Self {
            frames: Mutex::default(),
            waker,
            sleeper,
        })
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Offload, Vec<u8>)>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a frame in; false if it is lost.
    pub(crate) fn put(&self, frame: &Outgoing<'_>) -> bool {
        let offload = Offload {
            vnet: *frame.vnet(),
            vlan: None,
        };
        let bytes = frame.with_parts(|parts| parts.concat());
        let mut frames = self.lock();
        if frames.len() == INBOX_FRAMES_MAX {
            return false;
        }
        frames.push_back((offload, bytes));
        drop(frames);
        self.waker.wake();
        true
    }

    /// Takes the oldest frame.
    pub(crate) fn take(&self) -> Option<(Offload, Vec<u8>)> {
        let mut frames = self.lock();
        let frame = frames.pop_front();
        if frame.is_none() {
            self.sleeper.rest();
        }
        frame
    }

    /// Readable while frames are there.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.sleeper.fd()
    }
}

/// Where the wire of a device ends.
#[derive(Clone, Debug)]
pub(crate) enum WireEnd {
    /// At another device.
    Device(Arc<Inbox>),
    /// In the machine, where nothing is.
    Machine,
}

/// The wires, by the interface index of the device that they begin at.
#[derive(Debug, Default)]
pub(crate) struct Wires(RwLock<BTreeMap<u32, WireEnd>>);

impl Wires {
    /// Adds one.
    pub(crate) fn add(&self, ifindex: u32, end: WireEnd) {
        let mut wires = self.0.write().unwrap_or_else(PoisonError::into_inner);
        wires.insert(ifindex, end);
    }

    /// Removes one.
    pub(crate) fn remove(&self, ifindex: u32) {
        let mut wires = self.0.write().unwrap_or_else(PoisonError::into_inner);
        wires.remove(&ifindex);
    }

    /// Sends a frame out of a device; false if it is lost, nothing if the device is not the machine's.
    pub(crate) fn out_of(&self, ifindex: u32, frame: &Outgoing<'_>) -> Option<bool> {
        let wires = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match wires.get(&ifindex)? {
            WireEnd::Device(inbox) => Some(inbox.put(frame)),
            WireEnd::Machine => Some(true),
        }
    }
}

//! Changes to the host's interfaces, each promised before it is made and forgotten after it was undone.

use super::ledger::{Ledger, Promise, Undo};
use super::refusal::Refusal;
use skep_sys::netlink::{Netlink, NetlinkError};
use std::sync::Arc;

/// What was changed, in order.
#[derive(Debug)]
pub(crate) struct Changes {
    ledger: Arc<dyn Ledger>,
    made: Vec<(Promise, Undo)>,
}

impl Changes {
    pub(crate) fn new(ledger: Arc<dyn Ledger>) -> Self {
        let made = Vec::new();
        Self { ledger, made }
    }

    /// Makes a change that `undo` undoes. If it fails half-way, what it did is undone.
    pub(crate) fn make<T>(
        &mut self,
        netlink: &mut Netlink,
        undo: Undo,
        change: impl FnOnce(&mut Netlink) -> Result<T, NetlinkError>,
    ) -> Result<T, Refusal> {
        let promise = self
            .ledger
            .promise(&undo)
            .map_err(|error| Refusal::NoLedger(error.0))?;
        self.made.push((promise, undo));
        match change(netlink) {
            Ok(value) => Ok(value),
            Err(error) => {
                self.undo_last(netlink);
                Err(error.into())
            }
        }
    }

    /// Undoes the changes that `which` picks, the last first.
    pub(crate) fn undo(&mut self, netlink: &mut Netlink, which: impl Fn(&Undo) -> bool) {
        let mut undone = Vec::new();
        for at in (0..self.made.len()).rev() {
            if which(&self.made[at].1) {
                let (promise, undo) = self.made.remove(at);
                // What could not be undone stays promised, so that `skep net repair` still knows of it.
                if undo.carry_out(netlink).is_ok() {
                    undone.push(promise);
                }
            }
        }
        // The ledger, which takes its time, is told afterwards.
        for promise in undone {
            self.ledger.forget(promise);
        }
    }

    fn undo_last(&mut self, netlink: &mut Netlink) {
        if let Some((promise, undo)) = self.made.pop()
            && undo.carry_out(netlink).is_ok()
        {
            self.ledger.forget(promise);
        }
    }
}

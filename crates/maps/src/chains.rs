//! Chains of slab elements behind a table of heads, one chain for each bucket: what hash tables are made of.
//!
//! Walks take no lock. Changes to a chain need a lock that the owner holds. An element that left its chain keeps its link until
//! the epoch ends, so that a walk that stands on it goes on.
//! The chains do not know keys: finding is the owner's.

use crate::layout::len;
use crate::slab::{Node, Slab};
use skep_memory::Block;
use skep_uapi::Errno;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Heads and elements.
#[derive(Debug)]
pub(crate) struct Chains {
    heads: Block,
    pub(crate) slab: Arc<Slab>,
}

impl Chains {
    /// Empty chains of `buckets` buckets for elements of `slab`.
    pub(crate) fn new(buckets: u32, slab: Arc<Slab>) -> Result<Self, Errno> {
        let heads = Block::new(len(u64::from(buckets) * 4)?).ok_or(Errno::ENOMEM)?;
        Ok(Self { heads, slab })
    }

    fn head(&self, bucket: u32) -> &AtomicU32 {
        self.heads.cell32(bucket as usize * 4)
    }

    /// The chain of a bucket, from the head.
    pub(crate) fn chain(&self, bucket: u32) -> impl Iterator<Item = Node> + '_ {
        let step = |cell: &AtomicU32| match cell.load(Ordering::Acquire) {
            0 => None,
            number => Some(Node(number)),
        };
        std::iter::successors(step(self.head(bucket)), move |node| {
            step(self.slab.link(*node))
        })
    }

    /// The element behind `after` in bucket order, or the first of all; `buckets` is their number.
    pub(crate) fn next(&self, after: Option<(u32, Node)>, buckets: u32) -> Option<Node> {
        let mut first = 0;
        if let Some((bucket, node)) = after {
            match self.slab.link(node).load(Ordering::Acquire) {
                0 => first = bucket + 1,
                next => return Some(Node(next)),
            }
        }
        (first..buckets).find_map(|bucket| self.chain(bucket).next())
    }

    /// The cell that leads to `node`; the chain's lock is held.
    fn cell_before(&self, bucket: u32, node: Node) -> &AtomicU32 {
        let leads_here = |before: &Node| self.slab.link(*before).load(Ordering::Relaxed) == node.0;
        let before = self.chain(bucket).find(leads_here);
        before.map_or_else(|| self.head(bucket), |before| self.slab.link(before))
    }

    /// Takes `node` out of its chain; the chain's lock is held.
    pub(crate) fn unlink(&self, bucket: u32, node: Node) {
        let behind = self.slab.link(node).load(Ordering::Relaxed);
        self.cell_before(bucket, node)
            .store(behind, Ordering::Release);
        self.slab.release(node);
    }

    /// Puts `new` in the place of `old` in one store; the chain's lock is held.
    pub(crate) fn replace(&self, bucket: u32, old: Node, new: Node) {
        let behind = self.slab.link(old).load(Ordering::Relaxed);
        self.slab.link(new).store(behind, Ordering::Relaxed);
        self.cell_before(bucket, old)
            .store(new.0, Ordering::Release);
        self.slab.release(old);
    }

    /// Puts `new` at the head of the chain; the chain's lock is held.
    pub(crate) fn push(&self, bucket: u32, new: Node) {
        let head = self.head(bucket);
        self.slab
            .link(new)
            .store(head.load(Ordering::Relaxed), Ordering::Relaxed);
        head.store(new.0, Ordering::Release);
    }
}

//! Elements of equal size that never move: chunks of doubling length, made when first needed, and a list of free elements.
//!
//! An element is named by a [`Node`] number. Its first eight bytes are two cells of the owner's (link and hash), then come
//! key and value, each rounded up to 8. Freed elements come back through the epoch (see `release`), so that a lookup that
//! is under way never sees an element change hands.

use crate::layout::len;
use skep_memory::{Block, Permission, Region};
use skep_uapi::Errno;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Number of an element; 0 is no element, so that a zeroed cell is an empty list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Node(pub(crate) u32);

/// Elements of the first chunk; chunk k has this many shifted left by k.
const FIRST_CHUNK: u32 = 64;
/// Chunks; enough for every 32-bit number.
const CHUNKS: usize = 27;
/// Bytes of freed elements that may wait for the epoch's end before new ones are refused, and the fewest elements that this
/// means. A program that changes elements in a loop frees them much faster than its run ends.
const WAITING_BYTES_MAX: usize = 64 << 20;
const WAITING_MIN: usize = 256;
/// Freed elements of all maps that wait for the epoch's end.
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// Bytes of the two cells before the key.
const CELL_BYTES: usize = 8;

/// The elements.
#[derive(Debug)]
pub(crate) struct Slab {
    chunks: [OnceLock<Block>; CHUNKS],
    free: Mutex<Free>,
    key_stride: usize,
    element: usize,
    /// Largest number of an element.
    last: u32,
}

#[derive(Debug)]
struct Free {
    /// Elements that were freed.
    nodes: Vec<Node>,
    /// Next element that was never used.
    fresh: u32,
}

impl Slab {
    /// A slab of `entries` elements in use, with keys of `key_size` bytes and `value_bytes` of value.
    pub(crate) fn new(entries: u32, key_size: u32, value_bytes: u64) -> Result<Arc<Self>, Errno> {
        let key_stride = len(u64::from(key_size).next_multiple_of(8))?;
        let element = CELL_BYTES + key_stride + len(value_bytes)?;
        let waiting = (WAITING_BYTES_MAX / element).max(WAITING_MIN);
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        let free = Mutex::new(Free {
            nodes: Vec::new(),
            fresh: 1,
        });
        Ok(Arc::new(Self {
            chunks: [const { OnceLock::new() }; CHUNKS],
            free,
            key_stride,
            element,
            last: entries.saturating_add(waiting),
        }))
    }

    /// Takes a free element; its content is whatever it was.
    ///
    /// # Errors
    /// ENOMEM if the host has no memory, or too many freed elements wait for the end of an epoch.
    pub(crate) fn take(&self) -> Result<Node, Errno> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = free.nodes.pop() {
            return Ok(node);
        }
        let node = Node(free.fresh);
        if node.0 > self.last {
            return Err(Errno::ENOMEM);
        }
        let (chunk, _) = place(node);
        let slot = self.chunks.get(chunk).ok_or(Errno::ENOMEM)?;
        if slot.get().is_none() {
            let bytes = (FIRST_CHUNK as usize) << chunk;
            let block = bytes
                .checked_mul(self.element)
                .and_then(Block::new)
                .ok_or(Errno::ENOMEM)?;
            slot.set(block)
                .expect("only `take` sets chunks, and it holds the lock");
        }
        free.fresh = free.fresh.checked_add(1).ok_or(Errno::ENOMEM)?;
        Ok(node)
    }

    /// Gives an element back once nobody can hold its address any more.
    pub(crate) fn release(self: &Arc<Self>, node: Node) {
        let slab = Arc::clone(self);
        WAITING.fetch_add(1, Ordering::Relaxed);
        crate::pin().defer(move || slab.put_back(node));
    }

    fn put_back(&self, node: Node) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
        self.free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .nodes
            .push(node);
    }

    fn block(&self, node: Node) -> (&Block, usize) {
        let (chunk, index) = place(node);
        let block = self.chunks[chunk]
            .get()
            .expect("`take` made the chunk before it gave out the node");
        (block, index * self.element)
    }

    /// The list cell of an element.
    pub(crate) fn link(&self, node: Node) -> &AtomicU32 {
        let (block, at) = self.block(node);
        block.cell32(at)
    }

    /// The hash cell of an element.
    pub(crate) fn hash(&self, node: Node) -> &AtomicU32 {
        let (block, at) = self.block(node);
        block.cell32(at + 4)
    }

    /// Whether the element's key is `key`.
    pub(crate) fn key_is(&self, node: Node, key: &[u8]) -> bool {
        const PIECE: usize = 64;
        let (block, at) = self.block(node);
        key.chunks(PIECE).enumerate().all(|(number, piece)| {
            let mut buffer = [0; PIECE];
            let mine = &mut buffer[..piece.len()];
            block.read(at + CELL_BYTES + number * PIECE, mine);
            mine == piece
        })
    }

    /// Copies the element's key out.
    pub(crate) fn key(&self, node: Node, out: &mut [u8]) {
        let (block, at) = self.block(node);
        block.read(at + CELL_BYTES, out);
    }

    /// Sets the element's key.
    pub(crate) fn set_key(&self, node: Node, key: &[u8]) {
        let (block, at) = self.block(node);
        block.write(at + CELL_BYTES, key);
    }

    /// Copies from the element's value, `offset` bytes in.
    pub(crate) fn value(&self, node: Node, offset: usize, out: &mut [u8]) {
        let (block, at) = self.block(node);
        block.read(at + CELL_BYTES + self.key_stride + offset, out);
    }

    /// Writes to the element's value, `offset` bytes in.
    pub(crate) fn set_value(&self, node: Node, offset: usize, value: &[u8]) {
        let (block, at) = self.block(node);
        block.write(at + CELL_BYTES + self.key_stride + offset, value);
    }

    /// Address of the element's value.
    pub(crate) fn value_addr(&self, node: Node) -> u64 {
        let (block, at) = self.block(node);
        block.addr() + (at + CELL_BYTES + self.key_stride) as u64
    }

    /// The value that holds `addr`, whoever owns it.
    pub(crate) fn region_of(&self, addr: u64) -> Option<Region> {
        let block = self
            .chunks
            .iter()
            .filter_map(OnceLock::get)
            .find(|block| (block.addr()..block.addr() + block.len() as u64).contains(&addr))?;
        let element = self.element as u64;
        let start = block.addr() + (addr - block.addr()) / element * element;
        let before = (CELL_BYTES + self.key_stride) as u64;
        let region = Region {
            start: start + before,
            len: element - before,
            permission: Permission::ReadWrite,
        };
        (addr >= region.start).then_some(region)
    }
}

/// How many freed elements wait.
pub(crate) fn waiting() -> usize {
    WAITING.load(Ordering::Relaxed)
}

/// Chunk and index within it of an element.
fn place(node: Node) -> (usize, usize) {
    let number = u64::from(node.0 - 1) + u64::from(FIRST_CHUNK);
    let chunk = number.ilog2() - FIRST_CHUNK.ilog2();
    let index = number - (u64::from(FIRST_CHUNK) << chunk);
    (
        chunk as usize,
        usize::try_from(index).expect("skep builds for 64-bit hosts"),
    )
}

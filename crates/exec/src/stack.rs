//! Stacks of interpreted runs: eight frames of 512 bytes.

use skep_abi::{CALL_FRAMES_MAX, STACK_BYTES_MAX};
use skep_memory::{Block, Permission, Region};

/// A stack.
#[derive(Debug)]
pub(crate) struct Stack {
    frames: Block,
}

impl Stack {
    pub(crate) fn new() -> Self {
        Self {
            frames: Block::new_small(CALL_FRAMES_MAX * STACK_BYTES_MAX as usize),
        }
    }

    pub(crate) fn region(&self) -> Region {
        Region {
            start: self.frames.addr(),
            len: self.frames.len() as u64,
            permission: Permission::ReadWrite,
        }
    }
}

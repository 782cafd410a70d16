//! Frames from a list, and verdicts into one.

use crate::{Frame, Port, PortError, Verdict};
use std::collections::VecDeque;

/// A port whose frames are given.
#[derive(Debug, Default)]
pub struct ListPort {
    frames: VecDeque<Frame>,
}

impl ListPort {
    /// A port that delivers these frames.
    #[must_use]
    pub fn new(frames: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let frames = frames.into_iter().map(|bytes| Frame {
            bytes,
            ..Frame::default()
        });
        Self {
            frames: frames.collect(),
        }
    }
}

impl Port for ListPort {
    fn receive(&mut self) -> Result<Option<Frame>, PortError> {
        Ok(self.frames.pop_front())
    }

    /// Nothing to do: whoever pumps sees the verdict.
    fn carry_out(&mut self, _verdict: Verdict, _frame: Frame) -> Result<(), PortError> {
        Ok(())
    }

    fn finish(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}

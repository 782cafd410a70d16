//! A source of frames with a place for each verdict.

use crate::{PortError, Verdict};
use std::fmt;
use std::time::Duration;

/// One Ethernet frame.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Frame {
    /// Bytes from the destination address on.
    pub bytes: Vec<u8>,
    /// When it was captured, since 1970.
    pub time: Duration,
    /// Receive queue.
    pub rx_queue: u32,
}

/// Something that frames come from and that carries verdicts out.
pub trait Port: Send + fmt::Debug {
    /// The next frame, or `None` when there is none left.
    ///
    /// # Errors
    /// If the source is broken.
    fn receive(&mut self) -> Result<Option<Frame>, PortError>;

    /// Carries out a verdict on a frame, which is as the program left it.
    ///
    /// # Errors
    /// If it cannot be carried out.
    fn carry_out(&mut self, verdict: Verdict, frame: Frame) -> Result<(), PortError>;

    /// Ends what is being written.
    ///
    /// # Errors
    /// If it cannot be.
    fn finish(&mut self) -> Result<(), PortError>;
}

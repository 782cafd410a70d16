//! What the worker asks of a way to get at an interface's packets.

use skep_exec::Packet;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// Where a frame goes after its verdict. `DROP` and `ABORTED` go nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Destination {
    /// The host's stack, as if it had just come in (`XDP_PASS`).
    Stack,
    /// Out of the interface that it came in at (`XDP_TX`).
    Wire,
    /// Out of another interface (`XDP_REDIRECT`).
    Interface(u32),
}

/// What the last `next` said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// A frame is in the packet.
    Frame,
    /// No frame is there now: send what waits, then wait.
    Empty,
}

/// One way to one interface. Used by one worker thread.
///
/// Offload data of the frame taken last (checksum, segmentation, VLAN tag) stays with the way: `send` is about that frame.
pub(crate) trait Way: Send + std::fmt::Debug {
    /// Waits until frames are there, `wake` is readable or the time is over; true if `wake` is readable.
    fn wait(&mut self, wake: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool>;

    /// Takes the next frame into `packet`, if one is there. Frames that cannot be taken whole are skipped and counted as missed.
    fn next(&mut self, packet: &mut Packet) -> io::Result<Next>;

    /// Sends the frame that was taken last, as the program left it in `packet`. It may wait until `flush`.
    fn send(&mut self, to: Destination, packet: &mut Packet);

    /// Sends what waits.
    fn flush(&mut self);

    /// Frames lost before a program saw them, and frames not delivered after a verdict, since the last call.
    fn take_losses(&mut self) -> Losses;

    /// Lets the interface's packets go where they went before. Frames that were taken from them until now may still come
    /// from `next`, and are still sent; frames that go by themselves do not come any more. What else was changed is undone when
    /// the way is dropped.
    fn let_go(&mut self) {}

    /// What is lost on this way here, if it is more than its kind always loses: a line for the user, who asked for it by name.
    fn shortfall(&self) -> Option<&'static str> {
        None
    }
}

/// Frames that were lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Losses {
    /// Before a program saw them.
    pub(crate) missed: u64,
    /// After their verdict.
    pub(crate) undelivered: u64,
}

//! XDP programs of Linux itself on an interface (`IFLA_XDP`).
//!
//! An interface has at most one program for each [`XdpMode`]. Older kernels report a mode and one number, newer ones
//! a number for each mode; both become an [`XdpState`]. Programs are numbers here: see [`crate::bpf`].

use super::attr::{self, Attrs, Malformed};
use super::error::{Operation, Target};
use super::link::{IFLA_XDP, LinkFlags, link_head};
use super::{IfIndex, Netlink, NetlinkError, Request};
use std::os::fd::{AsRawFd, BorrowedFd};

const RTM_SETLINK: u16 = 19;

const IFLA_XDP_FD: u16 = 1;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_FLAGS: u16 = 3;
const IFLA_XDP_PROG_ID: u16 = 4;
const IFLA_XDP_EXPECTED_FD: u16 = 8;

const XDP_FLAGS_UPDATE_IF_NOEXIST: u32 = 1 << 0;
const XDP_FLAGS_REPLACE: u32 = 1 << 4;

/// The descriptor that means "no program".
const NO_PROGRAM: i32 = -1;

/// Where in the kernel a program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum XdpMode {
    /// In the network core, on every driver (`xdpgeneric`).
    Generic,
    /// In the driver (`xdpdrv`).
    Driver,
    /// On the card (`xdpoffload`).
    Hardware,
}

impl XdpMode {
    /// All modes.
    pub const ALL: [Self; 3] = [Self::Generic, Self::Driver, Self::Hardware];

    /// `XDP_FLAGS_*_MODE`.
    const fn flag(self) -> u32 {
        match self {
            Self::Generic => 1 << 1,
            Self::Driver => 1 << 2,
            Self::Hardware => 1 << 3,
        }
    }

    /// `XDP_ATTACHED_*`.
    const fn attached(self) -> u8 {
        match self {
            Self::Generic => 2,
            Self::Driver => 1,
            Self::Hardware => 3,
        }
    }

    /// `IFLA_XDP_*_PROG_ID`.
    const fn id_attr(self) -> u16 {
        match self {
            Self::Generic => 6,
            Self::Driver => 5,
            Self::Hardware => 7,
        }
    }
}

/// Programs on an interface.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct XdpState {
    /// Id of the program in the network core.
    pub generic: Option<u32>,
    /// Id of the program in the driver.
    pub driver: Option<u32>,
    /// Id of the program on the card.
    pub hardware: Option<u32>,
}

impl XdpState {
    /// Id of a mode's program.
    #[must_use]
    pub fn program(&self, mode: XdpMode) -> Option<u32> {
        match mode {
            XdpMode::Generic => self.generic,
            XdpMode::Driver => self.driver,
            XdpMode::Hardware => self.hardware,
        }
    }

    /// Modes and ids of all programs; more than one is what the kernel calls multi-mode.
    pub fn programs(&self) -> impl Iterator<Item = (XdpMode, u32)> {
        let state = *self;
        let of = move |mode| state.program(mode).map(|id| (mode, id));
        XdpMode::ALL.into_iter().filter_map(of)
    }

    pub(super) fn parse(attrs: &Attrs<'_>) -> Result<Self, Malformed> {
        let attached = attrs.byte(IFLA_XDP_ATTACHED)?.unwrap_or(0);
        let only = attrs.word(IFLA_XDP_PROG_ID)?;
        let id = |mode: XdpMode| {
            let own = attrs.word(mode.id_attr())?;
            let shared = only.filter(|_| attached == mode.attached());
            Ok(own.or(shared).filter(|id| *id != 0))
        };
        Ok(Self {
            generic: id(XdpMode::Generic)?,
            driver: id(XdpMode::Driver)?,
            hardware: id(XdpMode::Hardware)?,
        })
    }
}

/// What happens to a program that is there already.
#[derive(Clone, Copy, Debug)]
pub enum XdpUpdate<'a> {
    /// It is replaced, whatever it is.
    Overwrite,
    /// It stays, and the request fails with `EBUSY` (`XDP_FLAGS_UPDATE_IF_NOEXIST`).
    IfNone,
    /// It is replaced if it is this one, else the request fails with `EEXIST` (`XDP_FLAGS_REPLACE`, Linux 5.7).
    Replace(BorrowedFd<'a>),
}

/// A change of an interface's program.
#[derive(Clone, Copy, Debug)]
pub struct XdpAttach<'a> {
    /// The new program; none detaches.
    pub program: Option<BorrowedFd<'a>>,
    /// Where it is to run; without, in the driver if that can, else in the network core.
    pub mode: Option<XdpMode>,
    /// What happens to the old one.
    pub update: XdpUpdate<'a>,
}

impl Netlink {
    /// Attaches, replaces or detaches an XDP program.
    ///
    /// # Errors
    /// `EBUSY` and `EEXIST` as [`XdpUpdate`] says, also where another mode is in use; `EINVAL` for a program that is not XDP;
    /// `EOPNOTSUPP` if the driver cannot; `EPERM`, `ENODEV`.
    pub fn xdp_attach(
        &mut self,
        index: IfIndex,
        attach: &XdpAttach<'_>,
    ) -> Result<(), NetlinkError> {
        let target = Target::on(Operation::XdpAttach, index);
        let fd = |fd: Option<BorrowedFd<'_>>| fd.map_or(NO_PROGRAM, |fd| fd.as_raw_fd());
        let number = |attr, fd: i32| attr::bytes(attr, &fd.to_ne_bytes());
        let mut flags = attach.mode.map_or(0, XdpMode::flag);
        let mut attrs = vec![number(IFLA_XDP_FD, fd(attach.program))];
        match attach.update {
            XdpUpdate::Overwrite => {}
            XdpUpdate::IfNone => flags |= XDP_FLAGS_UPDATE_IF_NOEXIST,
            XdpUpdate::Replace(old) => {
                flags |= XDP_FLAGS_REPLACE;
                attrs.push(number(IFLA_XDP_EXPECTED_FD, fd(Some(old))));
            }
        }
        attrs.push(attr::word(IFLA_XDP_FLAGS, flags));
        let head = link_head(index.get(), LinkFlags::NONE, LinkFlags::NONE);
        let request = Request::new(RTM_SETLINK, head).with(attr::nest(IFLA_XDP, &attrs));
        self.change(&target, request)
    }

    /// The programs on an interface; nothing if it does not exist.
    ///
    /// # Errors
    /// As [`Netlink::links`].
    pub fn xdp_query(&mut self, index: IfIndex) -> Result<Option<XdpState>, NetlinkError> {
        let link = self.link_by_index(index)?;
        Ok(link.map(|link| link.xdp))
    }
}

/// The attributes of a program in the network core, for tests.
#[cfg(test)]
pub(super) fn sample() -> Vec<netlink_packet_core::DefaultNla> {
    vec![
        attr::bytes(IFLA_XDP_ATTACHED, &[2]),
        attr::word(IFLA_XDP_PROG_ID, 31),
        attr::word(XdpMode::Generic.id_attr(), 31),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use netlink_packet_core::{DefaultNla, Emitable};

    fn state(attrs: &[DefaultNla]) -> XdpState {
        let mut bytes = vec![0; attrs.buffer_len()];
        attrs.emit(&mut bytes);
        XdpState::parse(&Attrs::parse(&bytes).unwrap()).unwrap()
    }

    #[test]
    fn old_new_and_several() {
        assert_eq!(state(&[]), XdpState::default());
        assert_eq!(
            state(&[attr::bytes(IFLA_XDP_ATTACHED, &[0])])
                .programs()
                .count(),
            0
        );
        let expected = XdpState {
            generic: Some(31),
            ..XdpState::default()
        };
        assert_eq!(state(&sample()), expected);
        assert_eq!(state(&sample()[..2]), expected);
        let several = state(&[
            attr::bytes(IFLA_XDP_ATTACHED, &[4]),
            attr::word(XdpMode::Driver.id_attr(), 7),
            attr::word(XdpMode::Generic.id_attr(), 8),
        ]);
        let programs: Vec<_> = several.programs().collect();
        assert_eq!(programs, [(XdpMode::Generic, 8), (XdpMode::Driver, 7)]);
    }
}

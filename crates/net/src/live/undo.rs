//! Carrying an [`Undo`] out.
//!
//! Whoever does it may be another process than the one that promised it, later, and for the second time; the
//! interface may have gone, its number may mean nothing, and somebody else may have put something of theirs in the
//! place. So each entry is looked up first and only what is recognisably ours is deleted: a link by its exact name, a
//! filter by its cookie, a clsact only when no filter is left in it, an XDP program by its number. What is not there is
//! undone already.
//!
//! Between look and deletion somebody can still get in the way. The kernel has no request that does both, except for
//! filters and links, where the deletion names exactly what was seen.
//!
//! [`Kernel`] is what this needs of rtnetlink, so that tests can be it.

use super::{Direction, Undo};
use skep_sys::netlink::{
    self, FilterId, FilterInfo, IfIndex, IfName, Netlink, NetlinkError, XdpAttach, XdpMode,
    XdpUpdate,
};
use std::fmt;
use thiserror::Error;

/// The numbers of `errno` that say that something is not there (errno(3)).
const ENOENT: i32 = 2;
const ENODEV: i32 = 19;

/// `XDP_FLAGS_MODES` of linux/if_link.h.
const XDP_MODES: u32 = 0b1110;

/// A filter that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundFilter {
    /// Preference.
    pub preference: u16,
    /// Protocol (`ETH_P_*`), in host order.
    pub protocol: u16,
    /// Kind, such as `bpf`.
    pub kind: String,
    /// Handle.
    pub handle: u32,
    /// Cookies of its actions; an action without has none.
    pub cookies: Vec<Vec<u8>>,
}

/// What undoing asks of the kernel. What a query does not find is an empty answer, never an error.
pub trait Kernel {
    /// Index of the interface with exactly this name; alternative names do not count.
    ///
    /// # Errors
    /// If the kernel refuses to tell.
    fn link_index(&mut self, name: &str) -> Result<Option<u32>, KernelError>;

    /// Deletes an interface.
    ///
    /// # Errors
    /// What the kernel says.
    fn delete_link(&mut self, ifindex: u32) -> Result<(), KernelError>;

    /// The filters on a side of an interface.
    ///
    /// # Errors
    /// If the kernel refuses to tell.
    fn filters(
        &mut self,
        ifindex: u32,
        direction: Direction,
    ) -> Result<Vec<FoundFilter>, KernelError>;

    /// Deletes a filter.
    ///
    /// # Errors
    /// What the kernel says.
    fn delete_filter(
        &mut self,
        ifindex: u32,
        direction: Direction,
        filter: &FoundFilter,
    ) -> Result<(), KernelError>;

    /// Whether an interface has a clsact.
    ///
    /// # Errors
    /// If the kernel refuses to tell.
    fn clsact_exists(&mut self, ifindex: u32) -> Result<bool, KernelError>;

    /// Deletes a clsact with all that is in it.
    ///
    /// # Errors
    /// What the kernel says.
    fn delete_clsact(&mut self, ifindex: u32) -> Result<(), KernelError>;

    /// Linux's own XDP programs on an interface: `XDP_FLAGS_*_MODE` and number of each.
    ///
    /// # Errors
    /// If the kernel refuses to tell.
    fn xdp_programs(&mut self, ifindex: u32) -> Result<Vec<(u32, u32)>, KernelError>;

    /// Detaches Linux's own XDP program of one mode (`XDP_FLAGS_*_MODE`).
    ///
    /// # Errors
    /// What the kernel says.
    fn detach_xdp(&mut self, ifindex: u32, mode: u32) -> Result<(), KernelError>;
}

/// The kernel said no.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{text}")]
pub struct KernelError {
    /// Its number, if the kernel gave one.
    pub errno: Option<i32>,
    /// A sentence.
    pub text: String,
}

/// How an entry was dealt with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Undone {
    /// It was there and is gone.
    Done,
    /// There was nothing to undo.
    Absent,
    /// It stays, because somebody else uses it or has put something of theirs in its place.
    Foreign,
}

impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Absent => "was not there",
            Self::Foreign => "left to others who use it",
        })
    }
}

/// An entry that could not be carried out; it may be tried again.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{undo}: {error}")]
pub struct UndoError {
    /// The entry.
    pub undo: Undo,
    /// What was in the way.
    pub error: KernelError,
}

impl Undo {
    /// Carries it out. If there is nothing to undo, nothing happens.
    ///
    /// # Errors
    /// What the kernel said; trying again does no harm.
    pub fn carry_out(&self, kernel: &mut impl Kernel) -> Result<Undone, UndoError> {
        let outcome = match self {
            Self::DeleteLink { name } => delete_link(kernel, name),
            Self::DeleteFilter {
                ifindex,
                direction,
                preference,
                handle,
                cookie,
            } => {
                let is_it = |filter: &FoundFilter| {
                    filter.preference == *preference && filter.handle == *handle
                };
                delete_filter(kernel, *ifindex, *direction, cookie, is_it)
            }
            Self::DeleteClsact { ifindex } => delete_clsact(kernel, *ifindex),
            Self::DetachXdp {
                ifindex,
                prog_id,
                flags,
            } => detach_xdp(kernel, *ifindex, *prog_id, *flags),
        };
        outcome.map_err(|error| UndoError {
            undo: self.clone(),
            error,
        })
    }

    /// The interface that it is about, if that has a number that was known before.
    #[must_use]
    pub fn ifindex(&self) -> Option<u32> {
        match self {
            Self::DeleteLink { .. } => None,
            Self::DeleteFilter { ifindex, .. }
            | Self::DeleteClsact { ifindex }
            | Self::DetachXdp { ifindex, .. } => Some(*ifindex),
        }
    }
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeleteLink { name } => write!(f, "delete device {name}"),
            Self::DeleteFilter {
                ifindex,
                direction,
                preference,
                handle,
                cookie: _,
            } => {
                let side = match direction {
                    Direction::Ingress => "ingress",
                    Direction::Egress => "egress",
                };
                write!(
                    f,
                    "delete {side} filter {handle:#x} of preference {preference} on interface {ifindex}"
                )
            }
            Self::DeleteClsact { ifindex } => write!(f, "delete clsact of interface {ifindex}"),
            Self::DetachXdp {
                ifindex, prog_id, ..
            } => write!(f, "detach XDP program {prog_id} from interface {ifindex}"),
        }
    }
}

fn delete_link(kernel: &mut impl Kernel, name: &str) -> Result<Undone, KernelError> {
    match kernel.link_index(name)? {
        None => Ok(Undone::Absent),
        Some(ifindex) => gone(kernel.delete_link(ifindex)),
    }
}

fn delete_filter(
    kernel: &mut impl Kernel,
    ifindex: u32,
    direction: Direction,
    cookie: &[u8],
    is_it: impl Fn(&FoundFilter) -> bool,
) -> Result<Undone, KernelError> {
    let filters = kernel.filters(ifindex, direction)?;
    let Some(filter) = filters.into_iter().find(is_it) else {
        return Ok(Undone::Absent);
    };
    // An empty cookie would be anybody's.
    let ours = !cookie.is_empty() && filter.cookies.iter().any(|found| found == cookie);
    match ours {
        true => gone(kernel.delete_filter(ifindex, direction, &filter)),
        false => Ok(Undone::Foreign),
    }
}

fn delete_clsact(kernel: &mut impl Kernel, ifindex: u32) -> Result<Undone, KernelError> {
    if !kernel.clsact_exists(ifindex)? {
        return Ok(Undone::Absent);
    }
    for direction in [Direction::Ingress, Direction::Egress] {
        if !kernel.filters(ifindex, direction)?.is_empty() {
            return Ok(Undone::Foreign);
        }
    }
    gone(kernel.delete_clsact(ifindex))
}

fn detach_xdp(
    kernel: &mut impl Kernel,
    ifindex: u32,
    prog_id: u32,
    flags: u32,
) -> Result<Undone, KernelError> {
    let wanted = flags & XDP_MODES;
    let programs = kernel.xdp_programs(ifindex)?;
    let in_mode = |mode: u32| wanted == 0 || mode & wanted != 0;
    let mut there = programs.iter().filter(|(mode, _)| in_mode(*mode));
    match there.clone().find(|(_, id)| *id == prog_id) {
        Some((mode, _)) => gone(kernel.detach_xdp(ifindex, *mode)),
        None if there.next().is_some() => Ok(Undone::Foreign),
        None => Ok(Undone::Absent),
    }
}

/// What went between look and deletion is as good as deleted.
fn gone(outcome: Result<(), KernelError>) -> Result<Undone, KernelError> {
    match outcome {
        Ok(()) => Ok(Undone::Done),
        Err(error) if matches!(error.errno, Some(ENOENT | ENODEV)) => Ok(Undone::Absent),
        Err(error) => Err(error),
    }
}

/// In the network namespace that the socket was opened in.
impl Kernel for Netlink {
    fn link_index(&mut self, name: &str) -> Result<Option<u32>, KernelError> {
        // The kernel has no interface of a name that it would refuse.
        let Some(wanted) = IfName::new(name) else {
            return Ok(None);
        };
        let link = self.link_by_name(&wanted)?;
        let link = link.filter(|link| link.name == name);
        Ok(link.map(|link| link.index.get()))
    }

    fn delete_link(&mut self, ifindex: u32) -> Result<(), KernelError> {
        Ok(Netlink::delete_link(self, existing(ifindex)?)?)
    }

    fn filters(
        &mut self,
        ifindex: u32,
        direction: Direction,
    ) -> Result<Vec<FoundFilter>, KernelError> {
        let Some(index) = IfIndex::new(ifindex) else {
            return Ok(Vec::new());
        };
        match Netlink::filters(self, index, direction.into()) {
            Ok(filters) => Ok(filters.into_iter().map(FoundFilter::from).collect()),
            Err(error) if error.is_no_device() => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    fn delete_filter(
        &mut self,
        ifindex: u32,
        direction: Direction,
        filter: &FoundFilter,
    ) -> Result<(), KernelError> {
        let id = FilterId {
            index: existing(ifindex)?,
            direction: direction.into(),
            preference: filter.preference,
            protocol: filter.protocol,
            kind: filter.kind.clone(),
            handle: filter.handle,
        };
        Ok(Netlink::delete_filter(self, &id)?)
    }

    fn clsact_exists(&mut self, ifindex: u32) -> Result<bool, KernelError> {
        let Some(index) = IfIndex::new(ifindex) else {
            return Ok(false);
        };
        match Netlink::clsact_exists(self, index) {
            Err(error) if error.is_no_device() => Ok(false),
            other => Ok(other?),
        }
    }

    fn delete_clsact(&mut self, ifindex: u32) -> Result<(), KernelError> {
        Ok(Netlink::delete_clsact(self, existing(ifindex)?)?)
    }

    fn xdp_programs(&mut self, ifindex: u32) -> Result<Vec<(u32, u32)>, KernelError> {
        let Some(index) = IfIndex::new(ifindex) else {
            return Ok(Vec::new());
        };
        let state = self.xdp_query(index)?.unwrap_or_default();
        Ok(state
            .programs()
            .map(|(mode, id)| (mode_flag(mode), id))
            .collect())
    }

    fn detach_xdp(&mut self, ifindex: u32, mode: u32) -> Result<(), KernelError> {
        let attach = XdpAttach {
            program: None,
            mode: XdpMode::ALL.into_iter().find(|&of| mode_flag(of) == mode),
            update: XdpUpdate::Overwrite,
        };
        Ok(self.xdp_attach(existing(ifindex)?, &attach)?)
    }
}

/// The interface's number, or the error of one that cannot exist.
fn existing(ifindex: u32) -> Result<IfIndex, KernelError> {
    IfIndex::new(ifindex).ok_or_else(|| KernelError {
        errno: Some(ENODEV),
        text: format!("no interface {ifindex}"),
    })
}

/// `XDP_FLAGS_*_MODE` of linux/if_link.h.
fn mode_flag(mode: XdpMode) -> u32 {
    match mode {
        XdpMode::Generic => 1 << 1,
        XdpMode::Driver => 1 << 2,
        XdpMode::Hardware => 1 << 3,
    }
}

impl From<Direction> for netlink::Direction {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Ingress => Self::Ingress,
            Direction::Egress => Self::Egress,
        }
    }
}

impl From<FilterInfo> for FoundFilter {
    fn from(filter: FilterInfo) -> Self {
        let actions = filter.actions.into_iter();
        Self {
            preference: filter.id.preference,
            protocol: filter.id.protocol,
            kind: filter.id.kind,
            handle: filter.id.handle,
            cookies: actions
                .map(|action| action.cookie)
                .filter(|cookie| !cookie.is_empty())
                .collect(),
        }
    }
}

impl From<NetlinkError> for KernelError {
    fn from(error: NetlinkError) -> Self {
        Self {
            errno: error.errno(),
            text: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const EBUSY: i32 = 16;

    /// One interface, number 3, and links by name.
    #[derive(Default)]
    struct Fake {
        links: Vec<(&'static str, u32)>,
        filters: Vec<(Direction, FoundFilter)>,
        clsact: bool,
        xdp: Vec<(u32, u32)>,
        /// What every deletion meets.
        refuses: Option<i32>,
        deleted: Vec<String>,
    }

    impl Fake {
        fn delete(&mut self, what: impl Into<String>) -> Result<(), KernelError> {
            match self.refuses {
                Some(errno) => Err(KernelError {
                    errno: Some(errno),
                    text: format!("errno {errno}"),
                }),
                None => {
                    self.deleted.push(what.into());
                    Ok(())
                }
            }
        }
    }

    impl Kernel for Fake {
        fn link_index(&mut self, name: &str) -> Result<Option<u32>, KernelError> {
            let found = self.links.iter().find(|(link, _)| *link == name);
            Ok(found.map(|(_, ifindex)| *ifindex))
        }

        fn delete_link(&mut self, ifindex: u32) -> Result<(), KernelError> {
            self.delete(format!("link {ifindex}"))
        }

        fn filters(
            &mut self,
            ifindex: u32,
            direction: Direction,
        ) -> Result<Vec<FoundFilter>, KernelError> {
            let here = self.filters.iter().filter(|(at, _)| *at == direction);
            Ok(match ifindex {
                3 => here.map(|(_, filter)| filter.clone()).collect(),
                _ => Vec::new(),
            })
        }

        fn delete_filter(
            &mut self,
            _: u32,
            direction: Direction,
            filter: &FoundFilter,
        ) -> Result<(), KernelError> {
            self.delete(format!("filter {direction:?} {}", filter.handle))
        }

        fn clsact_exists(&mut self, ifindex: u32) -> Result<bool, KernelError> {
            Ok(ifindex == 3 && self.clsact)
        }

        fn delete_clsact(&mut self, _: u32) -> Result<(), KernelError> {
            self.delete("clsact")
        }

        fn xdp_programs(&mut self, ifindex: u32) -> Result<Vec<(u32, u32)>, KernelError> {
            Ok(if ifindex == 3 {
                self.xdp.clone()
            } else {
                Vec::new()
            })
        }

        fn detach_xdp(&mut self, _: u32, mode: u32) -> Result<(), KernelError> {
            self.delete(format!("xdp {mode}"))
        }
    }

    fn found(preference: u16, handle: u32, cookie: &[u8]) -> FoundFilter {
        FoundFilter {
            preference,
            protocol: 3,
            kind: "bpf".to_owned(),
            handle,
            cookies: vec![cookie.to_vec()],
        }
    }

    fn filter(ifindex: u32, cookie: &[u8]) -> Undo {
        Undo::DeleteFilter {
            ifindex,
            direction: Direction::Ingress,
            preference: 1,
            handle: 7,
            cookie: cookie.to_vec(),
        }
    }

    /// Carries out and says what happened.
    fn tried(undo: &Undo, mut fake: Fake) -> (Result<Undone, Option<i32>>, Vec<String>) {
        let outcome = undo.carry_out(&mut fake).map_err(|error| error.error.errno);
        (outcome, fake.deleted)
    }

    #[test]
    fn nothing_there_is_success() {
        let xdp = Undo::DetachXdp {
            ifindex: 3,
            prog_id: 5,
            flags: 2,
        };
        let link = Undo::DeleteLink {
            name: "sk0a".to_owned(),
        };
        let clsact = Undo::DeleteClsact { ifindex: 3 };
        for undo in [&xdp, &link, &clsact, &filter(3, b"us"), &filter(9, b"us")] {
            assert_eq!(
                tried(undo, Fake::default()),
                (Ok(Undone::Absent), vec![]),
                "{undo}"
            );
        }
    }

    #[test]
    fn links_by_exact_name() {
        let links = vec![("sk0", 8), ("sk0a", 9), ("sk0ab", 10)];
        let fake = |refuses| Fake {
            links: links.clone(),
            refuses,
            ..Fake::default()
        };
        let undo = Undo::DeleteLink {
            name: "sk0a".to_owned(),
        };
        let done = (Ok(Undone::Done), vec!["link 9".to_owned()]);
        assert_eq!(tried(&undo, fake(None)), done);
        // Gone meanwhile, and in use.
        assert_eq!(
            tried(&undo, fake(Some(ENODEV))),
            (Ok(Undone::Absent), vec![])
        );
        assert_eq!(tried(&undo, fake(Some(EBUSY))), (Err(Some(EBUSY)), vec![]));
    }

    #[test]
    fn filters_by_cookie() {
        let fake = |cookie: &[u8]| Fake {
            filters: vec![
                (Direction::Egress, found(1, 7, b"us")),
                (Direction::Ingress, found(2, 7, b"us")),
                (Direction::Ingress, found(1, 8, b"us")),
                (Direction::Ingress, found(1, 7, cookie)),
            ],
            ..Fake::default()
        };
        let done = (Ok(Undone::Done), vec!["filter Ingress 7".to_owned()]);
        assert_eq!(tried(&filter(3, b"us"), fake(b"us")), done);
        let foreign = (Ok(Undone::Foreign), vec![]);
        assert_eq!(tried(&filter(3, b"us"), fake(b"them")), foreign);
        assert_eq!(tried(&filter(3, b""), fake(b"")), foreign);
    }

    #[test]
    fn clsact_only_when_empty() {
        let fake = |filters| Fake {
            clsact: true,
            filters,
            ..Fake::default()
        };
        let undo = Undo::DeleteClsact { ifindex: 3 };
        let done = (Ok(Undone::Done), vec!["clsact".to_owned()]);
        assert_eq!(tried(&undo, fake(vec![])), done);
        for direction in [Direction::Ingress, Direction::Egress] {
            let theirs = vec![(direction, found(9, 1, b""))];
            assert_eq!(tried(&undo, fake(theirs)), (Ok(Undone::Foreign), vec![]));
        }
    }

    #[test]
    fn xdp_only_if_it_is_the_one() {
        let fake = |xdp| Fake {
            xdp,
            ..Fake::default()
        };
        let undo = |flags| Undo::DetachXdp {
            ifindex: 3,
            prog_id: 5,
            flags,
        };
        let both = vec![(2, 5), (4, 6)];
        let done = (Ok(Undone::Done), vec!["xdp 2".to_owned()]);
        assert_eq!(tried(&undo(2), fake(both.clone())), done);
        // Flags without a mode mean wherever it is; those that are no mode say nothing.
        assert_eq!(tried(&undo(1), fake(both.clone())), done);
        assert_eq!(tried(&undo(4), fake(both)), (Ok(Undone::Foreign), vec![]));
        assert_eq!(
            tried(&undo(4), fake(vec![(2, 5)])),
            (Ok(Undone::Absent), vec![])
        );
    }

    #[test]
    fn errors_name_the_entry() {
        let mut fake = Fake {
            clsact: true,
            refuses: Some(EBUSY),
            ..Fake::default()
        };
        let error = Undo::DeleteClsact { ifindex: 3 }
            .carry_out(&mut fake)
            .unwrap_err();
        assert_eq!(error.to_string(), "delete clsact of interface 3: errno 16");
    }
}

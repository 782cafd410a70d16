//! Our devices and filters around an interface X, for the packet way.
//!
//! ```text
//! frames ──► X ──┬─ tc ingress of X: M ──► stack       ┌──► a ══ b  tc ingress of b: M ──► X's ingress
//!                └─ not M ──► sent on c ══ d            │ PASS: marked M
//!                                          │            │
//!                     packet socket (ring) ┴──► program ┘     tc ingress of d: drops all
//! ```
//!
//! One filter on X decides: before it is there, frames are the host's, from then on they are the program's, each exactly once, also
//! in the moment of an attach or a detach. It sends them on c, so that they come in at d, where a packet socket sees them (it does
//! before tc does) and tc drops them: d's own stack must not have them, which would take broadcasts. What the program passes enters by b and
//! is put into X's ingress, where the mark spares it. Everything that bears a name is ours alone and promised to the ledger before it is
//! made; filters of b and d go with them.
//!
//! Somebody else may remove any of it at any time, and then packets would pass without a verdict, or twice, or not at all. What
//! can be put back is put back ([`Upkeep::check`]); else the attachment ends.

use super::changes::Changes;
use super::check::Owner;
use super::ledger::{Direction as Side, Ledger, Undo};
use super::mark::{Mark, Marked, random_word};
use super::refusal::Refusal;
use super::upkeep::{Broken, Restored, Upkeep};
use skep_sys::netlink::{
    BpfFilter, Direction, FilterInfo, IfIndex, IfName, IngressQdisc, LinkInfo, Netlink,
    NetlinkError, NewLink, PROTOCOL_ALL, Redirect, disable_ipv6,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Preference of our filters: they must come first.
const PREFERENCE: u16 = 1;
/// Handle of b's filter, which is alone there.
const HANDLE: u32 = 1;
/// Longest MTU that a veth takes: whatever X lets in passes a, also when X's own is changed later, and with tags before it.
const MTU: u32 = 65_535;

/// Where X's frames go that have no verdict yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sink {
    /// To a pair made here, at whose other end a packet socket sees them ([`Wiring::drain`]).
    Pair,
    /// To this device, whose owner receives what is sent on it.
    Device(IfIndex),
    /// Nowhere by our doing: they never get as far as tc.
    None,
}

/// What was made for one interface.
#[derive(Debug)]
pub(crate) struct Wiring {
    state: Mutex<State>,
    /// The device that passed frames are sent on.
    pub(crate) entry: u32,
    /// The device that X's frames come in at; X itself if nothing was made for that.
    pub(crate) drain: u32,
}

#[derive(Debug)]
struct State {
    netlink: Netlink,
    changes: Changes,
    plan: Plan,
    devices: Devices,
    /// Address that b has.
    mac: Option<[u8; 6]>,
    /// Whether X's frames are to be sunk now.
    sinks: bool,
}

/// What frames go by.
#[derive(Clone, Copy, Debug)]
struct Devices {
    a: IfIndex,
    b: IfIndex,
    /// c, or another's device in its place.
    sink: Option<IfIndex>,
    /// d.
    drain: Option<IfIndex>,
}

impl Devices {
    fn iter(self) -> impl Iterator<Item = IfIndex> {
        [self.a, self.b]
            .into_iter()
            .chain(self.sink)
            .chain(self.drain)
    }
}

/// What is chosen before anything is made.
#[derive(Debug)]
struct Plan {
    x: IfIndex,
    names: [IfName; 4],
    mark: Mark,
    /// Handle of X's filter.
    handle: u32,
    /// Cookie of X's filter.
    cookie: [u8; 16],
}

impl Plan {
    fn new(x: IfIndex, mark: Mark) -> Result<Self, Refusal> {
        let random = || random_word().map_err(|error| Refusal::system("a random number", error));
        let stem = random()?;
        let name = |end| IfName::new(&format!("sk{stem:08x}{end}")).expect("eleven good bytes");
        let mut cookie = [0; 16];
        skep_sys::fill_random(&mut cookie)
            .map_err(|error| Refusal::system("a random number", error))?;
        Ok(Self {
            x,
            names: ['a', 'b', 'c', 'd'].map(name),
            mark,
            handle: random()? >> 1 | 1,
            cookie,
        })
    }

    fn delete(&self, device: usize) -> Undo {
        Undo::DeleteLink {
            name: self.names[device].as_str().to_owned(),
        }
    }

    fn delete_sink(&self) -> Undo {
        Undo::DeleteFilter {
            ifindex: self.x.get(),
            direction: Side::Ingress,
            preference: PREFERENCE,
            handle: self.handle,
            cookie: self.cookie.to_vec(),
        }
    }

    /// Puts the filter on X that sinks what is not marked.
    fn add_sink(&self, netlink: &mut Netlink, c: IfIndex) -> Result<(), NetlinkError> {
        netlink.add_bpf_filter(&BpfFilter {
            index: self.x,
            direction: Direction::Ingress,
            preference: PREFERENCE,
            handle: self.handle,
            program: &self.mark.program(Marked::Spared),
            redirect: Redirect {
                to: c,
                direction: Direction::Egress,
            },
            cookie: &self.cookie,
        })
    }

    /// Puts the filter on b that hands what is marked to X.
    fn add_entry(&self, netlink: &mut Netlink, b: IfIndex) -> Result<(), NetlinkError> {
        netlink.add_bpf_filter(&BpfFilter {
            index: b,
            direction: Direction::Ingress,
            preference: PREFERENCE,
            handle: HANDLE,
            program: &self.mark.program(Marked::Taken),
            redirect: Redirect {
                to: self.x,
                direction: Direction::Ingress,
            },
            cookie: &[],
        })
    }
}

impl Wiring {
    /// Makes all but X's filter: nothing is different yet for X's packets. What was made is undone on failure.
    pub(crate) fn build(
        ledger: Arc<dyn Ledger>,
        link: &LinkInfo,
        mark: Mark,
        sink: Sink,
    ) -> Result<Self, Refusal> {
        let mut netlink = Netlink::open()?;
        if sink != Sink::None {
            refuse_foreign(&mut netlink, link)?;
        }
        let plan = Plan::new(link.index, mark)?;
        let mut changes = Changes::new(ledger);
        match make(&mut netlink, &mut changes, &plan, link, sink) {
            Ok(devices) => Ok(Self {
                entry: devices.a.get(),
                drain: devices.drain.unwrap_or(link.index).get(),
                state: Mutex::new(State {
                    netlink,
                    changes,
                    plan,
                    devices,
                    mac: link.mac,
                    sinks: false,
                }),
            }),
            Err(refusal) => {
                changes.undo(&mut netlink, |_| true);
                Err(refusal)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the host get no frame any more but those with the mark.
    pub(crate) fn sink(&self) -> Result<(), Refusal> {
        let mut state = self.lock();
        let State {
            netlink,
            changes,
            plan,
            devices,
            ..
        } = &mut *state;
        if let Some(c) = devices.sink {
            changes.make(netlink, plan.delete_sink(), |netlink| {
                plan.add_sink(netlink, c)
            })?;
        }
        state.sinks = true;
        Ok(())
    }

    /// Lets the host get its frames again.
    pub(crate) fn unsink(&self) {
        let mut state = self.lock();
        state.sinks = false;
        let State {
            netlink, changes, ..
        } = &mut *state;
        changes.undo(netlink, |undo| matches!(undo, Undo::DeleteFilter { .. }));
    }
}

impl Wiring {
    /// Undoes all that is not undone yet.
    pub(crate) fn remove(&self) {
        self.unsink();
        let mut state = self.lock();
        let State {
            netlink, changes, ..
        } = &mut *state;
        changes.undo(netlink, |_| true);
    }
}

impl Drop for Wiring {
    fn drop(&mut self) {
        self.remove();
    }
}

/// What must not be there before ours.
fn refuse_foreign(netlink: &mut Netlink, link: &LinkInfo) -> Result<(), Refusal> {
    let filters = netlink.filters(link.index, Direction::Ingress)?;
    let in_the_way = |filter: &&FilterInfo| {
        let id = &filter.id;
        id.preference == PREFERENCE && (id.kind != "bpf" || id.protocol != PROTOCOL_ALL)
    };
    match filters.iter().find(in_the_way) {
        None => Ok(()),
        Some(filter) => Err(Refusal::PreferenceTaken {
            name: link.name.clone(),
            preference: PREFERENCE,
            kind: filter.id.kind.clone(),
        }),
    }
}

/// Makes devices, their filters and X's clsact; gives the devices.
fn make(
    netlink: &mut Netlink,
    changes: &mut Changes,
    plan: &Plan,
    link: &LinkInfo,
    sink: Sink,
) -> Result<Devices, Refusal> {
    let owner = Owner::this_process(plan.x).alias();
    let end = |device: usize, mac| NewLink {
        name: plan.names[device].clone(),
        mac,
        mtu: Some(MTU),
        alias: (device == 0).then(|| owner.clone()),
    };
    let mut pair = |first: usize, mac| -> Result<[IfIndex; 2], Refusal> {
        changes.make(netlink, plan.delete(first), |netlink| {
            netlink.create_veth(&end(first, None), &end(first + 1, mac))
        })?;
        let mut index = |name: &IfName| {
            disable_ipv6(name)?;
            let found = netlink.link_by_name(name)?.map(|link| link.index);
            found.ok_or_else(|| Refusal::Vanished(name.to_string()))
        };
        Ok([index(&plan.names[first])?, index(&plan.names[first + 1])?])
    };
    let [a, b] = pair(0, link.mac)?;
    let (sink, drain) = match sink {
        Sink::Pair => {
            let [c, d] = pair(2, None)?;
            (Some(c), Some(d))
        }
        Sink::Device(device) => (Some(device), None),
        Sink::None => (None, None),
    };
    let devices = Devices { a, b, sink, drain };
    netlink.add_clsact(b)?;
    plan.add_entry(netlink, b)?;
    if let Some(d) = drain {
        netlink.add_clsact(d)?;
        add_drop(netlink, d)?;
    }
    for device in devices.iter() {
        netlink.set_up(device)?;
    }
    if sink.is_some() {
        make_clsact(netlink, changes, plan.x)?;
    }
    Ok(devices)
}

/// Puts the filter on d that keeps its frames from the host.
fn add_drop(netlink: &mut Netlink, d: IfIndex) -> Result<(), NetlinkError> {
    netlink.drop_ingress(d, PREFERENCE, HANDLE)
}

/// Puts the only filter of a device of ours back, with its clsact, if somebody has removed them.
fn restore(
    netlink: &mut Netlink,
    device: IfIndex,
    add: impl FnOnce(&mut Netlink) -> Result<(), NetlinkError>,
) -> Result<Restored, NetlinkError> {
    if !netlink.filters(device, Direction::Ingress)?.is_empty() {
        return Ok(Restored::Nothing);
    }
    if !netlink.clsact_exists(device)? {
        netlink.add_clsact(device)?;
    }
    add(netlink)?;
    Ok(Restored::Filter)
}

/// Gives X a clsact, if nothing is there that filters hang on.
fn make_clsact(netlink: &mut Netlink, changes: &mut Changes, x: IfIndex) -> Result<(), Refusal> {
    match netlink.ingress_qdisc(x)? {
        Some(IngressQdisc::Clsact | IngressQdisc::Other(_)) => Ok(()),
        None => {
            let undo = Undo::DeleteClsact { ifindex: x.get() };
            changes.make(netlink, undo, |netlink| netlink.add_clsact(x))
        }
    }
}

impl Upkeep for Wiring {
    fn changed(&self, link: &LinkInfo) {
        let mut state = self.lock();
        let Devices { b, .. } = state.devices;
        if link.index == state.plan.x {
            // Frames enter X as they would by themselves only if they were for b's address as they are for X's.
            if let Some(mac) = link.mac
                && state.mac != link.mac
                && state.netlink.set_mac(b, mac).is_ok()
            {
                state.mac = link.mac;
            }
        } else if state.devices.iter().any(|device| device == link.index) && !link.flags.is_up() {
            // A failure shows in the next check, or in frames that are not delivered.
            let _: Result<(), NetlinkError> = state.netlink.set_up(link.index);
        }
    }

    fn uses(&self, index: IfIndex) -> bool {
        self.lock().devices.iter().any(|device| device == index)
    }

    fn check(&self) -> Result<Restored, Broken> {
        let mut state = self.lock();
        let State {
            netlink,
            changes,
            plan,
            devices: Devices { b, sink, drain, .. },
            sinks,
            ..
        } = &mut *state;
        if !*sinks {
            return Ok(Restored::Nothing);
        }
        let broken = |error: &dyn std::fmt::Display| Broken(error.to_string());
        for device in sink.iter().chain(drain.iter()) {
            let link = netlink.link_by_index(*device).map_err(|e| broken(&e))?;
            if link.is_none() {
                return Err(Broken(format!("interface {device} was deleted")));
            }
        }
        let mut restored = restore(netlink, *b, |netlink| plan.add_entry(netlink, *b));
        if let (Ok(Restored::Nothing), Some(d)) = (&restored, *drain) {
            restored = restore(netlink, d, |netlink| add_drop(netlink, d));
        }
        if restored.map_err(|e| broken(&e))? == Restored::Filter {
            return Ok(Restored::Filter);
        }
        let Some(c) = *sink else {
            return Ok(Restored::Nothing);
        };
        let filters = netlink.filters(plan.x, Direction::Ingress);
        let ours = |filter: &FilterInfo| {
            let mut actions = filter.actions.iter();
            actions.any(|action| action.cookie == plan.cookie)
        };
        if filters.map_err(|e| broken(&e))?.iter().any(ours) {
            return Ok(Restored::Nothing);
        }
        // A clsact that we made before is promised already; a second promise of it does no harm.
        make_clsact(netlink, changes, plan.x).map_err(|e| broken(&e))?;
        plan.add_sink(netlink, c).map_err(|e| broken(&e))?;
        Ok(Restored::Filter)
    }
}

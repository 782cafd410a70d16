//! What is attached where, and which devices were made: the machine's [`Ports`].
//!
//! The table's lock is held for look-ups only, never while an interface is changed or a worker waited for, so that `net show`
//! answers at any time. Whoever takes an entry out of the table ends what it stands for: a command that detaches, the monitor when
//! the interface goes, or the worker itself when its way fails. The machine sees to it that no two commands attach and detach at once.

use super::afxdp_way::AfxdpWay;
use super::background::Background;
use super::check::attachable;
use super::devices::Device;
use super::ledger::Ledger;
use super::monitor;
use super::packet_way::PacketWay;
use super::place::{Attachment, LiveCounts, Place};
use super::refusal::Refusal;
use super::tun_way::TunWay;
use super::upkeep::Upkeep;
use super::way::Way;
use super::wires::Wires;
use super::worker::{self, OnFailure, peer_name};
use super::xdp_programs::Chosen;
use skep_machine::{Attach, Attached, Machine, Peer, Ports, PortsError};
use skep_sys::netlink::{IfIndex, LinkInfo, Netlink};
use skep_uapi::{Errno, NetDevice, NetDeviceAdd, NetLive, Via, XdpMode};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Programs on the interfaces of this process's network namespace.
#[derive(Debug)]
pub struct LivePorts(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    ledger: Arc<dyn Ledger>,
    wires: Arc<Wires>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    entries: BTreeMap<u32, Entry>,
    devices: Vec<Device>,
    monitoring: Option<Background>,
    /// Nothing may be attached any more.
    ended: bool,
}

/// Something attached.
#[derive(Debug)]
struct Entry {
    attachment: Arc<Attachment>,
    /// Name of the interface, as it is now.
    name: String,
    upkeep: Option<Arc<dyn Upkeep>>,
    hold: Hold,
}

/// What runs the program.
#[derive(Debug)]
enum Hold {
    /// A worker of its own.
    Worker(Background),
    /// The worker of a device, which goes on without a program.
    Device(Arc<Place>),
}

/// A way that was opened.
enum Opened {
    Way(Box<dyn Way>, Option<Arc<dyn Upkeep>>),
    Device(Arc<Place>),
}

impl Opened {
    /// What a user who asked for this way has to know.
    fn shortfall(&self) -> Option<&'static str> {
        match self {
            Self::Way(way, _) => way.shortfall(),
            Self::Device(_) => None,
        }
    }
}

impl LivePorts {
    /// Ports that have `ledger` remember what is to be undone.
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>) -> Arc<Self> {
        Arc::new(Self(Arc::new(Inner {
            ledger,
            wires: Arc::default(),
            table: Mutex::default(),
        })))
    }
}

impl Drop for LivePorts {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl Ports for LivePorts {
    fn attach(&self, machine: &Arc<Machine>, attach: &Attach) -> Result<(), PortsError> {
        Ok(self.0.attach(machine, attach)?)
    }

    fn detach(&self, ifindex: u32) -> Result<Option<NetLive>, PortsError> {
        let entry = self.0.lock().entries.remove(&ifindex);
        match entry {
            Some(entry) => Ok(Some(entry.end())),
            None => {
                must_exist(ifindex)?;
                Ok(None)
            }
        }
    }

    fn query(&self) -> Vec<Attached> {
        let table = self.0.lock();
        let entries = table.entries.values().map(|entry| Attached {
            link: Arc::clone(&entry.attachment.link),
            ifindex: entry.attachment.ifindex,
            name: entry.name.clone(),
            mode: entry.attachment.mode,
            live: entry.attachment.live(),
        });
        entries.collect()
    }

    fn device_add(&self, device: &NetDeviceAdd) -> Result<u32, PortsError> {
        Ok(self.0.device_add(device)?)
    }

    fn device_delete(&self, name: &str) -> Result<(), PortsError> {
        match self.0.remove_device(name) {
            true => Ok(()),
            false => Err(PortsError {
                errno: Errno::ENODEV,
                why: format!("{name}: skep has made no device of this name"),
            }),
        }
    }

    fn devices(&self) -> Vec<NetDevice> {
        let table = self.0.lock();
        table.devices.iter().flat_map(Device::describe).collect()
    }

    fn shut_down(&self) {
        let mut table = self.0.lock();
        table.ended = true;
        let Table {
            entries,
            devices,
            monitoring,
            ..
        } = &mut *table;
        let (entries, devices) = (std::mem::take(entries), std::mem::take(devices));
        let monitoring = monitoring.take();
        drop(table);
        if let Some(monitoring) = monitoring {
            monitoring.stop();
        }
        for entry in entries.into_values() {
            entry.end();
        }
        for device in devices {
            device.remove(&self.0.wires);
        }
    }
}

fn must_exist(ifindex: u32) -> Result<(), Refusal> {
    let missing = Refusal::NoDevice(ifindex);
    let Some(index) = IfIndex::new(ifindex) else {
        return Err(missing);
    };
    let link = Netlink::open()?.link_by_index(index)?;
    link.map(drop).ok_or(missing)
}

impl Entry {
    /// Detaches; afterwards no run is in progress, and the counts are the last. Who wants to know of losses cannot ask for
    /// those any more, so that the trace pipe tells them.
    fn end(self) -> NetLive {
        match self.hold {
            Hold::Worker(worker) => worker.stop(),
            Hold::Device(place) => drop(place.take()),
        }
        self.attachment.link.detached();
        let live = self.attachment.live();
        if live.missed > 0 || live.undelivered > 0 {
            let text = format!(
                "detached ifindex={}: missed {} undelivered {}",
                self.attachment.ifindex, live.missed, live.undelivered
            );
            self.attachment.connection.trace("skep_net", &text);
        }
        live
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attach(self: &Arc<Self>, machine: &Arc<Machine>, attach: &Attach) -> Result<(), Refusal> {
        let ifindex = attach.ifindex;
        self.begin()?;
        let mut netlink = Netlink::open()?;
        let link = attachable(&mut netlink, ifindex)?;
        let (via, opened) = self.open(&link, attach)?;
        let peer = Peer {
            comm: peer_name(&link.name),
            ..Peer::this_process()
        };
        let attachment = Arc::new(Attachment {
            link: Arc::clone(&attach.link),
            connection: machine.connect(peer),
            ifindex,
            mode: attach.mode,
            via,
            counts: LiveCounts::default(),
        });
        let shortfall = opened.shortfall();
        let (hold, upkeep) = match opened {
            Opened::Device(place) => {
                place.put(Arc::clone(&attachment));
                (Hold::Device(place), None)
            }
            Opened::Way(way, upkeep) => {
                let place = Arc::new(Place::of(Arc::clone(&attachment)));
                let worker = worker::start(&link.name, way, place, self.when_failed(&attachment));
                let failed = |error| Refusal::system("a worker", error);
                (Hold::Worker(worker.map_err(failed)?), upkeep)
            }
        };
        if let Some(what) = shortfall {
            let text = format!("ifindex={ifindex}: {what}");
            attachment.connection.trace("skep_net", &text);
        }
        let entry = Entry {
            attachment,
            name: link.name,
            upkeep,
            hold,
        };
        self.insert(entry);
        // It may have changed, or gone, before the entry was there for the monitor to find.
        if let Some(now) = netlink.link_by_index(link.index)? {
            self.changed(&now);
            Ok(())
        } else {
            self.gone(ifindex);
            Err(Refusal::NoDevice(ifindex))
        }
    }

    /// Sees to it that somebody watches the interfaces.
    fn begin(self: &Arc<Self>) -> Result<(), Refusal> {
        let mut table = self.lock();
        if table.ended {
            return Err(Refusal::Ending);
        }
        if table.monitoring.is_none() {
            table.monitoring = Some(monitor::start(Arc::downgrade(self))?);
        }
        Ok(())
    }

    fn insert(&self, entry: Entry) {
        let mut table = self.lock();
        let failed = matches!(&entry.hold, Hold::Worker(worker) if worker.is_finished());
        if table.ended || failed {
            drop(table);
            entry.end();
        } else {
            table.entries.insert(entry.attachment.ifindex, entry);
        }
    }

    /// Opens the way that was asked for, or the first that works.
    fn open(&self, link: &LinkInfo, attach: &Attach) -> Result<(Via, Opened), Refusal> {
        if let Some(via) = attach.via {
            let opened = self.open_one(link, via, attach.mode, Chosen::ByName)?;
            return Ok((via, opened));
        }
        let mut tried = Vec::new();
        for via in Via::ALL {
            match self.open_one(link, via, attach.mode, Chosen::Automatically) {
                Ok(opened) => return Ok((via, opened)),
                Err(refusal) if refusal.is_of_the_way() => tried.push((via, refusal.to_string())),
                Err(refusal) => return Err(refusal),
            }
        }
        let name = link.name.clone();
        Err(Refusal::NoWay { name, tried })
    }

    fn open_one(
        &self,
        link: &LinkInfo,
        via: Via,
        mode: XdpMode,
        chosen: Chosen,
    ) -> Result<Opened, Refusal> {
        let (ledger, wires) = (Arc::clone(&self.ledger), Arc::clone(&self.wires));
        match via {
            Via::Tap => {
                let table = self.lock();
                let mut devices = table.devices.iter();
                let place = devices.find_map(|device| device.place(link.index.get()));
                place.map(Opened::Device).ok_or(Refusal::Missing(
                    "only for devices that skep made (`skep net dev add`)",
                ))
            }
            Via::Packet => {
                let (way, wiring) = PacketWay::open(ledger, link, wires)?;
                Ok(Opened::Way(Box::new(way), Some(wiring)))
            }
            Via::Tun => {
                let (way, wiring) = TunWay::open(ledger, link, wires)?;
                Ok(Opened::Way(Box::new(way), Some(wiring)))
            }
            Via::AfXdp => {
                let (way, hook) = AfxdpWay::open(ledger, link, mode, chosen, wires)?;
                Ok(Opened::Way(Box::new(way), Some(hook)))
            }
        }
    }

    /// What a worker calls when its way fails.
    fn when_failed(self: &Arc<Self>, attachment: &Arc<Attachment>) -> OnFailure {
        let (ports, attachment) = (Arc::downgrade(self), Arc::clone(attachment));
        Box::new(move |error| {
            if let Some(ports) = Weak::upgrade(&ports) {
                ports.failed(&attachment, &error.to_string());
            }
        })
    }

    /// Ends an attachment that cannot go on, and says so in the trace pipe.
    fn failed(&self, attachment: &Arc<Attachment>, why: &str) {
        let ifindex = attachment.ifindex;
        let mut table = self.lock();
        let entry = table.entries.get(&ifindex);
        let is_it = entry.is_some_and(|entry| Arc::ptr_eq(&entry.attachment, attachment));
        let entry = is_it.then(|| table.entries.remove(&ifindex)).flatten();
        drop(table);
        if let Some(entry) = entry {
            let text = format!("detached ifindex={ifindex}: {why}");
            attachment.connection.trace("skep_net", &text);
            entry.end();
        }
    }

    fn device_add(self: &Arc<Self>, add: &NetDeviceAdd) -> Result<u32, Refusal> {
        self.begin()?;
        let on_failure = || -> OnFailure {
            let (ports, name) = (Arc::downgrade(self), add.name.clone());
            Box::new(move |_| {
                if let Some(ports) = Weak::upgrade(&ports) {
                    ports.remove_device(&name);
                }
            })
        };
        let device = Device::make(add, &self.wires, on_failure)?;
        let ifindex = device.ifindex();
        let mut table = self.lock();
        if table.ended {
            drop(table);
            device.remove(&self.wires);
            return Err(Refusal::Ending);
        }
        table.devices.push(device);
        Ok(ifindex)
    }

    /// Removes a device; false if there is none of this name.
    fn remove_device(&self, name: &str) -> bool {
        let mut table = self.lock();
        let found = table.devices.iter();
        let Some(at) = found.clone().position(|device| device.is_named(name)) else {
            return false;
        };
        let device = table.devices.remove(at);
        let indices: Vec<_> = device.indices().collect();
        let on_it = |entry: &Entry| matches!(entry.hold, Hold::Device(_));
        let entries: Vec<_> = indices
            .iter()
            .filter(|index| table.entries.get(index).is_some_and(on_it))
            .copied()
            .collect();
        let entries: Vec<_> = entries
            .iter()
            .filter_map(|index| table.entries.remove(index))
            .collect();
        drop(table);
        for entry in entries {
            entry.end();
        }
        device.remove(&self.wires);
        true
    }

    /// An interface changed.
    pub(crate) fn changed(&self, link: &LinkInfo) {
        let mut table = self.lock();
        if let Some(entry) = table.entries.get_mut(&link.index.get())
            && entry.name != link.name
        {
            entry.name.clone_from(&link.name);
        }
        let concerned = |(ifindex, entry): (&u32, &Entry)| {
            let upkeep = entry.upkeep.as_ref()?;
            let own = *ifindex == link.index.get();
            Some((own, Arc::clone(upkeep)))
        };
        let upkeeps: Vec<_> = table.entries.iter().filter_map(concerned).collect();
        drop(table);
        for (own, upkeep) in upkeeps {
            if own || upkeep.uses(link.index) {
                upkeep.changed(link);
            }
        }
    }

    /// An interface is gone, and what was attached to it.
    pub(crate) fn gone(&self, ifindex: u32) {
        let mut table = self.lock();
        // A device may have gone to another namespace, where the machine is its wire still; its worker knows.
        let is_device = |entry: &Entry| matches!(entry.hold, Hold::Device(_));
        if table.entries.get(&ifindex).is_none_or(is_device) {
            return;
        }
        let entry = table.entries.remove(&ifindex);
        drop(table);
        if let Some(entry) = entry {
            entry.end();
        }
    }

    /// Whether a device is one that an attachment needs.
    pub(crate) fn uses(&self, index: IfIndex) -> bool {
        let upkeeps = self.upkeeps();
        upkeeps.iter().any(|(_, upkeep)| upkeep.uses(index))
    }

    /// Interfaces with something attached.
    pub(crate) fn attached_indices(&self) -> Vec<u32> {
        self.lock().entries.keys().copied().collect()
    }

    fn upkeeps(&self) -> Vec<(Arc<Attachment>, Arc<dyn Upkeep>)> {
        let of = |entry: &Entry| {
            let upkeep = Arc::clone(entry.upkeep.as_ref()?);
            Some((Arc::clone(&entry.attachment), upkeep))
        };
        self.lock().entries.values().filter_map(of).collect()
    }

    /// Looks whether others have removed what verdicts depend on.
    pub(crate) fn check(&self) {
        use super::upkeep::Restored;
        for (attachment, upkeep) in self.upkeeps() {
            match upkeep.check() {
                Ok(Restored::Nothing) => {}
                Ok(Restored::Filter) => {
                    let ifindex = attachment.ifindex;
                    let text = format!(
                        "restored ifindex={ifindex}: somebody had removed skep's tc filter; packets passed without a verdict"
                    );
                    attachment.connection.trace("skep_net", &text);
                }
                Err(broken) => self.failed(&attachment, &broken.to_string()),
            }
        }
    }
}

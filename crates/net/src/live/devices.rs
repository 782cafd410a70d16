//! The devices that the machine made: TAP devices whose wire it is.
//!
//! They are known by the names and indices that they were made with. Once made, one may be renamed or moved to another network
//! namespace: its wire stays, and so does a program that is attached to it. Programs are attached by an index of the machine's own
//! namespace, so attach before moving; a device that comes back from another namespace with another index is an interface like
//! any other here (the packet way serves it). Devices end with the process, however it ends, and both ends of a wire
//! go when somebody deletes one.

use super::background::Background;
use super::outlets::Outlets;
use super::place::Place;
use super::refusal::Refusal;
use super::tap_way::{End, TapWay};
use super::wires::{Inbox, Wires};
use super::worker::{self, OnFailure};
use skep_sys::netlink::IfName;
use skep_sys::{Tap, TapHeader, TapOffload, TapQueues, TapSpec};
use skep_uapi::{Errno, NetDevice, NetDeviceAdd};
use std::sync::Arc;

/// One device, or two with a wire between them.
#[derive(Debug)]
pub(crate) struct Device {
    ends: Vec<DeviceEnd>,
}

#[derive(Debug)]
struct DeviceEnd {
    name: String,
    end: Arc<End>,
    place: Arc<Place>,
    worker: Background,
}

impl Device {
    /// Makes it. `on_failure` makes what is called if it breaks, because somebody deletes it.
    pub(crate) fn make(
        add: &NetDeviceAdd,
        wires: &Arc<Wires>,
        on_failure: impl Fn() -> OnFailure,
    ) -> Result<Self, Refusal> {
        let names = [Some(&add.name), add.peer.as_ref()];
        // Names first: two devices are made or none.
        for name in names.into_iter().flatten() {
            check_name(name)?;
        }
        let made = names.into_iter().flatten().map(|name| make_end(name));
        let ends = made.collect::<Result<Vec<_>, _>>()?;
        let mut device = Self { ends: Vec::new() };
        for (at, near) in ends.iter().enumerate() {
            let far = ends.iter().enumerate().find(|(other, _)| *other != at);
            let far = far.map(|(_, far)| far);
            let name = near.tap.name().to_owned();
            wires.add(near.ifindex, TapWay::wire_end(far));
            match start(near, far, wires, &name, on_failure()) {
                Ok((place, worker)) => device.ends.push(DeviceEnd {
                    name,
                    end: Arc::clone(near),
                    place,
                    worker,
                }),
                Err(refusal) => {
                    ends.iter().for_each(|end| wires.remove(end.ifindex));
                    device.remove(wires);
                    return Err(refusal);
                }
            }
        }
        Ok(device)
    }

    /// Interface index of the first.
    pub(crate) fn ifindex(&self) -> u32 {
        self.ends[0].end.ifindex
    }

    /// Whether one of its devices was made with this name.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.ends.iter().any(|end| end.name == name)
    }

    /// Where a program is attached to the device of this index.
    pub(crate) fn place(&self, ifindex: u32) -> Option<Arc<Place>> {
        let mut ends = self.ends.iter();
        let end = ends.find(|end| end.end.ifindex == ifindex);
        end.map(|end| Arc::clone(&end.place))
    }

    /// Interface indices.
    pub(crate) fn indices(&self) -> impl Iterator<Item = u32> {
        self.ends.iter().map(|end| end.end.ifindex)
    }

    /// What `net dev show` tells.
    pub(crate) fn describe(&self) -> impl Iterator<Item = NetDevice> {
        self.ends.iter().map(|end| NetDevice {
            name: end.name.clone(),
            ifindex: end.end.ifindex,
            peer: self
                .ends
                .iter()
                .find(|other| other.name != end.name)
                .map(|other| other.name.clone()),
        })
    }

    /// Removes it: the devices vanish with their descriptors.
    pub(crate) fn remove(self, wires: &Wires) {
        for end in &self.ends {
            wires.remove(end.end.ifindex);
        }
        for end in self.ends {
            end.worker.stop();
        }
    }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    match IfName::new(name) {
        // The kernel would put a number in the place of `%d`.
        Some(_) if !name.contains('%') => Ok(()),
        Some(_) | None => Err(Refusal::BadName {
            name: name.to_owned(),
            why: "not a name for an interface (1 to 15 bytes, no space, slash, colon or percent sign)",
            errno: Errno::EINVAL,
        }),
    }
}

fn make_end(name: &str) -> Result<Arc<End>, Refusal> {
    let failed = |error| Refusal::system(format!("{name}: making a TAP device"), error);
    let spec = TapSpec {
        queues: TapQueues::Single,
        header: TapHeader::Vnet,
    };
    let tap = Tap::create(name, spec).map_err(|error| match error.raw_os_error() {
        Some(number) if Errno(number) == Errno::EBUSY => Refusal::BadName {
            name: name.to_owned(),
            why: "there is an interface of this name",
            errno: Errno::EEXIST,
        },
        _ => failed(error),
    })?;
    tap.set_offload(TapOffload::Segments).map_err(failed)?;
    Ok(Arc::new(End {
        ifindex: tap.ifindex().map_err(failed)?,
        inbox: Arc::new(Inbox::new().map_err(failed)?),
        tap,
    }))
}

fn start(
    near: &Arc<End>,
    far: Option<&Arc<End>>,
    wires: &Arc<Wires>,
    name: &str,
    on_failure: OnFailure,
) -> Result<(Arc<Place>, Background), Refusal> {
    let failed = |error| Refusal::system(format!("{name}: a worker"), error);
    let outlets = Outlets::open(Arc::clone(wires)).map_err(failed)?;
    let way = TapWay::new(Arc::clone(near), far.cloned(), outlets);
    let place = Arc::<Place>::default();
    let worker = worker::start(name, Box::new(way), Arc::clone(&place), on_failure);
    Ok((place, worker.map_err(failed)?))
}

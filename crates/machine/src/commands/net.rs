//! Programs on interfaces. What an interface is, the machine's `Ports` know; here are the rules of attaching, which are
//! Linux's for programs attached by rtnetlink, and the links that skep has beside them.

use crate::{Attach, Attached, Connection, LinkObject, Ports, PortsError, Prog};
use skep_uapi::{
    AttachType, Errno, Existing, LinkId, LinkType, NetAttach, NetAttached, NetDeviceAdd, ProgType,
    Reply, Value, XdpMode,
};
use std::sync::Arc;

/// The reply to a refusal: number and reason.
fn refused(error: PortsError) -> Reply {
    Reply {
        result: Err(error.errno),
        log: error.why,
    }
}

fn refusal(errno: Errno, why: &str) -> Reply {
    refused(PortsError {
        errno,
        why: why.to_owned(),
    })
}

fn reply(result: Result<Value, PortsError>) -> Reply {
    result.map_or_else(refused, Reply::ok)
}

fn ports(connection: &Connection) -> Result<&Arc<dyn Ports>, PortsError> {
    let ports = connection.machine().config().ports.as_ref();
    ports.ok_or_else(|| PortsError {
        errno: Errno::EOPNOTSUPP,
        why: "this machine has no network interfaces".to_owned(),
    })
}

pub(crate) fn attach(connection: &Connection, request: &NetAttach) -> Reply {
    let prog = match connection.prog(request.prog) {
        Ok(prog) => prog,
        Err(errno) => return Reply::err(errno),
    };
    if prog.prog_type != ProgType::XDP || prog.expected_attach_type != AttachType::XDP {
        return refusal(Errno::EINVAL, "the program is not of type xdp");
    }
    if let Err(why) = prog.image() {
        return refusal(Errno::EOPNOTSUPP, &why.to_string());
    }
    reply(attach_prog(connection, request, prog).map(|()| Value::Unit))
}

fn attach_prog(
    connection: &Connection,
    request: &NetAttach,
    prog: Arc<Prog>,
) -> Result<(), PortsError> {
    let machine = connection.machine();
    let ports = ports(connection)?;
    if request.mode == XdpMode::Offload {
        return Err(PortsError {
            // Linux's number: the program was not loaded for a card.
            errno: Errno::EINVAL,
            why: "skep has no hardware to offload programs to".to_owned(),
        });
    }
    let _attaching = machine.attaching();
    let present = ports
        .query()
        .into_iter()
        .find(|attached| attached.ifindex == request.ifindex);
    if let Some(present) = present {
        if request.existing == Existing::Keep {
            return Err(PortsError {
                errno: Errno::EBUSY,
                why: "XDP program already attached; `overwrite` replaces it".to_owned(),
            });
        }
        // It may have gone by itself meanwhile, with its interface.
        if present.link.replace(prog) {
            return Ok(());
        }
        return Err(PortsError {
            errno: Errno::ENODEV,
            why: format!("interface {} has just gone", request.ifindex),
        });
    }
    let make = |id| {
        let link = LinkObject::new(LinkId(id), LinkType::XDP, prog, request.ifindex);
        Ok::<_, PortsError>(link)
    };
    let link = machine.links.insert(make).ok_or_else(|| PortsError {
        errno: Errno::ENOSPC,
        why: "no link id is left".to_owned(),
    })??;
    let attach = Attach {
        link,
        ifindex: request.ifindex,
        mode: request.mode,
        via: request.via,
    };
    ports.attach(machine, &attach)
}

/// Detaches what was attached in a mode, as Linux does: another mode's program stays, and that is no error. What was attached in
/// any mode, or is detached from any, is what is meant.
pub(crate) fn detach(connection: &Connection, ifindex: u32, mode: XdpMode) -> Reply {
    let machine = connection.machine();
    // Without interfaces nothing is attached to them.
    let Some(ports) = machine.config().ports.as_ref() else {
        return Reply::ok(Value::Unit);
    };
    let _attaching = machine.attaching();
    let other_mode = |attached: &Attached| {
        let modes = [attached.mode, mode];
        attached.ifindex == ifindex && !modes.contains(&XdpMode::Any) && attached.mode != mode
    };
    if ports.query().iter().any(other_mode) {
        return Reply::ok(Value::Unit);
    }
    reply(ports.detach(ifindex).map(|_| Value::Unit))
}

/// Detaches what a link holds, unless that has happened.
pub(crate) fn detach_link(connection: &Connection, link: &Arc<LinkObject>) -> Reply {
    reply(ports(connection).and_then(|ports| {
        let _attaching = connection.machine().attaching();
        match link.ifindex() {
            0 => Ok(Value::Unit),
            ifindex => ports.detach(ifindex).map(|_| Value::Unit),
        }
    }))
}

pub(crate) fn query(connection: &Connection) -> Result<Value, Errno> {
    let ports = connection.machine().config().ports.as_ref();
    let attached = ports.map(|ports| ports.query()).unwrap_or_default();
    let list = attached.into_iter().map(|attached| NetAttached {
        ifindex: attached.ifindex,
        name: attached.name,
        mode: attached.mode,
        prog_id: attached.link.prog().id,
        link_id: Some(attached.link.id),
        live: Some(attached.live),
    });
    Ok(Value::NetAttached(list.collect()))
}

pub(crate) fn device_add(connection: &Connection, device: &NetDeviceAdd) -> Reply {
    reply(ports(connection).and_then(|ports| ports.device_add(device).map(Value::Id)))
}

pub(crate) fn device_delete(connection: &Connection, name: &str) -> Reply {
    reply(ports(connection).and_then(|ports| ports.device_delete(name).map(|()| Value::Unit)))
}

pub(crate) fn device_list(connection: &Connection) -> Result<Value, Errno> {
    let ports = connection.machine().config().ports.as_ref();
    let devices = ports.map(|ports| ports.devices()).unwrap_or_default();
    Ok(Value::NetDevices(devices))
}

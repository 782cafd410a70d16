//! Programs on interfaces, by rtnetlink (`IFLA_XDP`), in the network namespace of the calling thread.
//!
//! Requests carry the flags that bpftool's do, so that refusals are the same; the kernel's explanation is the log.

use crate::handles::Handles;
use crate::{Outcome, errno};
use skep_sys::bpf;
use skep_sys::netlink::{Cause, IfIndex, Netlink, NetlinkError, XdpAttach, XdpUpdate};
use skep_uapi::{
    Errno, Existing, Handle, NetAttach, NetAttached, ObjectKind, ProgId, Reply, Value, XdpMode,
};
use std::os::fd::{AsFd, BorrowedFd};

/// Attaches a program.
pub(crate) fn attach(handles: &Handles, request: &NetAttach) -> Reply {
    if let Some(via) = request.via {
        return Reply {
            result: Err(Errno::EOPNOTSUPP),
            log: format!("Linux has no way called '{via}' to a program, only its own"),
        };
    }
    let prog = match handles.of_kind(request.prog, ObjectKind::Prog) {
        Ok(prog) => prog,
        Err(errno) => return Reply::err(errno),
    };
    let update = match request.existing {
        Existing::Keep => XdpUpdate::IfNone,
        Existing::Replace => XdpUpdate::Overwrite,
    };
    change(request.ifindex, request.mode, Some(prog.as_fd()), update)
}

/// Detaches whatever program of this mode is there, if any. The flag says nothing where there is no new program.
pub(crate) fn detach(ifindex: u32, mode: XdpMode) -> Reply {
    change(ifindex, mode, None, XdpUpdate::IfNone)
}

fn change(
    ifindex: u32,
    mode: XdpMode,
    program: Option<BorrowedFd<'_>>,
    update: XdpUpdate<'_>,
) -> Reply {
    let Some(index) = IfIndex::new(ifindex) else {
        return Reply::err(Errno::ENODEV);
    };
    let attach = XdpAttach {
        program,
        mode: sys_mode(mode),
        update,
    };
    let changed = Netlink::open().and_then(|mut netlink| netlink.xdp_attach(index, &attach));
    match changed {
        Ok(()) => Reply::ok(Value::Unit),
        Err(error) => refused(error),
    }
}

/// All programs on all interfaces, by interface index.
pub(crate) fn query() -> Reply {
    let links = match Netlink::open().and_then(|mut netlink| netlink.links()) {
        Ok(links) => links,
        Err(error) => return refused(error),
    };
    let mut attached: Vec<NetAttached> = links
        .iter()
        .flat_map(|link| {
            link.xdp.programs().map(|(mode, id)| NetAttached {
                ifindex: link.index.get(),
                name: link.name.clone(),
                mode: uapi_mode(mode),
                prog_id: ProgId(id),
                link_id: None,
                live: None,
            })
        })
        .collect();
    attached.sort_by_key(|attached| attached.ifindex);
    Reply::ok(Value::NetAttached(attached))
}

/// Detaches what a link holds.
pub(crate) fn detach_link(handles: &Handles, link: Handle) -> Outcome {
    let link = handles.of_kind(link, ObjectKind::Link)?;
    bpf::link_detach(link.as_fd()).map_err(errno)?;
    Ok(Value::Unit)
}

fn refused(error: NetlinkError) -> Reply {
    let errno = error.errno().map_or(Errno::EIO, Errno);
    let log = match error.cause {
        Cause::Refused { text, .. } => text.unwrap_or_default(),
        _ => String::new(),
    };
    Reply {
        result: Err(errno),
        log,
    }
}

fn sys_mode(mode: XdpMode) -> Option<skep_sys::netlink::XdpMode> {
    use skep_sys::netlink::XdpMode as Sys;
    match mode {
        XdpMode::Any => None,
        XdpMode::Generic => Some(Sys::Generic),
        XdpMode::Driver => Some(Sys::Driver),
        XdpMode::Offload => Some(Sys::Hardware),
    }
}

fn uapi_mode(mode: skep_sys::netlink::XdpMode) -> XdpMode {
    use skep_sys::netlink::XdpMode as Sys;
    match mode {
        Sys::Generic => XdpMode::Generic,
        Sys::Driver => XdpMode::Driver,
        Sys::Hardware => XdpMode::Offload,
    }
}

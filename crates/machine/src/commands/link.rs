//! Links.

use super::net;
use crate::Connection;
use skep_uapi::{Errno, Handle, LinkInfo, Reply, Value};

pub(crate) fn info(connection: &Connection, handle: Handle) -> Result<Value, Errno> {
    let link = connection.link(handle)?;
    Ok(Value::LinkInfo(LinkInfo {
        id: link.id,
        link_type: link.link_type.0,
        prog_id: link.prog().id,
        ifindex: link.ifindex(),
    }))
}

/// `BPF_LINK_DETACH`: EINVAL if it is detached already? Linux answers 0 then, too.
pub(crate) fn detach(connection: &Connection, handle: Handle) -> Reply {
    match connection.link(handle) {
        Ok(link) => net::detach_link(connection, &link),
        Err(errno) => Reply::err(errno),
    }
}

//! Links.

use crate::Connection;
use skep_uapi::{Errno, Handle, LinkInfo, Value};

pub(crate) fn info(connection: &Connection, handle: Handle) -> Result<Value, Errno> {
    let link = connection.link(handle)?;
    let (link_type, prog_id, ifindex) = (link.link_type, link.prog.id, link.ifindex);
    Ok(Value::LinkInfo(LinkInfo {
        id: link.id,
        link_type,
        prog_id,
        ifindex,
    }))
}

//! `BPF_*_GET_NEXT_ID` and `BPF_*_GET_FD_BY_ID`.

use crate::{Connection, Object};
use skep_uapi::{Errno, ObjectKind, Value};

/// Ids are positive `int`s in Linux; asking for what comes after this one or a larger one is an error.
const ID_END: u32 = i32::MAX.cast_unsigned();

pub(crate) fn next(connection: &Connection, kind: ObjectKind, after: u32) -> Result<Value, Errno> {
    if after >= ID_END {
        return Err(Errno::EINVAL);
    }
    let machine = connection.machine();
    let next = match kind {
        ObjectKind::Prog => machine.progs.after(after),
        ObjectKind::Map => machine.maps.after(after),
        ObjectKind::Btf => machine.btfs.after(after),
        ObjectKind::Link => machine.links.after(after),
    };
    next.map(Value::Id).ok_or(Errno::ENOENT)
}

pub(crate) fn open(connection: &Connection, kind: ObjectKind, id: u32) -> Result<Value, Errno> {
    let machine = connection.machine();
    let object = match kind {
        ObjectKind::Prog => machine.progs.get(id).map(Object::Prog),
        ObjectKind::Map => machine.maps.get(id).map(Object::Map),
        ObjectKind::Btf => machine.btfs.get(id).map(Object::Btf),
        ObjectKind::Link => machine.links.get(id).map(Object::Link),
    };
    connection
        .open(object.ok_or(Errno::ENOENT)?)
        .map(Value::Handle)
}

//! `BPF_OBJ_PIN` and `BPF_OBJ_GET`.

use crate::Connection;
use skep_uapi::{Errno, Handle, Value};

pub(crate) fn pin(connection: &Connection, handle: Handle, path: &str) -> Result<Value, Errno> {
    let object = connection.object(handle)?;
    connection.machine().pins.add(path, object)?;
    Ok(Value::Unit)
}

pub(crate) fn open(connection: &Connection, path: &str) -> Result<Value, Errno> {
    let object = connection.machine().pins.get(path)?;
    let kind = object.kind();
    Ok(Value::Opened(kind, connection.open(object)?))
}

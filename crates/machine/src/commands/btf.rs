//! `BPF_BTF_LOAD` and BTF info.

use crate::{BtfObject, Connection, Object};
use skep_btf::Btf;
use skep_uapi::{BtfId, BtfInfo, Errno, Handle, Reply, Value};

/// Largest BTF (kernel `BTF_MAX_SIZE`).
const BTF_BYTES_MAX: usize = 16 << 20;

pub(crate) fn load(connection: &Connection, data: Vec<u8>, log_level: u32) -> Reply {
    if data.len() > BTF_BYTES_MAX {
        return Reply::err(Errno::E2BIG);
    }
    let btf = match Btf::parse_for_load(&data) {
        Ok(btf) => btf,
        Err(error) => {
            let log = if log_level > 0 {
                format!("{error}\n")
            } else {
                String::new()
            };
            return Reply {
                result: Err(Errno::EINVAL),
                log,
            };
        }
    };
    let made = connection.machine().btfs.insert(|id| {
        Ok(BtfObject {
            id: BtfId(id),
            btf: btf.into(),
            data,
        })
    });
    made.unwrap_or(Err(Errno::ENOSPC))
        .and_then(|btf| connection.open(Object::Btf(btf)))
        .map(Value::Handle)
        .into()
}

pub(crate) fn info(connection: &Connection, handle: Handle) -> Result<Value, Errno> {
    let btf = connection.btf(handle)?;
    let info = BtfInfo {
        id: btf.id,
        data: btf.data.clone(),
        name: String::new(),
        kernel_btf: false,
    };
    Ok(Value::BtfInfo(Box::new(info)))
}

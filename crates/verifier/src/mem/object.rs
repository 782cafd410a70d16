//! Structures of the kernel behind pointers that contexts hold and helpers return: sockets by their layouts, flow keys and
//! tracepoint buffers as plain memory.

use super::Cell;
use crate::log::state::var_off;
use crate::path::Path;
use crate::reject::Reject;
use crate::state::{Object, Reg};
use crate::verified::Access;
use skep_contracts::{BPF_SOCK, BPF_SOCK_COMMON, BPF_TCP_SOCK, CtxLayout, FieldAccess};

/// Bytes of `struct bpf_flow_keys`.
const FLOW_KEYS_BYTES: i64 = 56;

impl Path<'_> {
    pub(super) fn load_object(&self, cell: &Cell, object: Object) -> Result<(Reg, Access), Reject> {
        if let Some(layout) = layout(object) {
            return self.load_socket(cell, object, layout);
        }
        let access = self.plain_memory(cell, object)?;
        Ok((Reg::unknown(), access))
    }

    pub(super) fn store_object(&self, cell: &Cell, object: Object) -> Result<Access, Reject> {
        if object.is_socket() {
            return Err(Reject::ObjectWrite {
                at: self.at,
                reg: cell.reg,
                kind: cell.base.kind.name(),
            });
        }
        self.plain_memory(cell, object)
    }

    fn load_socket(
        &self,
        cell: &Cell,
        object: Object,
        layout: &CtxLayout,
    ) -> Result<(Reg, Access), Reject> {
        let bytes = cell.size.bytes();
        let attach = self.attach;
        let field = u32::try_from(cell.fixed()).ok().and_then(|offset| {
            layout.readable(FieldAccess {
                offset,
                bytes,
                attach,
            })
        });
        if field.is_none() {
            return Err(Reject::ObjectAccess {
                at: self.at,
                reg: cell.reg,
                kind: cell.base.kind.name(),
                off: cell.fixed(),
                size: bytes,
            });
        }
        let access = Access::Object {
            structure: crate::state::Kind::Object(object).name(),
            offset: u32::try_from(cell.fixed()).unwrap_or(0),
            bytes,
        };
        Ok((Reg::unknown(), access))
    }

    /// Flow keys and tracepoint buffers are accessed as they are.
    fn plain_memory(&self, cell: &Cell, object: Object) -> Result<Access, Reject> {
        let (at, off, size) = (self.at, cell.fixed(), cell.size.bytes());
        match object {
            Object::FlowKeys if off < 0 || off + i64::from(size) > FLOW_KEYS_BYTES => {
                Err(Reject::FlowKeysAccess { at, off, size })
            }
            Object::FlowKeys => Ok(Access::Direct),
            Object::TracepointBuffer => {
                let reg = cell.reg;
                if off < 0 {
                    return Err(Reject::TracepointBuffer { at, reg, off, size });
                }
                if cell.base.value.as_const() != Some(0) {
                    let var_off = var_off(&cell.base.value);
                    return Err(Reject::VariableBuffer {
                        at,
                        reg,
                        off,
                        var_off,
                    });
                }
                // How long it is, is checked when the program is attached.
                Ok(Access::Direct)
            }
            Object::Sock
            | Object::SockCommon
            | Object::TcpSock
            | Object::SkBuff
            | Object::NfHookState => Err(Reject::Unsupported {
                what: "access to the kernel's own structures".to_owned(),
            }),
        }
    }
}

/// The layout of a socket as programs see it.
fn layout(object: Object) -> Option<&'static CtxLayout> {
    match object {
        Object::Sock => Some(&BPF_SOCK),
        Object::SockCommon => Some(&BPF_SOCK_COMMON),
        Object::TcpSock => Some(&BPF_TCP_SOCK),
        Object::FlowKeys | Object::TracepointBuffer | Object::SkBuff | Object::NfHookState => None,
    }
}

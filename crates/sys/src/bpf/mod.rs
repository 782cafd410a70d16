//! bpf(2) in plain integers: one function per command, each taking slices where `union bpf_attr` has pointers.
//!
//! Layouts are those of `include/uapi/linux/bpf.h`; offsets appear only in this folder. Buffers that the kernel fills
//! are allocated here, by sizes that the kernel itself reports, so that no caller can make it write elsewhere.
//! Errors carry the kernel's number. This module does not know what programs or maps mean.

mod attr;
mod info;
mod map;
mod object;
mod prog;

pub use attr::Command;
pub use info::{
    BtfInfo, LinkInfo, MapInfo, ProgArrays, ProgInfo, btf_info, link_info, map_info, prog_arrays,
    prog_info,
};
pub use map::{Map, MapCreate, map_create};
pub use object::{
    IdKind, Log, Name, btf_load, fdinfo, link_detach, next_id, obj_get, obj_pin, open_id,
    prog_bind_map,
};
pub use prog::{ProgLoad, TestRun, TestRunOutput, prog_load, test_run};

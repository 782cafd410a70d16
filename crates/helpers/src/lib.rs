//! Helper bodies, keyed by id.
//!
//! A body is a function of an environment ([`Env`]) and the five arguments. It is generic over the environment, so that the
//! same body serves compiled code and the trusted interpreter (addresses taken on the verifier's word) and the checked
//! interpreter (every access looked up). A body fails only where its memory does; what Linux reports as an error number is a
//! value.
//! This crate does not know engines, prototypes (`contracts`) or the machine; what it needs of the machine comes through
//! [`Services`].
#![forbid(unsafe_code)]

mod csum;
mod env;
mod format;
mod map;
mod misc;
mod table;
mod text;
mod time;
mod xdp;

pub use env::{Args, Clock, Env, Redirect, Services};
pub use table::{IMPLEMENTED, dispatch};

/// Bodies by name, for the shims of `exec`.
pub mod bodies {
    pub use crate::csum::csum_diff;
    pub use crate::map::{
        map_delete_elem, map_lookup_elem, map_lookup_percpu_elem, map_update_elem,
    };
    pub use crate::misc::{get_numa_node_id, get_prandom_u32, get_smp_processor_id};
    pub use crate::text::{snprintf, trace_printk, trace_vprintk};
    pub use crate::time::{ktime_get_boot_ns, ktime_get_coarse_ns, ktime_get_ns, ktime_get_tai_ns};
    pub use crate::xdp::{
        redirect, redirect_map, xdp_adjust_head, xdp_adjust_meta, xdp_adjust_tail,
        xdp_get_buff_len, xdp_load_bytes, xdp_store_bytes,
    };
}

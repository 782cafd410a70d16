//! The one list of helpers that have bodies.

use crate::bodies;
use crate::{Args, Env};
use skep_memory::Fault;
use skep_uapi::HelperId;

/// Gives `with!` every helper that has a body, as `body = CONSTANT;` rows: the body's name in `bodies` and its id.
#[macro_export]
macro_rules! for_each_helper {
    ($with:ident) => {
        $with! {
            map_lookup_elem = MAP_LOOKUP_ELEM;
            map_update_elem = MAP_UPDATE_ELEM;
            map_delete_elem = MAP_DELETE_ELEM;
            map_lookup_percpu_elem = MAP_LOOKUP_PERCPU_ELEM;
            ktime_get_ns = KTIME_GET_NS;
            ktime_get_boot_ns = KTIME_GET_BOOT_NS;
            ktime_get_coarse_ns = KTIME_GET_COARSE_NS;
            ktime_get_tai_ns = KTIME_GET_TAI_NS;
            trace_printk = TRACE_PRINTK;
            trace_vprintk = TRACE_VPRINTK;
            snprintf = SNPRINTF;
            get_prandom_u32 = GET_PRANDOM_U32;
            get_smp_processor_id = GET_SMP_PROCESSOR_ID;
            get_numa_node_id = GET_NUMA_NODE_ID;
            redirect = REDIRECT;
            redirect_map = REDIRECT_MAP;
            csum_diff = CSUM_DIFF;
            xdp_adjust_head = XDP_ADJUST_HEAD;
            xdp_adjust_meta = XDP_ADJUST_META;
            xdp_adjust_tail = XDP_ADJUST_TAIL;
            xdp_get_buff_len = XDP_GET_BUFF_LEN;
            xdp_load_bytes = XDP_LOAD_BYTES;
            xdp_store_bytes = XDP_STORE_BYTES;
        }
    };
}

macro_rules! dispatcher {
    ($($body:ident = $id:ident;)*) => {
        /// Runs the body of helper `id`, or `None` if it has none here.
        pub fn dispatch<E: Env>(id: HelperId, env: &E, args: Args) -> Option<Result<u64, Fault>> {
            match id {
                $(HelperId::$id => Some(bodies::$body(env, args)),)*
                _ => None,
            }
        }

        /// Helpers that have a body.
        pub const IMPLEMENTED: &[HelperId] = &[$(HelperId::$id),*];
    };
}
for_each_helper!(dispatcher);

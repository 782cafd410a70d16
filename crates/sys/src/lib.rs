//! Operating-system calls that skep needs, behind safe functions.
//!
//! Every function here is safe to call with any argument: what memory the kernel reads or writes is decided by slices
//! and by buffers that this crate allocates, never by numbers that a caller passes. Errors are [`std::io::Error`]
//! with the kernel's number in `raw_os_error`, or with a text that names the remedy ([`Tap`]). This crate knows no BPF
//! semantics: [`bpf`] speaks the bpf(2) layouts in plain integers and leaves their meaning to its callers. Linux is the
//! only system yet.

pub mod bpf;
mod capability;
mod classic;
pub mod clock;
mod code_pages;
mod host;
mod interface;
mod lock;
mod mount;
mod namespace;
pub mod netlink;
pub mod packet;
mod process;
mod random;
mod signal;
mod socket;
mod socket_option;
mod tap;
mod wait;
pub mod xsk;

pub use capability::{
    Capabilities, Capability, drop_capabilities_except, effective_capabilities, no_new_privileges,
};
pub use classic::ClassicInsn;
pub use code_pages::{CodePages, CodePagesMut, NEAR_BYTES_MAX, Placement};
pub use host::{page_bytes, possible_cpus};
pub use interface::{interface_index, interface_name};
pub use lock::LockFile;
pub use mount::{
    BPF_FS, DEBUG_FS, Mount, TRACE_FS, mount_pseudo, mounts, private_mount_namespace, unmount,
};
pub use namespace::{Namespace, namespace_inode, net_namespace_cookie, uid_outside};
pub use process::{
    Detached, LogTarget, comm, effective_uid, pid, set_comm, spawn_detached,
    spawn_detached_with_pipe,
};
pub use random::fill_random;
pub use signal::TerminationSignals;
pub use socket::{Peer, bind_private, connect_within, peer};
pub use tap::{TAP_PARTS, TUN_FILE, Tap, TapHeader, TapOffload, TapQueues, TapSpec};
pub use wait::{Readiness, is_hung_up, open_nonblocking, wait_any_readable, wait_readable};

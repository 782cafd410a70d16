//! What a caller may choose about a load.

use crate::kernel::{KernelConfig, KernelSymbols};
use skep_btf::core::KernelBtf;
use skep_object::ObjectName;
use skep_uapi::{AttachType, Handle, ProgType};
use std::fmt;
use std::sync::Arc;

/// Choices for one load. [`Options::new`] gives what libbpf does by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Name of the object, from which data maps have their names.
    pub object_name: ObjectName,
    /// Type of all programs, in place of what their section names say.
    pub prog_kind: Option<ProgKind>,
    /// Which programs to load.
    pub programs: Programs,
    /// Maps to use in place of new ones.
    pub reuse: Vec<Reuse>,
    /// Directory of maps that are pinned by name.
    pub pin_dir: String,
    /// First values of global variables, by name; as many bytes as the variable has.
    pub variables: Vec<(String, Vec<u8>)>,
    /// Types of the kernel, for CO-RE relocations, typed externs and attach targets.
    pub btf: Option<Arc<KernelBtf>>,
    /// Configuration of the kernel, for `.kconfig` externs.
    pub config: Option<Arc<KernelConfig>>,
    /// Symbols of the kernel, for `.ksyms` externs without a type.
    pub symbols: Option<Arc<KernelSymbols>>,
    /// Value of `LINUX_KERNEL_VERSION`.
    pub kernel_version: Option<u32>,
    /// By name, before what the kernel says: values of options, addresses of variables, type ids of functions.
    pub externs: Vec<(String, u64)>,
    /// Log level of the verifier; with 0 a failed load is repeated with 1, to say why.
    pub log_level: u32,
    /// Device of device-bound programs, 0 for none.
    pub ifindex: u32,
}

impl Options {
    /// Everything as the object says.
    #[must_use]
    pub fn new(object_name: ObjectName) -> Self {
        Self {
            object_name,
            prog_kind: None,
            programs: Programs::Default,
            reuse: Vec::new(),
            pin_dir: "/sys/fs/bpf".to_owned(),
            variables: Vec::new(),
            btf: None,
            config: None,
            symbols: None,
            kernel_version: None,
            externs: Vec::new(),
            log_level: 0,
            ifindex: 0,
        }
    }
}

/// Type and attach type of a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProgKind {
    /// Type.
    pub prog_type: ProgType,
    /// `expected_attach_type`.
    pub attach_type: AttachType,
}

/// Which programs to load.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Programs {
    /// All but those of sections that begin with `?`.
    Default,
    /// Those with these names, optional or not.
    Named(Vec<String>),
}

/// A map to use in place of a new one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reuse {
    /// Which map of the object.
    pub map: MapRef,
    /// What to use.
    pub handle: Handle,
}

/// A map of an object, as a user names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MapRef {
    /// By place in the order of creation, from 0.
    Index(usize),
    /// By name; data maps by the name they are created with or that of their section.
    Name(String),
}

impl fmt::Display for MapRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "number {index}, counted from 0"),
            Self::Name(name) => write!(f, "'{name}'"),
        }
    }
}

//! The proof: instructions that the verifier accepted, with what it learned about each.

use skep_isa::{InsnIdx, Program};
use skep_uapi::{AttachType, MapId, MapType, ProgType};

/// What a memory instruction accesses. Every path to one instruction agrees on it (the verifier refuses otherwise).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Access {
    /// Not a memory instruction, or never reached.
    #[default]
    None,
    /// Stack, packet, map value: the address is used as it is.
    Direct,
    /// A field of the context, at this byte offset of the uapi structure.
    Ctx {
        /// Byte offset, the instruction's own and the pointer's added.
        offset: u32,
        /// Bytes accessed.
        bytes: u32,
    },
    /// A field of a structure of the kernel's, which is not in memory as programs see it.
    Object {
        /// The structure, by its name in the log.
        structure: &'static str,
        /// Byte offset of the uapi structure.
        offset: u32,
        /// Bytes accessed.
        bytes: u32,
    },
}

/// What is known about one instruction slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InsnInfo {
    /// Whether exploration reached it. What it did not reach cannot run.
    pub reached: bool,
    /// For a conditional jump: whether each way was ever possible.
    pub taken_possible: bool,
    /// See `taken_possible`.
    pub fallthrough_possible: bool,
    /// What a memory instruction accesses.
    pub access: Access,
    /// Whether a helper call was carried out on some path: tells "no map yet" from "not the same map".
    pub(crate) called: bool,
    /// For a helper call with a map argument that is the same map on all paths: its index in `used_maps`.
    pub call_map: Option<u16>,
}

/// One function of the program: the main function first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subprog {
    /// First slot.
    pub start: InsnIdx,
    /// One past the last slot.
    pub end: InsnIdx,
    /// Bytes of stack that it uses itself, a multiple of 8.
    pub stack_bytes: u32,
    /// Name from BTF, else empty.
    pub name: String,
}

/// Figures of the verification, as Linux prints them at log level 4.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Instructions processed over all paths.
    pub processed_insns: u32,
    /// States stored in all.
    pub total_states: u32,
    /// States stored at one time at most.
    pub peak_states: u32,
    /// Longest list of states at one instruction.
    pub max_states_per_insn: u32,
    /// Registers marked for precision.
    pub mark_read: u32,
    /// Microseconds of verification.
    pub usec: u64,
}

/// A map that a program refers to, as it was when the program was verified against it: whoever runs the program must give it
/// this very map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UsedMap {
    /// Index into `Env::maps`.
    pub index: usize,
    /// Id.
    pub id: MapId,
    /// Type.
    pub map_type: MapType,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Largest number of entries.
    pub max_entries: u32,
}

/// Instructions that `verify` accepted, with what it learned about each. Holding it is the proof that it ran.
#[derive(Clone, Debug)]
pub struct Verified {
    pub(crate) program: Program,
    pub(crate) insns: Box<[InsnInfo]>,
    pub(crate) subprogs: Box<[Subprog]>,
    pub(crate) used_maps: Box<[UsedMap]>,
    pub(crate) prog_type: ProgType,
    pub(crate) expected_attach_type: AttachType,
    pub(crate) stats: Stats,
}

impl Verified {
    /// The program as it was loaded, except that every map reference is `Imm64::MapIdx`/`MapIdxValue` with an index into
    /// [`Self::used_maps`].
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// What is known about a slot.
    ///
    /// # Panics
    /// If `at` is not a slot of the program.
    #[must_use]
    pub fn info(&self, at: InsnIdx) -> &InsnInfo {
        &self.insns[at.index()]
    }

    /// Functions in order of their first slot.
    #[must_use]
    pub fn subprogs(&self) -> &[Subprog] {
        &self.subprogs
    }

    /// Maps that the program refers to, in order of first reference.
    #[must_use]
    pub fn used_maps(&self) -> &[UsedMap] {
        &self.used_maps
    }

    /// Program type that it was verified for.
    #[must_use]
    pub fn prog_type(&self) -> ProgType {
        self.prog_type
    }

    /// Attach type that it was verified for.
    #[must_use]
    pub fn expected_attach_type(&self) -> AttachType {
        self.expected_attach_type
    }

    /// Bytes of stack of each function, as the log prints them.
    pub(crate) fn stack_depths(&self) -> String {
        let depths = self.subprogs.iter().map(|sub| sub.stack_bytes.to_string());
        depths.collect::<Vec<_>>().join("+")
    }

    /// Figures of the verification.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }
}

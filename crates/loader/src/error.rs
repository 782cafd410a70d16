//! Why an object was not loaded: the subject, the step, and what the machine said.

use crate::options::MapRef;
use skep_btf::core::CoreError;
use skep_uapi::Errno;
use thiserror::Error;

/// Why an object was not loaded.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum LoadError {
    /// The object has no program, and one was asked for.
    #[error("object file doesn't contain any bpf program")]
    NoPrograms,
    /// The object needs something that this loader does not do yet.
    #[error("section '{section}': {what} are not supported yet")]
    Unsupported {
        /// Section.
        section: String,
        /// What it holds.
        what: &'static str,
    },
    /// The section name does not say the type of a program.
    #[error(
        "program '{program}': section name '{section}' does not say the program's type; name the type"
    )]
    UnknownSection {
        /// Program.
        program: String,
        /// Section.
        section: String,
    },
    /// A program that attaches to a typed hook of the kernel.
    #[error(
        "program '{program}': section '{section}' needs the kernel's BTF (--btf FILE) to find what it attaches to"
    )]
    NeedsAttachBtf {
        /// Program.
        program: String,
        /// Section.
        section: String,
    },
    /// A program with CO-RE relocations.
    #[error(
        "program '{program}': instruction {at} in '{function}' depends on the target's '{ty}' ({access}); CO-RE relocation \
         needs the kernel's BTF (--btf FILE)"
    )]
    NeedsTargetBtf {
        /// Program.
        program: String,
        /// Function that holds the instruction.
        function: String,
        /// Instruction in the function.
        at: u32,
        /// Name of the type.
        ty: String,
        /// Names of the fields from the type, or what is asked about it.
        access: String,
    },
    /// A program that attaches to a typed hook, and whose section does not say which.
    #[error("program '{program}': section '{section}' does not say what the program attaches to")]
    NoAttachTarget {
        /// Program.
        program: String,
        /// Section.
        section: String,
    },
    /// An exception callback that is no subprogram of the object.
    #[error("program '{program}': exception callback '{callback}' is no subprogram")]
    NoExceptionCallback {
        /// Program.
        program: String,
        /// Name in its declaration tag.
        callback: String,
    },
    /// A hook that the kernel does not have.
    #[error("program '{program}': the kernel has no '{target}' to attach to")]
    NoSuchTarget {
        /// Program.
        program: String,
        /// Name in the section.
        target: String,
    },
    /// A program that replaces a function of a loaded program, which nobody named.
    #[error(
        "program '{program}': replaces '{target}' of another program, and which one is not known"
    )]
    NeedsAttachProgram {
        /// Program.
        program: String,
        /// Function to be replaced.
        target: String,
    },
    /// A CO-RE relocation that cannot be answered or written.
    #[error(
        "program '{program}': instruction {at} in '{function}', which depends on the kernel's '{ty}' ({access}): {what}"
    )]
    Core {
        /// Program.
        program: String,
        /// Function that holds the instruction.
        function: String,
        /// Instruction in the function.
        at: u32,
        /// Name of the type.
        ty: String,
        /// Names of the fields from the type, or what is asked about it.
        access: String,
        /// What is wrong.
        what: CoreFlaw,
    },
    /// A value for an extern that does not fit it.
    #[error("extern '{name}': {what}")]
    ExternValue {
        /// Name.
        name: String,
        /// What is wrong.
        what: ExternFlaw,
    },
    /// An extern that nothing provides.
    #[error(
        "extern '{name}': {what} is not known; declare it __weak if the program can do without"
    )]
    Extern {
        /// Name.
        name: String,
        /// What it is.
        what: &'static str,
    },
    /// A value for an extern that cannot hold it.
    #[error("extern '{name}': value {value} does not fit its {size} bytes")]
    ExternSize {
        /// Name.
        name: String,
        /// Value.
        value: u64,
        /// Bytes of the variable.
        size: u32,
    },
    /// A program that was asked for does not exist.
    #[error("no program is called '{0}'")]
    NoSuchProgram(String),
    /// A map that was to be replaced does not exist.
    #[error("no such map: {0}")]
    NoSuchMap(MapRef),
    /// A variable that was to be set does not exist.
    #[error("no global variable is called '{0}'")]
    NoSuchVariable(String),
    /// A value of another size than its variable.
    #[error("variable '{name}' has {size} bytes, its value {given}")]
    VariableSize {
        /// Variable.
        name: String,
        /// Bytes of the variable.
        size: u32,
        /// Bytes of the value.
        given: usize,
    },
    /// A program that is too long.
    #[error("program '{program}' has more than {max} instructions with its subprograms", max = crate::limits::INSNS_MAX)]
    TooLong {
        /// Program.
        program: String,
    },
    /// A subprogram without the records that the program has.
    #[error(
        "program '{program}': no {what} for subprogram '{function}', which the program needs because it has some itself"
    )]
    MissingInfo {
        /// Program.
        program: String,
        /// Subprogram.
        function: String,
        /// Which records.
        what: &'static str,
    },
    /// A command about a map failed.
    #[error("map '{map}': cannot {step}: {errno}")]
    Map {
        /// Map, by the name it is created with.
        map: String,
        /// What was done.
        step: MapStep,
        /// What the machine said.
        errno: Errno,
    },
    /// A pinned map with another definition.
    #[error("map '{map}': the map pinned at '{path}' has another definition")]
    PinnedMapDiffers {
        /// Map.
        map: String,
        /// Path.
        path: String,
    },
    /// A map that its definition pins somewhere else.
    #[error(
        "map '{map}': is pinned at '{pinned}' by its definition, so it cannot be pinned at '{path}'"
    )]
    PinnedElsewhere {
        /// Map.
        map: String,
        /// Where it should be pinned.
        path: String,
        /// Where it is.
        pinned: String,
    },
    /// The verifier refused a program.
    #[error("program '{program}' (section '{section}'): {errno}{}", log_text(.log))]
    Program {
        /// Program.
        program: String,
        /// Section.
        section: String,
        /// What the machine said.
        errno: Errno,
        /// The verifier's log; may be empty.
        log: String,
    },
    /// An answer that does not belong to the command: a broken machine or connection.
    #[error("unexpected answer to {command}")]
    Answer {
        /// The command.
        command: &'static str,
    },
}

/// Why a CO-RE relocation failed.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum CoreFlaw {
    /// It has no answer.
    #[error("{0}")]
    Answer(CoreError),
    /// The relocation is not within the function.
    #[error("no such instruction")]
    Outside,
    /// An instruction that holds no such number.
    #[error("instruction 0x{0:02x} cannot hold the answer")]
    Instruction(u8),
    /// The instruction does not hold what the compiler writes.
    #[error("instruction holds {holds}, expected {expected}")]
    Unexpected {
        /// Number in the instruction.
        holds: u64,
        /// Number that follows from the program's types.
        expected: u64,
    },
    /// An offset that no load or store reaches.
    #[error("offset {0} does not fit a load or store")]
    TooFar(u64),
    /// An access of another size than the program's field.
    #[error("access of {bytes} bytes of a field that has {field}")]
    AccessSize {
        /// Bytes that the instruction accesses.
        bytes: u32,
        /// Bytes of the program's field.
        field: u32,
    },
    /// A field of a size that no instruction accesses.
    #[error("no instruction accesses the kernel's {0} bytes")]
    FieldSize(u32),
}

/// Why an extern cannot have the kernel's value.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ExternFlaw {
    /// A type that kernel options do not have.
    #[error("kernel options cannot have this type")]
    Type,
    /// A value that the type does not hold.
    #[error("the kernel's value {0} does not fit its type")]
    Value(String),
    /// The kernel's has another type.
    #[error("the kernel's has an incompatible type")]
    KernelType,
}

fn log_text(log: &str) -> String {
    if log.is_empty() {
        String::new()
    } else {
        format!("\n{}", log.trim_end())
    }
}

/// A step in setting a map up.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum MapStep {
    /// Counting CPUs for its size.
    #[error("count CPUs")]
    CountCpus,
    /// Creating the template of its inner maps.
    #[error("create its inner map")]
    CreateInner,
    /// Creating it.
    #[error("create it")]
    Create,
    /// Writing its first contents.
    #[error("set its first contents")]
    Fill,
    /// Freezing it.
    #[error("freeze it")]
    Freeze,
    /// Writing one of its first elements.
    #[error("set element {0}")]
    Slot(u32),
    /// Opening its pin.
    #[error("open its pin")]
    OpenPin,
    /// Asking for its definition.
    #[error("ask for its definition")]
    Info,
    /// Pinning it.
    #[error("pin it")]
    Pin,
}

impl LoadError {
    /// The error number that the machine returned, if it was the machine that refused.
    #[must_use]
    pub const fn errno(&self) -> Option<Errno> {
        match self {
            Self::Map { errno, .. } | Self::Program { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

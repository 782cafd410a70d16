//! What compilation gives: bytes, symbolic relocations and the map from machine code back to instructions.

use skep_isa::InsnIdx;

/// Architecture to compile for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// x86-64, System V calling convention.
    X86_64,
    /// 64-bit Arm, AAPCS64.
    Aarch64,
}

/// How helpers are called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallModel {
    /// Code lies within reach of the helpers: one direct call.
    Near,
    /// Helpers may be anywhere: the address is loaded first.
    Far,
}

/// Choices of a compilation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Architecture.
    pub target: Target,
    /// How helpers are called.
    pub calls: CallModel,
}

/// What a relocation refers to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Symbol {
    /// Address of the header of map `index` of the program's map table.
    Map {
        /// Index into the program's map table.
        index: u32,
    },
    /// Address of byte `offset` of the (first) value of map `index`.
    MapValue {
        /// Index into the program's map table.
        index: u32,
        /// Byte offset.
        offset: u32,
    },
    /// Address of a helper's shim.
    Helper {
        /// Helper id.
        id: u32,
    },
    /// Address of function `index` of this program, for `ld_imm64` of a subprogram.
    Function {
        /// Index into `Code::functions`.
        index: u32,
    },
}

/// How the symbol's address goes into the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RelocKind {
    /// Eight bytes, little endian.
    Abs64,
    /// x86-64: four bytes relative to their own end.
    X86Rel32,
    /// aarch64: a MOVZ/MOVK/MOVK/MOVK sequence of four instructions whose immediates are filled in.
    A64Mov64,
    /// aarch64: the 26-bit immediate of BL.
    A64Call26,
}

/// A place in the code that an address goes into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reloc {
    /// Byte offset in `Code::bytes`.
    pub offset: u32,
    /// How.
    pub kind: RelocKind,
    /// What.
    pub symbol: Symbol,
}

/// Start of the code of one slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PcEntry {
    /// Byte offset in `Code::bytes`.
    pub offset: u32,
    /// Slot of the translated program.
    pub at: InsnIdx,
}

/// Machine code of one program, all functions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Code {
    pub(crate) bytes: Vec<u8>,
    pub(crate) relocs: Vec<Reloc>,
    pub(crate) functions: Vec<u32>,
    pub(crate) pc_map: Vec<PcEntry>,
    pub(crate) tail_entry: u32,
    pub(crate) callback_thunk: Option<u32>,
    pub(crate) options: Options,
}

impl Code {
    /// The bytes, relocations not applied.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Relocations in order of offset.
    #[must_use]
    pub fn relocs(&self) -> &[Reloc] {
        &self.relocs
    }

    /// Byte offset of each function's start; the main function is first, at 0.
    #[must_use]
    pub fn functions(&self) -> &[u32] {
        &self.functions
    }

    /// Code of each slot in order of offset. Slots without code of their own are absent.
    #[must_use]
    pub fn pc_map(&self) -> &[PcEntry] {
        &self.pc_map
    }

    /// Byte offset where a tail call enters: the main function's entry (ARCHITECTURE.md, "Tail calls").
    #[must_use]
    pub fn tail_entry(&self) -> u32 {
        self.tail_entry
    }

    /// Byte offset of the callback thunk, present when the program takes the address of a function.
    ///
    /// It is `extern "C" fn(function: u64, args: *const [u64; 5], run: &RunCtx) -> u64`: it keeps the native callee-saved
    /// registers that a local function does not keep itself, pins `run` and calls `function` with r1 to r5.
    #[must_use]
    pub fn callback_thunk(&self) -> Option<u32> {
        self.callback_thunk
    }

    /// What it was compiled for.
    #[must_use]
    pub fn options(&self) -> Options {
        self.options
    }
}

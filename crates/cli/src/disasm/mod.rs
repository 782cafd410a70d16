//! Machine code as text, in LLVM's wording.

mod aarch64;
mod x86_64;

use skep_uapi::Arch;

/// One machine instruction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MachineInsn {
    /// Bytes before it in its function.
    pub(crate) offset: usize,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// `movl\t$2, %eax`.
    pub(crate) text: String,
}

/// Disassembles a function whose first byte is at `address`. `symbol` names addresses that appear as operands; the name
/// follows the operands. Bytes that are no instruction are printed as `.byte`.
pub(crate) fn disassemble(
    arch: Arch,
    code: &[u8],
    address: u64,
    symbol: impl Fn(u64) -> Option<String>,
) -> Vec<MachineInsn> {
    match arch {
        Arch::X86_64 => x86_64::disassemble(code, address, &symbol),
        Arch::Aarch64 => aarch64::disassemble(code, address, &symbol),
    }
}

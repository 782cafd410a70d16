//! What the fuzz targets call, each a call or two into a library, on bytes that nobody vouches for: any answer is
//! right but a panic. `crates/testkit/tests/fuzz_smoke.rs` includes this file and runs each function for a second in
//! every test run, so the targets cannot rot.

/// Decodes instructions and prints those that decode, in both wordings.
pub fn insn(data: &[u8]) {
    use skep_isa::text::{AsmNames, kernel, llvm};
    if let Ok(program) = skep_isa::decode_bytes(data) {
        assert_eq!(
            skep_isa::decode_bytes(&program.to_bytes()).as_ref(),
            Ok(&program)
        );
        let _ = kernel::program(&program, &AsmNames).to_string();
        for (at, insn) in program.iter() {
            let _ = llvm::insn(at, insn, llvm::Cpu::V4, &llvm::NoSymbols).to_string();
        }
    }
}

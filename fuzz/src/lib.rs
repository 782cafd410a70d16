//! What the fuzz targets call, each a call or two into a library, on bytes that nobody vouches for: any answer is
//! right but a panic. `crates/testkit/tests/fuzz_smoke.rs` includes this file and runs each function for a second in
//! every test run, so the targets cannot rot.
#![forbid(unsafe_code)]

use skep_btf::Btf;
use skep_btf::dump::c::{Frame, Options, Order, c};
use skep_btf::dump::{raw, raw_json};
use skep_isa::text::{AsmNames, kernel, llvm};

/// Reads an object file.
pub fn elf(data: &[u8]) {
    let _ = skep_object::parse(data);
}

/// Reads type information, writes it back and prints it in each form.
pub fn btf(data: &[u8]) {
    if let Ok(btf) = Btf::parse(data) {
        let _ = btf.check();
        assert_eq!(btf.to_bytes(), data);
        let _ = raw(&btf);
        let _ = raw_json(&btf);
        let options = Options {
            roots: Vec::new(),
            order: Order::Sorted,
            frame: Frame::Header,
        };
        let _ = c(&btf, &options);
    }
}

/// Decodes instructions, writes them back and prints them in both wordings.
pub fn insn(data: &[u8]) {
    if let Ok(program) = skep_isa::decode_bytes(data) {
        let again = skep_isa::decode_bytes(&program.to_bytes());
        assert_eq!(again.as_ref(), Ok(&program));
        let _ = kernel::program(&program, &AsmNames).to_string();
        for (at, insn) in program.iter() {
            let _ = llvm::insn(at, insn, llvm::Cpu::V4, &llvm::NoSymbols).to_string();
        }
    }
}

/// Reads a request of the daemon's protocol and writes it back.
pub fn wire(data: &[u8]) {
    if let Ok(request) = skep_wire::decode_request(data) {
        let again = skep_wire::decode_request(&skep_wire::encode_request(&request));
        assert_eq!(again.as_ref(), Ok(&request));
    }
}

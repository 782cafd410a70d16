//! Listings of x86-64 code.

use crate::Listing;
use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter};
use skep_jit::Code;
use skep_xlate::Xlated;

pub(crate) fn listing(xlated: &Xlated, code: &Code) -> String {
    let mut listing = Listing::new(xlated, code);
    let mut formatter = GasFormatter::new();
    formatter.options_mut().set_branch_leading_zeros(false);
    let mut decoder = Decoder::with_ip(64, code.bytes(), 0, DecoderOptions::NONE);
    while decoder.can_decode() {
        let insn = decoder.decode();
        assert!(!insn.is_invalid(), "no instruction at {:#x}", insn.ip());
        let start = u32::try_from(insn.ip()).unwrap();
        listing.heading(start);
        let mut text = String::new();
        formatter.format(&insn, &mut text);
        let bytes = &code.bytes()[decoder.position() - insn.len()..decoder.position()];
        let bytes: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let end = u32::try_from(insn.next_ip()).unwrap();
        listing.insn(start, end, format_args!("{bytes:20} {text}"));
    }
    listing.finish()
}

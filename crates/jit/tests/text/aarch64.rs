//! Listings of aarch64 code.

use crate::Listing;
use skep_jit::Code;
use skep_xlate::Xlated;
use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

pub(crate) fn listing(xlated: &Xlated, code: &Code) -> String {
    let mut listing = Listing::new(xlated, code);
    let (words, rest) = code.bytes().as_chunks::<4>();
    assert!(rest.is_empty());
    for (start, word) in (0_u32..).step_by(4).zip(words) {
        listing.heading(start);
        let insn = InstDecoder::default()
            .decode(&mut U8Reader::new(word))
            .unwrap_or_else(|error| panic!("no instruction at {start:#x}: {error}"));
        let word = u32::from_le_bytes(*word);
        listing.insn(start, start + 4, format_args!("{word:08x}  {insn}"));
    }
    listing.finish()
}

//! The mark of frames that skep puts back, and the classic programs that know it.

use skep_sys::ClassicInsn;
use std::io;

/// A number in the frames' metadata (`SO_MARK`) that nobody else is likely to use: random and not zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark(u32);

/// What a filter does with a marked frame; with all others it does the opposite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Marked {
    /// Takes it.
    Taken,
    /// Lets it by.
    Spared,
}

/// Load of a word, comparison with a number, return, of classic BPF (`Documentation/networking/filter.rst`).
const LOAD: u16 = 0x20;
const EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
/// Where a load finds the mark (`SKF_AD_OFF + SKF_AD_MARK`).
const MARK_OFFSET: u32 = 0xffff_f014;
/// What a program returns to take a frame whole.
const TAKE: u32 = 0xffff_ffff;
const SPARE: u32 = 0;

impl Mark {
    pub(crate) fn random() -> io::Result<Self> {
        loop {
            let mark = Self(random_word()?);
            if mark.0 != 0 {
                return Ok(mark);
            }
        }
    }

    pub(crate) fn get(self) -> u32 {
        self.0
    }

    /// A program that tells marked frames from others.
    pub(crate) fn program(self, marked: Marked) -> [ClassicInsn; 4] {
        let [if_marked, if_not] = match marked {
            Marked::Taken => [TAKE, SPARE],
            Marked::Spared => [SPARE, TAKE],
        };
        let insn = |code, jf, k| ClassicInsn { code, jt: 0, jf, k };
        [
            insn(LOAD, 0, MARK_OFFSET),
            insn(EQUAL, 1, self.0),
            insn(RETURN, 0, if_marked),
            insn(RETURN, 0, if_not),
        ]
    }
}

/// A random number.
pub(crate) fn random_word() -> io::Result<u32> {
    let mut bytes = [0; 4];
    skep_sys::fill_random(&mut bytes)?;
    Ok(u32::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The program of the recipe, as tc writes it.
    #[test]
    fn as_tc_writes_it() {
        let text = |marked| {
            let insns = Mark(7).program(marked).map(|insn| {
                let ClassicInsn { code, jt, jf, k } = insn;
                format!("{code} {jt} {jf} {k}")
            });
            insns.join(",")
        };
        assert_eq!(
            text(Marked::Spared),
            "32 0 0 4294963220,21 0 1 7,6 0 0 0,6 0 0 4294967295"
        );
        assert_eq!(
            text(Marked::Taken),
            "32 0 0 4294963220,21 0 1 7,6 0 0 4294967295,6 0 0 0"
        );
    }
}

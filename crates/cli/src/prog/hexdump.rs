//! The dump of a packet as `prog run` shows it: offset, pairs of bytes, characters.

use std::fmt::Write as _;

/// Bytes of one line.
const LINE_BYTES: usize = 16;

/// `bytes` as lines.
pub(crate) fn hexdump(bytes: &[u8]) -> String {
    let mut out = String::new();
    for (number, line) in bytes.chunks(LINE_BYTES).enumerate() {
        let mut pairs = String::new();
        for at in 0..LINE_BYTES {
            // Writing to a string does not fail.
            let _ = match line.get(at) {
                Some(byte) => write!(pairs, "{byte:02x}"),
                None => write!(pairs, "  "),
            };
            if at % 2 == 1 {
                pairs.push(' ');
            }
        }
        let mut text = String::new();
        for (at, &byte) in line.iter().enumerate() {
            text.push(if byte.is_ascii_graphic() || byte == b' ' {
                char::from(byte)
            } else {
                '.'
            });
            if at == LINE_BYTES / 2 - 1 {
                text.push(' ');
            }
        }
        let _ = writeln!(out, "{:07x}\t{pairs}| {text}", number * LINE_BYTES);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let bytes: Vec<u8> = (0x3a..0x50).collect();
        assert_eq!(
            hexdump(&bytes),
            "0000000\t3a3b 3c3d 3e3f 4041 4243 4445 4647 4849 | :;<=>?@A BCDEFGHI\n\
             0000010\t4a4b 4c4d 4e4f                          | JKLMNO\n"
        );
    }
}

//! Format strings of `bpf_snprintf`, which Linux checks when the program is loaded because the string cannot change.
//! (`bpf_trace_printk` takes its format from memory that can; its checks are made when it runs.)

use crate::call::arg::Args;
use crate::limits::FORMAT_ARGS_MAX;
use crate::path::Path;
use crate::reject::Reject;
use skep_isa::Reg as R;
use skep_uapi::HelperId;

impl Path<'_> {
    /// Rules that single helpers have beyond their prototype.
    pub(crate) fn check_special(&mut self, args: &Args) -> Result<(), Reject> {
        if args.row.id != HelperId::SNPRINTF {
            return Ok(());
        }
        let at = self.at;
        let size = args.values[4];
        let data = size.as_const().ok_or(Reject::FormatData { at })?;
        self.must_keep(&size);
        if !data.is_multiple_of(8) || data > 8 * FORMAT_ARGS_MAX {
            return Err(Reject::FormatData { at });
        }
        let format = self.const_str(R::R3, &args.values[2])?;
        match conversions(format) {
            Some(count) if u64::from(count) <= data / 8 => Ok(()),
            Some(_) | None => Err(Reject::BadFormat { at }),
        }
    }
}

/// The number of conversions in a format that `bpf_snprintf` takes; `None` for one that it refuses.
pub(crate) fn conversions(format: &[u8]) -> Option<u32> {
    let mut count = 0;
    let mut rest = format;
    if rest.contains(&0) {
        return None;
    }
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            // Like the kernel, plain text is printable ASCII or white space; other bytes pass.
            continue;
        }
        if let [b'%', tail @ ..] = rest {
            rest = tail;
            continue;
        }
        rest = conversion(rest)?;
        count += 1;
    }
    Some(count)
}

/// What follows one conversion, behind its `%`.
fn conversion(format: &[u8]) -> Option<&[u8]> {
    let flags = format.iter().take_while(|c| b"0+-# ".contains(c)).count();
    let format = &format[flags..];
    let width = format.iter().take_while(|c| c.is_ascii_digit()).count();
    let format = &format[width..];
    let (long, format) = match format {
        [b'l', b'l', tail @ ..] | [b'l', tail @ ..] => (true, tail),
        _ => (false, format),
    };
    match format {
        [b'd' | b'i' | b'u' | b'x' | b'X', tail @ ..] => Some(tail),
        [b's' | b'c', tail @ ..] if !long => Some(tail),
        [b'p', tail @ ..] if !long => pointer(tail),
        _ => None,
    }
}

/// What follows a `%p` conversion.
fn pointer(format: &[u8]) -> Option<&[u8]> {
    match format {
        [b'k' | b'u', b's', tail @ ..] => Some(tail),
        [b'i' | b'I', b'4' | b'6', tail @ ..] => Some(tail),
        [b'x' | b'K' | b's' | b'S' | b'B', tail @ ..] => Some(tail),
        [] => Some(format),
        [next, ..] if next.is_ascii_punctuation() || next.is_ascii_whitespace() => Some(format),
        [_, ..] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::conversions;

    #[test]
    fn formats_of_linux() {
        let taken: [(&str, u32); 9] = [
            ("hi", 0),
            ("%d %x", 2),
            ("100%%", 0),
            ("%5s|%-5d|%#llx", 3),
            ("%pI4 %pi6 %pks %pus %pB %px %pK", 7),
            ("%p", 1),
            ("%0128d", 1),
            ("%c", 1),
            ("% d", 1),
        ];
        for (format, count) in taken {
            assert_eq!(conversions(format.as_bytes()), Some(count), "{format}");
        }
        for format in [
            "%!", "%hd", "%.3d", "%*d", "%n", "%pQ", "%lc", "%zd", "%", "%l", "%f",
        ] {
            assert_eq!(conversions(format.as_bytes()), None, "{format}");
        }
    }
}

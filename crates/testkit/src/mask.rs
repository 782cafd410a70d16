//! Replaces what two right answers may differ in: ids, addresses, numbers of calls, times.
//!
//! Each function takes a text of bpftool or of the kernel and gives the same text with the variable part replaced by
//! a fixed word; they may be applied one after the other. The caller names what varies, so that nothing else is lost.

/// Replaces, after each occurrence of `prefix`, the characters that belong to the value (at least one) by `with`.
///
/// ```
/// let text = skep_testkit::mask::after("btf_id 75  name x", "btf_id ", |c| c.is_ascii_digit(), "N");
/// assert_eq!(text, "btf_id N  name x");
/// ```
#[must_use]
pub fn after(text: &str, prefix: &str, belongs: impl Fn(char) -> bool, with: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(prefix) {
        let (before, value) = rest.split_at(at + prefix.len());
        masked.push_str(before);
        rest = value.trim_start_matches(&belongs);
        if rest.len() < value.len() {
            masked.push_str(with);
        }
    }
    masked + rest
}

/// Ids in listings and dumps: after `id `, `map_ids `, `map[id:`, `"id":` and the like, lists included, and the id
/// that begins a line of a listing (`12: xdp  name …`).
#[must_use]
pub fn ids(text: &str) -> String {
    let number = |c: char| c.is_ascii_digit();
    let list = |c: char| c.is_ascii_digit() || c == ',';
    let mut masked = text.to_owned();
    for prefix in ["map_ids ", "prog_ids ", "\"map_ids\":[", "\"map_ids\": ["] {
        masked = after(&masked, prefix, list, "N");
    }
    for prefix in [
        "_id ", " id ", "[id:", "_id\":", "_id\": ", "\"id\":", "\"id\": ",
    ] {
        masked = after(&masked, prefix, number, "N");
    }
    let lines = masked.split('\n').map(|line| {
        let rest = line.trim_start_matches(number);
        let listed = rest.len() < line.len() && rest.starts_with(": ");
        // An instruction's index has an opcode behind it: `12: (95) exit`.
        if listed && !rest.starts_with(": (") {
            format!("N{rest}")
        } else {
            line.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Numbers of calls in dumps of translated programs, which are distances in the kernel's own text:
/// `call bpf_trace_printk#-65648`.
#[must_use]
pub fn call_numbers(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        let number = |c: char| c.is_ascii_digit() || c == '-';
        if line.contains("call ") {
            after(line, "#", number, "N")
        } else {
            line.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Kernel addresses: `0xffff…` with sixteen digits.
#[must_use]
pub fn addresses(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("0x") {
        let (before, hex) = rest.split_at(at);
        let end = hex[2..]
            .find(|c: char| !c.is_ascii_hexdigit())
            .map_or(hex.len(), |end| end + 2);
        let address = &hex[..end];
        let kernel = address.len() == 18 && address.starts_with("0xffff");
        masked.extend([before, if kernel { "0xADDRESS" } else { address }]);
        rest = &hex[end..];
    }
    masked + rest
}

/// Times at which programs were loaded: `loaded_at 2025-01-31T12:00:00+0000`, or seconds in JSON.
#[must_use]
pub fn load_times(text: &str) -> String {
    let time = |c: char| c.is_ascii_digit() || ['-', '+', ':', 'T'].contains(&c);
    let mut masked = after(text, "loaded_at ", time, "TIME");
    for prefix in ["\"loaded_at\":", "\"loaded_at\": "] {
        masked = after(&masked, prefix, |c| c.is_ascii_digit(), "TIME");
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listing() {
        let text = "75: xdp  name hello  tag 4f5f3e9d1e2a7b61  gpl
\tloaded_at 2026-11-24T13:49:01+0000  uid 0
\txlated 104B  jited 76B  memlock 4096B  map_ids 12,13
\tbtf_id 80
   0: (b7) r1 = 0
12: (95) exit";
        let expected = "N: xdp  name hello  tag 4f5f3e9d1e2a7b61  gpl
\tloaded_at TIME  uid 0
\txlated 104B  jited 76B  memlock 4096B  map_ids N
\tbtf_id N
   0: (b7) r1 = 0
12: (95) exit";
        assert_eq!(ids(&load_times(text)), expected);
    }

    #[test]
    fn json() {
        let text = r#"[{"id":75,"loaded_at":1732456141,"uid":0,"map_ids":[12,13],"btf_id":80}]"#;
        let expected = r#"[{"id":N,"loaded_at":TIME,"uid":0,"map_ids":[N],"btf_id":N}]"#;
        assert_eq!(ids(&load_times(text)), expected);
    }

    #[test]
    fn dumped_program() {
        let text = "  2: (18) r6 = map[id:3][0]+0
  7: (85) call bpf_trace_printk#-65648
 10: (18) r1 = 0xffff8c0012345678
 12: (b7) r2 = 0xf
; the comment #5 stays";
        let expected = "  2: (18) r6 = map[id:N][0]+0
  7: (85) call bpf_trace_printk#N
 10: (18) r1 = 0xADDRESS
 12: (b7) r2 = 0xf
; the comment #5 stays";
        assert_eq!(ids(&call_numbers(&addresses(text))), expected);
    }
}

//! What a program's author expects of it: the annotations of the selftests, as they stand in an object's BTF.
//!
//! Each is a declaration tag `comment:NAME[=VALUE]` of the program's function. Messages are numbered (`NAME=NUMBER=TEXT`),
//! because BTF does not keep their order.

use skep_btf::{Btf, Kind};
use skep_uapi::{
    BPF_F_ANY_ALIGNMENT, BPF_F_SLEEPABLE, BPF_F_STRICT_ALIGNMENT, BPF_F_TEST_REG_INVARIANTS,
    BPF_F_TEST_RND_HI32, BPF_F_TEST_STATE_FREQ, BPF_F_XDP_HAS_FRAGS,
};

/// Bytes of the packet that annotated programs run on, all zero.
pub(crate) const RUN_BYTES: u32 = 64;

/// The annotations of one program.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Expect {
    pub(crate) privileged: Mode,
    /// As an ordinary user.
    pub(crate) unprivileged: Mode,
    pub(crate) flags: u32,
    pub(crate) log_level: u32,
    /// Only part of other programs' tests.
    pub(crate) auxiliary: bool,
    /// Annotations that were not understood.
    pub(crate) unknown: Vec<String>,
}

/// What is expected of one way to load it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Mode {
    pub(crate) verdict: Option<Wanted>,
    pub(crate) messages: Vec<String>,
    pub(crate) retval: Option<u32>,
}

/// An expected verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    Success,
    Failure,
}

/// Reads the annotations of a function.
pub(crate) fn read(btf: &Btf, function: &str) -> Expect {
    let Some(target) = btf.find(function, |kind| matches!(kind, Kind::Func(_))) else {
        return Expect::default();
    };
    let tags = btf.iter().filter_map(|(_, ty)| match &ty.kind {
        Kind::DeclTag(tag) if tag.target == target && tag.component == -1 => btf.text(ty.name),
        _ => None,
    });
    let mut expect = Expect::default();
    let mut messages: Vec<(bool, u32, String)> = Vec::new();
    for tag in tags {
        let Some(text) = tag.strip_prefix("comment:") else {
            continue;
        };
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        match (name, name.strip_suffix("_unpriv")) {
            ("test_expect_msg" | "test_expect_msg_unpriv", unpriv) => {
                let (number, text) = value.split_once('=').unwrap_or(("0", value));
                messages.push((
                    unpriv.is_some(),
                    number.parse().unwrap_or(0),
                    text.to_owned(),
                ));
            }
            (_, Some(name)) => expect_mode(&mut expect, name, value, Privilege::Unprivileged),
            (_, None) => expect_mode(&mut expect, name, value, Privilege::Privileged),
        }
    }
    messages.sort();
    for (unprivileged, _, text) in messages {
        let mode = match unprivileged {
            true => &mut expect.unprivileged,
            false => &mut expect.privileged,
        };
        mode.messages.push(text);
    }
    expect
}

#[derive(Clone, Copy)]
enum Privilege {
    Privileged,
    Unprivileged,
}

fn expect_mode(expect: &mut Expect, name: &str, value: &str, privilege: Privilege) {
    let mode = match privilege {
        Privilege::Privileged => &mut expect.privileged,
        Privilege::Unprivileged => &mut expect.unprivileged,
    };
    match name {
        "test_expect_success" => mode.verdict = Some(Wanted::Success),
        "test_expect_failure" => mode.verdict = Some(Wanted::Failure),
        "test_retval" => mode.retval = number(value),
        "test_log_level" => expect.log_level = number(value).unwrap_or(0),
        "test_prog_flags" => match flag(value) {
            Some(flag) => expect.flags |= flag,
            None => expect.unknown.push(format!("{name}={value}")),
        },
        "test_auxiliary" => expect.auxiliary = true,
        // Of no meaning for a verdict.
        "test_description" | "test_arch" | "test_expect_xlated" | "test_jited"
        | "test_btf_path" => {}
        _ => expect.unknown.push(name.to_owned()),
    }
}

/// A number as C has it, as a program returns it. Any pointer is expected of `POINTER_VALUE`, which is no number.
fn number(text: &str) -> Option<u32> {
    match text {
        "INT_MIN" => return Some(i32::MIN.cast_unsigned()),
        "TEST_DATA_LEN" => return Some(RUN_BYTES),
        _ => {}
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return u32::from_str_radix(digits, 16).ok();
    }
    let value: i64 = text.parse().ok()?;
    let signed = i32::try_from(value).map(i32::cast_unsigned);
    signed.or_else(|_| u32::try_from(value)).ok()
}

fn flag(name: &str) -> Option<u32> {
    Some(match name {
        "BPF_F_STRICT_ALIGNMENT" => BPF_F_STRICT_ALIGNMENT,
        "BPF_F_ANY_ALIGNMENT" => BPF_F_ANY_ALIGNMENT,
        "BPF_F_TEST_RND_HI32" => BPF_F_TEST_RND_HI32,
        "BPF_F_TEST_STATE_FREQ" => BPF_F_TEST_STATE_FREQ,
        "BPF_F_TEST_REG_INVARIANTS" => BPF_F_TEST_REG_INVARIANTS,
        "BPF_F_SLEEPABLE" => BPF_F_SLEEPABLE,
        "BPF_F_XDP_HAS_FRAGS" => BPF_F_XDP_HAS_FRAGS,
        other => return number(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_has_them() {
        assert_eq!(number("42"), Some(42));
        assert_eq!(number("-1"), Some(u32::MAX));
        assert_eq!(number("0xfffffffe"), Some(0xffff_fffe));
        assert_eq!(number("INT_MIN"), Some(0x8000_0000));
        assert_eq!(number("POINTER_VALUE"), None);
        assert_eq!(number("99999999999"), None);
    }
}

//! Selectors: how a command line names programs, maps, BTF objects and links.
//!
//! `id` and `pinned` name one object, `tag` and `name` all that match. A program's name is its full one: the kernel
//! keeps fifteen bytes, the program's BTF has the rest.

use crate::args::{self, Args};
use crate::calls::{self, Held};
use crate::failure::{EXIT_ERROR, Failure, Outcome};
use crate::types::Types;
use skep_uapi::{Bpf, Errno, Handle, OBJ_NAME_LEN, ObjectKind, ProgInfo, TAG_SIZE};

/// Longest name that a selector takes, in bytes.
const NAME_BYTES_MAX: usize = 127;

/// A program that a selector found.
pub(crate) type Found<'a> = Vec<Held<'a>>;

/// Takes a program selector; an empty result is an error that has no line, as in bpftool.
pub(crate) fn progs<'a>(bpf: &'a dyn Bpf, args: &mut Args) -> Outcome<Found<'a>> {
    let found = if args.take("id") {
        vec![by_id(bpf, ObjectKind::Prog, args)?]
    } else if args.take("tag") {
        let tag = args
            .next()
            .and_then(|text| parse_tag(&text))
            .ok_or_else(|| Failure::message("can't parse tag"))?;
        matching(bpf, ObjectKind::Prog, |held| {
            Ok(calls::prog_info(bpf, held.handle())?.tag == tag)
        })?
    } else if args.take("name") {
        let name = parse_name(args)?;
        matching(bpf, ObjectKind::Prog, |held| {
            let info = calls::prog_info(bpf, held.handle())?;
            Ok(full_name(bpf, held.handle(), &info) == name)
        })?
    } else if args.take("pinned") {
        vec![by_pin(bpf, ObjectKind::Prog, args)?]
    } else {
        let got = args.peek().unwrap_or_default();
        return Err(Failure::message(format!(
            "expected 'id', 'tag', 'name' or 'pinned', got: '{got}'?"
        )));
    };
    some(found)
}

/// Takes a selector that must name one program.
pub(crate) fn prog<'a>(bpf: &'a dyn Bpf, args: &mut Args) -> Outcome<Held<'a>> {
    one(progs(bpf, args)?, "several programs match this handle")
}

/// Takes a map selector.
pub(crate) fn maps<'a>(bpf: &'a dyn Bpf, args: &mut Args) -> Outcome<Found<'a>> {
    let found = if args.take("id") {
        vec![by_id(bpf, ObjectKind::Map, args)?]
    } else if args.take("name") {
        let name = parse_name(args)?;
        matching(bpf, ObjectKind::Map, |held| {
            Ok(calls::map_info(bpf, held.handle())?.name == name)
        })?
    } else if args.take("pinned") {
        vec![by_pin(bpf, ObjectKind::Map, args)?]
    } else {
        let got = args.peek().unwrap_or_default();
        return Err(Failure::message(format!(
            "expected 'id', 'name' or 'pinned', got: '{got}'?"
        )));
    };
    some(found)
}

/// Takes a selector that must name one map.
pub(crate) fn map<'a>(bpf: &'a dyn Bpf, args: &mut Args) -> Outcome<Held<'a>> {
    one(maps(bpf, args)?, "several maps match this handle")
}

/// Takes a link selector.
pub(crate) fn link<'a>(bpf: &'a dyn Bpf, args: &mut Args) -> Outcome<Held<'a>> {
    if args.take("id") {
        let id = id(args)?;
        return calls::open_id(bpf, ObjectKind::Link, id).map_err(|errno| {
            Failure::errno(format!("failed to get link with ID {id}: {errno}"), errno)
        });
    }
    if args.take("pinned") {
        return by_pin(bpf, ObjectKind::Link, args);
    }
    let got = args.peek().unwrap_or_default();
    Err(Failure::message(format!(
        "expected 'id' or 'pinned', got: '{got}'?"
    )))
}

/// Takes an id number.
pub(crate) fn id(args: &mut Args) -> Outcome<u32> {
    let text = args.next().unwrap_or_default();
    args::number_u32(&text).ok_or_else(|| Failure::message(format!("can't parse {text} as ID")))
}

fn by_id<'a>(bpf: &'a dyn Bpf, kind: ObjectKind, args: &mut Args) -> Outcome<Held<'a>> {
    let id = id(args)?;
    let what = match kind {
        ObjectKind::Map => "get map by id",
        ObjectKind::Prog | ObjectKind::Btf | ObjectKind::Link => "get by id",
    };
    calls::open_id(bpf, kind, id)
        .map_err(|errno| Failure::message(format!("{what} ({id}): {errno}")))
}

fn by_pin<'a>(bpf: &'a dyn Bpf, wanted: ObjectKind, args: &mut Args) -> Outcome<Held<'a>> {
    let path = args.next().unwrap_or_default();
    let (kind, held) = calls::open_pin(bpf, &absolute(&path))
        .map_err(|errno| Failure::message(format!("bpf obj get ({path}): {errno}")))?;
    if kind != wanted {
        return Err(Failure::message(format!(
            "incorrect object type: {}",
            kind_name(kind)
        )));
    }
    Ok(held)
}

/// What bpftool calls a kind of object.
pub(crate) fn kind_name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Prog => "prog",
        ObjectKind::Map => "map",
        ObjectKind::Btf => "btf",
        ObjectKind::Link => "link",
    }
}

/// `path` as an absolute one: the process that pins has another working folder than ours.
pub(crate) fn absolute(path: &str) -> String {
    std::path::absolute(path).map_or_else(
        |_| path.to_owned(),
        |path| path.to_string_lossy().into_owned(),
    )
}

fn matching<'a>(
    bpf: &'a dyn Bpf,
    kind: ObjectKind,
    matches: impl Fn(&Held<'_>) -> Result<bool, Errno>,
) -> Outcome<Found<'a>> {
    let ids = calls::ids(bpf, kind).map_err(|errno| Failure::message(errno.to_string()))?;
    let mut found = Vec::new();
    for id in ids {
        match calls::open_id(bpf, kind, id) {
            Ok(held) => match matches(&held) {
                Ok(true) => found.push(held),
                Ok(false) => {}
                Err(errno) => {
                    let kind = kind_name(kind);
                    return Err(Failure::message(format!(
                        "can't get {kind} info ({id}): {errno}"
                    )));
                }
            },
            // It went away between the two calls.
            Err(Errno::ENOENT) => {}
            Err(errno) => {
                let what = if kind == ObjectKind::Map {
                    "get map by id"
                } else {
                    "can't get prog by id"
                };
                return Err(Failure::message(format!("{what} ({id}): {errno}")));
            }
        }
    }
    Ok(found)
}

fn some(found: Found<'_>) -> Outcome<Found<'_>> {
    if found.is_empty() {
        Err(Failure::Silent { code: EXIT_ERROR })
    } else {
        Ok(found)
    }
}

fn one<'a>(mut found: Found<'a>, several: &str) -> Outcome<Held<'a>> {
    match (found.pop(), found.is_empty()) {
        (Some(held), true) => Ok(held),
        (Some(_), false) => Err(Failure::message(several)),
        (None, _) => Err(Failure::Silent { code: EXIT_ERROR }),
    }
}

fn parse_name(args: &mut Args) -> Outcome<String> {
    args.next()
        .filter(|name| name.len() <= NAME_BYTES_MAX)
        .ok_or_else(|| Failure::message("can't parse name"))
}

fn parse_tag(text: &str) -> Option<[u8; TAG_SIZE]> {
    if text.len() != TAG_SIZE * 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some(u64::from_str_radix(text, 16).ok()?.to_be_bytes())
}

/// The program's name in full: from its BTF if the kernel had to cut it.
pub(crate) fn full_name(bpf: &dyn Bpf, prog: Handle, info: &ProgInfo) -> String {
    if info.name.len() < OBJ_NAME_LEN - 1 || info.btf_id.0 == 0 {
        return info.name.clone();
    }
    let from_btf = || {
        let code = calls::prog_code(bpf, prog).ok()?;
        let types = Types::of_prog(bpf, info.btf_id).ok()??;
        types.func_name(&code.func_info, 0)
    };
    from_btf()
        .filter(|name| name.starts_with(&info.name))
        .unwrap_or_else(|| info.name.clone())
}

/// A tag as text.
pub(crate) fn tag_text(tag: &[u8; TAG_SIZE]) -> String {
    format!("{:016x}", u64::from_be_bytes(*tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        let tag = parse_tag("eb25a4958caccc29");
        assert_eq!(
            tag.as_ref().map(tag_text).as_deref(),
            Some("eb25a4958caccc29")
        );
        assert_eq!(parse_tag("zz"), None);
        assert_eq!(parse_tag("+b25a4958caccc29"), None);
    }
}

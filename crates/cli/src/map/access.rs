//! Single entries of a map: `lookup`, `update`, `delete`, `getnext`, and the ends of queues and stacks.

use crate::app::Session;
use crate::args::{self, Args};
use crate::calls::{self, Held};
use crate::failure::{Failure, Outcome, errno_code};
use crate::map::entry::{Found, MapView, holds_maps, holds_progs, is_percpu, stride};
use crate::output::{hex_array, hex_text};
use crate::select;
use serde_json::Value;
use skep_btf::json::Node;
use skep_btf::value::Style;
use skep_uapi::{BPF_ANY, BPF_EXIST, BPF_NOEXIST, Bpf, Command, Errno};

/// Which parts of an entry a command takes.
#[derive(Clone, Copy)]
struct Wanted {
    value: Part,
    flags: Part,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Taken,
    Refused,
}

const KEY_ONLY: Wanted = Wanted {
    value: Part::Refused,
    flags: Part::Refused,
};
const WHOLE: Wanted = Wanted {
    value: Part::Taken,
    flags: Part::Taken,
};

/// What the words give of an entry.
struct Entry<'a> {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    flags: Option<u64>,
    /// Keeps a map or program open whose handle is the value.
    _target: Option<Held<'a>>,
}

/// Takes a map selector; a command line too short for one is a usage error.
fn selected<'a>(bpf: &'a dyn Bpf, args: &mut Args) -> Outcome<(Held<'a>, MapView)> {
    if args.len() < 2 {
        return Err(Failure::Usage);
    }
    let map = select::map(bpf, args)?;
    let view = MapView::read(bpf, map.handle())
        .map_err(|errno| Failure::message(format!("can't get map info: {errno}")))?;
    Ok((map, view))
}

fn parse<'a>(
    session: &mut Session,
    bpf: &'a dyn Bpf,
    view: &MapView,
    args: &mut Args,
    wanted: Wanted,
) -> Outcome<Entry<'a>> {
    let mut entry = Entry {
        key: None,
        value: None,
        flags: None,
        _target: None,
    };
    let has_key = view.info.key_size != 0;
    let has_value = view.info.value_size != 0 && wanted.value == Part::Taken;
    while let Some(word) = args.peek().map(str::to_owned) {
        if args.take("key") {
            once(entry.key.is_none(), has_key, "key")?;
            entry.key = Some(args::bytes(args, "key", view.key_size())?);
        } else if args.take("value") {
            once(entry.value.is_none(), has_value, "value")?;
            let (value, target) = value(session, bpf, view, args)?;
            entry.value = Some(value);
            entry._target = target;
        } else if let Some(flags) = update_flags(args) {
            if wanted.flags == Part::Refused || entry.flags.is_some() {
                return Err(Failure::message(format!(
                    "flags specified multiple times: {word}"
                )));
            }
            entry.flags = Some(flags);
        } else {
            return Err(Failure::message(format!(
                "expected key or value, got: {word}"
            )));
        }
    }
    Ok(entry)
}

fn once(first: bool, wanted: bool, what: &str) -> Outcome {
    match (first, wanted) {
        (_, false) => Err(Failure::message(format!("unnecessary {what}"))),
        (false, true) => Err(Failure::message(format!("duplicate {what}"))),
        (true, true) => Ok(()),
    }
}

fn update_flags(args: &mut Args) -> Option<u64> {
    [
        ("any", BPF_ANY),
        ("noexist", BPF_NOEXIST),
        ("exist", BPF_EXIST),
    ]
    .into_iter()
    .find_map(|(keyword, flags)| args.take(keyword).then_some(flags))
}

/// Takes a value: bytes, or the map or program that a map of such holds.
fn value<'a>(
    session: &mut Session,
    bpf: &'a dyn Bpf,
    view: &MapView,
    args: &mut Args,
) -> Outcome<(Vec<u8>, Option<Held<'a>>)> {
    let map_type = view.info.map_type;
    if !holds_maps(map_type) && !holds_progs(map_type) {
        let one = args::bytes(args, "value", view.value_size())?;
        if !is_percpu(map_type) {
            return Ok((one, None));
        }
        let mut padded = one;
        padded.resize(stride(&view.info), 0);
        return Ok((padded.repeat(view.cpus), None));
    }
    let what = if holds_maps(map_type) {
        "map in map"
    } else {
        "map of progs"
    };
    if view.info.value_size != 4 {
        return Err(Failure::message(format!(
            "value smaller than 4B for {what}?"
        )));
    }
    if args.len() < 2 {
        return Err(Failure::message(format!(
            "not enough value arguments for {what}"
        )));
    }
    let target = if holds_maps(map_type) {
        select::map(bpf, args)?
    } else {
        if args.at("id") && !session.out.is_json() {
            writeln!(
                session.out.errors(),
                "Warning: updating program array via MAP_ID, make sure this map is kept open\n         \
                 by some process or pinned otherwise update will be lost"
            )?;
        }
        select::prog(bpf, args)?
    };
    Ok((target.handle().0.to_le_bytes().to_vec(), Some(target)))
}

fn key(entry: &Entry<'_>, view: &MapView) -> Outcome<Vec<u8>> {
    match &entry.key {
        Some(key) => Ok(key.clone()),
        None if view.info.key_size == 0 => Ok(Vec::new()),
        None => Err(Failure::message("did not find key")),
    }
}

/// `map update`.
pub(crate) fn update(session: &mut Session, args: &mut Args) -> Outcome {
    let bpf = session.bpf()?;
    let (map, view) = selected(&*bpf, args)?;
    let entry = parse(session, &*bpf, &view, args, WHOLE)?;
    let key = key(&entry, &view)?;
    let value = entry
        .value
        .clone()
        .ok_or_else(|| Failure::message("did not find value"))?;
    let flags = entry.flags.unwrap_or(BPF_ANY);
    calls::unit(
        &*bpf,
        Command::MapUpdate {
            map: map.handle(),
            key,
            value,
            flags,
        },
    )
    .map_err(|errno| Failure::errno(format!("update failed: {errno}"), errno))?;
    session.out.nothing();
    Ok(())
}

/// `map push` and `map enqueue`.
pub(crate) fn push(session: &mut Session, args: &mut Args) -> Outcome {
    update(session, args)
}

/// `map delete`.
pub(crate) fn delete(session: &mut Session, args: &mut Args) -> Outcome {
    let bpf = session.bpf()?;
    let (map, view) = selected(&*bpf, args)?;
    let entry = parse(session, &*bpf, &view, args, KEY_ONLY)?;
    let key = key(&entry, &view)?;
    calls::unit(
        &*bpf,
        Command::MapDelete {
            map: map.handle(),
            key,
        },
    )
    .map_err(|errno| Failure::errno(format!("delete failed: {errno}"), errno))?;
    session.out.nothing();
    Ok(())
}

/// `map lookup`, and `map peek` of maps without keys.
pub(crate) fn lookup(session: &mut Session, args: &mut Args) -> Outcome {
    let bpf = session.bpf()?;
    let (map, view) = selected(&*bpf, args)?;
    let entry = parse(session, &*bpf, &view, args, KEY_ONLY)?;
    let key = key(&entry, &view)?;
    match calls::bytes(
        &*bpf,
        Command::MapLookup {
            map: map.handle(),
            key: key.clone(),
            flags: 0,
        },
    ) {
        Ok(value) => show(session, &view, &key, value),
        Err(Errno::ENOENT) => not_found(session, &key),
        Err(errno) => Err(Failure::errno(format!("lookup failed: {errno}"), errno)),
    }
}

/// `map peek`.
pub(crate) fn peek(session: &mut Session, args: &mut Args) -> Outcome {
    lookup(session, args)
}

fn show(session: &mut Session, view: &MapView, key: &[u8], value: Vec<u8>) -> Outcome {
    if session.out.is_json() {
        let node = view.json(key, &Found::Value(value));
        session.out.json(node);
        return Ok(());
    }
    match view.formatted(key, &value, Style::Text) {
        Some(formatted) => {
            let text = session.out.layout(&formatted);
            writeln!(session.out.results(), "{text}")?;
        }
        None => view.text(key, &Found::Value(value), session.out.results())?,
    }
    Ok(())
}

fn not_found(session: &mut Session, key: &[u8]) -> Outcome {
    if session.out.is_json() {
        session.out.nothing();
    } else {
        writeln!(
            session.out.results(),
            "key:\n{}\n\nNot found",
            hex_text(key)
        )?;
    }
    Err(Failure::silent(Errno::ENOENT))
}

/// `map pop` and `map dequeue`.
pub(crate) fn pop(session: &mut Session, args: &mut Args) -> Outcome {
    let bpf = session.bpf()?;
    let (map, view) = selected(&*bpf, args)?;
    if !args.is_empty() {
        return Err(Failure::Usage);
    }
    let key = vec![0; view.key_size()];
    match calls::bytes(
        &*bpf,
        Command::MapLookupAndDelete {
            map: map.handle(),
            key,
        },
    ) {
        Ok(value) => show(session, &view, &[], value),
        Err(Errno::ENOENT) => {
            if session.out.is_json() {
                session.out.nothing();
            } else {
                // On standard output, as bpftool prints it.
                writeln!(session.out.results(), "Error: empty map")?;
            }
            Err(Failure::silent(Errno::ENOENT))
        }
        Err(errno) => Err(Failure::errno(format!("pop failed: {errno}"), errno)),
    }
}

/// `map getnext`.
pub(crate) fn getnext(session: &mut Session, args: &mut Args) -> Outcome {
    let bpf = session.bpf()?;
    let (map, view) = selected(&*bpf, args)?;
    let key = parse(session, &*bpf, &view, args, KEY_ONLY)?.key;
    let next = calls::bytes(
        &*bpf,
        Command::MapNextKey {
            map: map.handle(),
            key: key.clone(),
        },
    )
    .map_err(|errno| Failure::Message {
        text: format!("can't get next key: {errno}"),
        code: errno_code(errno),
    })?;
    if session.out.is_json() {
        let before = key.as_deref().map_or(Node::Plain(Value::Null), hex_array);
        session.out.json(Node::Object(vec![
            ("key".to_owned(), before),
            ("next_key".to_owned(), hex_array(&next)),
        ]));
        return Ok(());
    }
    let before = key.as_deref().map_or_else(
        || "key: None".to_owned(),
        |key| format!("key:\n{}", hex_text(key)),
    );
    writeln!(
        session.out.results(),
        "{before}\nnext key:\n{}",
        hex_text(&next)
    )?;
    Ok(())
}

//! `skep btf`: type information of programs, maps and files.

use crate::app::Session;
use crate::args::Args;
use crate::batch::system_text;
use crate::calls;
use crate::failure::{Failure, Outcome, errno_code};
use crate::objdump::sections;
use crate::output::{Record, escape, object, plain};
use crate::prog::show::{id_array, id_list};
use crate::select;
use skep_btf::dump::{self, c};
use skep_btf::json::Node;
use skep_btf::{Btf, TypeId};
use skep_uapi::{Bpf, BtfId, Errno, Handle, ObjectKind};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};

/// Most types that may be named as roots.
const ROOTS_MAX: usize = 16;

/// Which programs or maps use each BTF object, in bpftool's order.
///
/// bpftool keeps the pairs in a chained hash table: new ones go to the front, and growing the table turns every chain
/// around. The table doubles from 4 before an insertion that would fill it by more than three quarters.
#[derive(Default)]
struct Users {
    by_btf: BTreeMap<BtfId, VecDeque<u32>>,
    count: usize,
    capacity: usize,
}

impl Users {
    fn insert(&mut self, btf: BtfId, user: u32) {
        if btf.0 == 0 {
            return;
        }
        if self.capacity == 0 || (self.count + 1) * 4 / 3 > self.capacity {
            self.capacity = (self.capacity * 2).max(4);
            self.by_btf
                .values_mut()
                .for_each(|users| users.make_contiguous().reverse());
        }
        self.count += 1;
        self.by_btf.entry(btf).or_default().push_front(user);
    }

    fn of(&self, btf: BtfId) -> Vec<u32> {
        self.by_btf
            .get(&btf)
            .map(|users| users.iter().copied().collect())
            .unwrap_or_default()
    }
}

struct BtfRecord {
    id: BtfId,
    size: usize,
    progs: Vec<u32>,
    maps: Vec<u32>,
    kernel: bool,
    name: String,
}

/// Shows all BTF objects or one.
pub(crate) fn show(session: &mut Session, args: &mut Args) -> Outcome {
    let wanted = match args.len() {
        0 => None,
        2 if args.take("id") => Some(select::id(args)?),
        2 => {
            let got = args.peek().unwrap_or_default();
            return Err(Failure::message(format!(
                "unrecognized BTF source specifier: '{got}'"
            )));
        }
        _ => return Err(args.unknown()),
    };
    let bpf = session.bpf()?;
    let bpf = &*bpf;
    let ids = match wanted {
        Some(id) => vec![id],
        None => calls::ids(bpf, ObjectKind::Btf)
            .map_err(|errno| Failure::message(format!("can't get next BTF object: {errno}")))?,
    };
    let failed = |errno| Failure::message(format!("can't get the users of BTF objects: {errno}"));
    let progs = users(bpf, ObjectKind::Prog, |held| {
        Ok(calls::prog_info(bpf, held)?.btf_id)
    })
    .map_err(failed)?;
    let maps = users(bpf, ObjectKind::Map, |held| {
        Ok(calls::map_info(bpf, held)?.btf_id)
    })
    .map_err(failed)?;
    let mut records = Vec::new();
    for id in ids {
        match record(bpf, id, &progs, &maps) {
            Ok(record) => records.push(record),
            Err(Errno::ENOENT) if wanted.is_none() => {}
            Err(errno) => {
                return Err(Failure::message(format!(
                    "can't get BTF object by id ({id}): {errno}"
                )));
            }
        }
    }
    if wanted.is_some() {
        session.out.found(&records)
    } else {
        session.out.list(&records)
    }
}

fn users(
    bpf: &dyn Bpf,
    kind: ObjectKind,
    btf_of: impl Fn(Handle) -> Result<BtfId, Errno>,
) -> Result<Users, Errno> {
    let mut users = Users::default();
    for id in calls::ids(bpf, kind)? {
        match calls::open_id(bpf, kind, id).and_then(|held| btf_of(held.handle())) {
            Ok(btf) => users.insert(btf, id),
            Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(users)
}

fn record(bpf: &dyn Bpf, id: u32, progs: &Users, maps: &Users) -> Result<BtfRecord, Errno> {
    let held = calls::open_id(bpf, ObjectKind::Btf, id)?;
    let info = calls::btf_info(bpf, held.handle())?;
    Ok(BtfRecord {
        id: info.id,
        size: info.data.len(),
        progs: progs.of(info.id),
        maps: maps.of(info.id),
        kernel: info.kernel_btf,
        name: escape(&info.name),
    })
}

impl Record for BtfRecord {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{}: ", self.id)?;
        match (self.kernel, self.name.as_str()) {
            (true, name) => write!(out, "name [{name}]  ")?,
            (false, "") => write!(out, "name <anon>  ")?,
            (false, name) => write!(out, "name {name}  ")?,
        }
        write!(out, "size {}B", self.size)?;
        for (what, ids) in [("prog_ids", &self.progs), ("map_ids", &self.maps)] {
            if !ids.is_empty() {
                write!(out, "  {what} {}", id_list(ids.iter().copied()))?;
            }
        }
        writeln!(out)
    }

    fn json(&self) -> Node {
        object([
            ("id", plain(self.id.0)),
            ("size", plain(self.size)),
            ("prog_ids", Some(id_array(self.progs.iter().copied()))),
            ("map_ids", Some(id_array(self.maps.iter().copied()))),
            ("kernel", plain(self.kernel)),
            (
                "name",
                (!self.name.is_empty()).then(|| Node::string(&self.name)),
            ),
        ])
    }
}

/// What to dump.
struct Source {
    btf: Btf,
    /// Only these types; empty for all.
    roots: Vec<TypeId>,
}

enum Form {
    Raw,
    C(c::Order),
}

/// Dumps types.
pub(crate) fn dump(session: &mut Session, args: &mut Args) -> Outcome {
    if args.len() < 2 {
        let shortage = args.require_plain(2);
        if let Err(Failure::Message { text, .. }) = shortage {
            session.out.error(&text)?;
        }
        return Err(Failure::Usage);
    }
    if session.options.base_btf.is_some() {
        return Err(Failure::errno(
            "split BTF is not supported yet",
            Errno::EOPNOTSUPP,
        ));
    }
    let mut source = source(session, args)?;
    let form = options(args, &mut source)?;
    match form {
        Form::Raw => show_raw(session, &source),
        Form::C(order) => show_c(session, source, order),
    }
}

fn source(session: &mut Session, args: &mut Args) -> Outcome<Source> {
    if args.take("file") {
        let path = args.next().unwrap_or_default();
        return Ok(Source {
            btf: from_file(&path)?,
            roots: Vec::new(),
        });
    }
    let bpf = session.bpf()?;
    let bpf = &*bpf;
    if args.take("id") {
        let id = select::id(args)?;
        return Ok(Source {
            btf: from_id(session, bpf, id)?,
            roots: Vec::new(),
        });
    }
    if args.take("prog") {
        let prog = select::prog(bpf, args)?;
        let info = calls::prog_info(bpf, prog.handle())
            .map_err(|errno| Failure::message(format!("can't get prog info: {errno}")))?;
        return Ok(Source {
            btf: from_id(session, bpf, info.btf_id.0)?,
            roots: Vec::new(),
        });
    }
    if args.take("map") {
        return from_map(session, bpf, args);
    }
    let got = args.peek().unwrap_or_default();
    Err(Failure::message(format!(
        "unrecognized BTF source specifier: '{got}'"
    )))
}

fn from_map(session: &mut Session, bpf: &dyn Bpf, args: &mut Args) -> Outcome<Source> {
    let map = select::map(bpf, args)?;
    let info = calls::map_info(bpf, map.handle())
        .map_err(|errno| Failure::message(format!("can't get map info: {errno}")))?;
    let (key, value) = (info.btf_key_type_id, info.btf_value_type_id);
    let roots = if args.take("key") {
        vec![key]
    } else if args.take("value") {
        vec![value]
    } else if args.take("all") {
        Vec::new()
    } else {
        args.take("kv");
        vec![key, value]
    };
    Ok(Source {
        btf: from_id(session, bpf, info.btf_id.0)?,
        roots,
    })
}

fn from_id(session: &mut Session, bpf: &dyn Bpf, id: u32) -> Outcome<Btf> {
    let opened = calls::open_id(bpf, ObjectKind::Btf, id);
    let data = match opened.and_then(|held| calls::btf_info(bpf, held.handle())) {
        Ok(data) => data,
        Err(errno) => {
            // Two lines, as in bpftool.
            session
                .out
                .error(&format!("can't get BTF object by id ({id}): {errno}"))?;
            return Err(Failure::errno(
                format!("get btf by id ({id}): {errno}"),
                errno,
            ));
        }
    };
    Btf::parse(&data.data).map_err(|error| invalid(&format!("BTF {id}: {error}")))
}

fn invalid(text: &str) -> Failure {
    Failure::Message {
        text: text.to_owned(),
        code: errno_code(Errno::EINVAL),
    }
}

/// The BTF of an object file, or a file that is nothing but BTF.
fn from_file(path: &str) -> Outcome<Btf> {
    let failed = |text: &str, errno| {
        Failure::errno(format!("failed to load BTF from {path}: {text}"), errno)
    };
    let bytes = std::fs::read(path).map_err(|error| {
        let errno = Errno(error.raw_os_error().unwrap_or(Errno::EIO.0));
        failed(&system_text(&error), errno)
    })?;
    let data = if bytes.starts_with(b"\x7fELF") {
        sections::content(&bytes, ".BTF").map_err(|error| failed(&error, Errno::EINVAL))?
    } else {
        bytes
    };
    Btf::parse(&data).map_err(|error| failed(&error.to_string(), Errno::EINVAL))
}

fn options(args: &mut Args, source: &mut Source) -> Outcome<Form> {
    let mut form = Form::Raw;
    let mut named_roots = false;
    while let Some(word) = args.peek().map(str::to_owned) {
        if args.take("format") {
            form = format(args)?;
        } else if args.take("root_id") {
            let id = args
                .next()
                .ok_or_else(|| invalid("expecting value for 'root_id' option"))?;
            let id = crate::args::number_u32(&id)
                .ok_or_else(|| invalid(&format!("failed to parse type ID '{id}'")))?;
            if !named_roots && !source.roots.is_empty() {
                return Err(invalid("cannot specify root_id with other type filters"));
            }
            if source.btf.get(TypeId(id)).is_none() {
                return Err(invalid(&format!("invalid type ID {id}")));
            }
            named_roots = true;
            source.roots.push(TypeId(id));
            if source.roots.len() > ROOTS_MAX {
                return Err(Failure::errno("too many root_id values", Errno::E2BIG));
            }
        } else {
            return Err(invalid(&format!("unrecognized option: '{word}'")));
        }
    }
    Ok(form)
}

fn format(args: &mut Args) -> Outcome<Form> {
    let Some(word) = args.next() else {
        return Err(invalid("expecting value for 'format' option\n"));
    };
    if "c".starts_with(&word) {
        let order = if args.take("unsorted") {
            c::Order::ById
        } else {
            c::Order::Sorted
        };
        return Ok(Form::C(order));
    }
    if "raw".starts_with(&word) {
        return Ok(Form::Raw);
    }
    Err(invalid(&format!(
        "unrecognized format specifier: '{word}', possible values: raw, c"
    )))
}

fn show_raw(session: &mut Session, source: &Source) -> Outcome {
    if session.out.is_json() {
        let mut all = dump::raw_json(&source.btf);
        if let Some(types) = all.get_mut("types").and_then(|types| types.as_array_mut()) {
            let wanted = |ty: &serde_json::Value| {
                let id = ty.get("id").and_then(serde_json::Value::as_u64);
                source
                    .roots
                    .iter()
                    .any(|root| id == Some(u64::from(root.0)))
            };
            if !source.roots.is_empty() {
                types.retain(wanted);
                if source.roots.contains(&TypeId(0)) {
                    types.insert(
                        0,
                        serde_json::json!({ "id": 0, "kind": "UNKNOWN", "name": "(anon)" }),
                    );
                }
            }
        }
        session.out.json(all.into());
        return Ok(());
    }
    let text = dump::raw(&source.btf);
    let out = session.out.results();
    if source.roots.is_empty() {
        write!(out, "{}", escape(&text))?;
        return Ok(());
    }
    if source.roots.contains(&TypeId(0)) {
        writeln!(out, "[0] UNKNOWN '(anon)'")?;
    }
    // A record begins with its id in brackets; its items follow on indented lines.
    let mut shown = false;
    for line in text.lines() {
        if let Some(id) = line
            .strip_prefix('[')
            .and_then(|line| line.split(']').next())
        {
            shown = source.roots.iter().any(|root| id == root.0.to_string());
        }
        if shown {
            writeln!(out, "{}", escape(line))?;
        }
    }
    Ok(())
}

fn show_c(session: &mut Session, source: Source, order: c::Order) -> Outcome {
    if session.out.is_json() {
        let errno = Errno::EOPNOTSUPP;
        return Err(Failure::errno(
            "JSON output for C-syntax dump is not supported",
            errno,
        ));
    }
    if source.roots == [TypeId(0)] {
        return Err(invalid("the map has no type for this"));
    }
    let options = c::Options {
        roots: source.roots,
        order,
        frame: c::Frame::Header,
    };
    let text = c(&source.btf, &options).map_err(|error| invalid(&error.to_string()))?;
    write!(session.out.results(), "{}", escape(&text))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order that bpftool gave for seven maps of one object.
    #[test]
    fn users_stand_in_bpftools_order() {
        let mut users = Users::default();
        for map in [66, 69, 70, 72, 80, 81, 82] {
            users.insert(BtfId(103), map);
        }
        assert_eq!(users.of(BtfId(103)), [82, 70, 69, 66, 72, 80, 81]);
    }
}

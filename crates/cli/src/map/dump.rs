//! `skep map dump`: all entries.

use crate::app::Session;
use crate::args::Args;
use crate::calls;
use crate::failure::{Failure, Outcome};
use crate::map::entry::{Found, MapView, holds_maps, holds_progs};
use crate::map::show;
use crate::select;
use skep_btf::json::Node;
use skep_btf::value::Style;
use skep_uapi::{Bpf, Command, Errno, Handle};

/// All entries of a map, and why reading them ended if not at the last.
struct Entries {
    entries: Vec<(Vec<u8>, Found)>,
    ended: Option<Errno>,
}

/// Whether several maps are dumped, each under a header.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Header {
    Shown,
    Hidden,
}

/// Dumps the maps of a selector.
pub(crate) fn run(session: &mut Session, args: &mut Args) -> Outcome {
    if args.len() != 2 {
        return Err(Failure::Usage);
    }
    let bpf = session.bpf()?;
    let bpf = &*bpf;
    let found = select::maps(bpf, args)?;
    let several = found.len() > 1;
    let header = if several { Header::Shown } else { Header::Hidden };
    let mut documents = Vec::new();
    let mut outcome = Ok(());
    for (position, held) in found.iter().enumerate() {
        let view = MapView::read(bpf, held.handle())
            .map_err(|errno| Failure::message(format!("can't get map info: {errno}")))?;
        let entries = read(bpf, held.handle(), &view);
        let ended = entries.ended;
        if session.out.is_json() {
            documents.push(document(&view, entries, header));
        } else {
            text(session, &view, &entries, header)?;
            if position + 1 < found.len() {
                writeln!(session.out.results())?;
            }
        }
        if let Some(errno) = ended {
            outcome = Err(Failure::silent(errno));
            break;
        }
    }
    if session.out.is_json() {
        let node = if several { Some(Node::Array(documents)) } else { documents.pop() };
        node.into_iter().for_each(|node| session.out.json(node));
    }
    outcome
}

fn read(bpf: &dyn Bpf, map: Handle, view: &MapView) -> Entries {
    let mut entries = Vec::new();
    let mut key: Option<Vec<u8>> = None;
    loop {
        match calls::bytes(bpf, Command::MapNextKey { map, key: key.take() }) {
            Ok(next) => {
                let lookup = Command::MapLookup { map, key: next.clone(), flags: 0 };
                match calls::bytes(bpf, lookup) {
                    Ok(value) => entries.push((next.clone(), Found::Value(value))),
                    // Empty slots of maps that hold objects are no entries.
                    Err(Errno::ENOENT) if holds_maps(view.info.map_type) || holds_progs(view.info.map_type) => {}
                    Err(errno) => entries.push((next.clone(), Found::Refused(errno))),
                }
                key = Some(next);
            }
            Err(Errno::ENOENT) => return Entries { entries, ended: None },
            Err(errno) => return Entries { entries, ended: Some(errno) },
        }
    }
}

fn document(view: &MapView, entries: Entries, header: Header) -> Node {
    let elements = Node::Array(entries.entries.iter().map(|(key, found)| view.json(key, found)).collect());
    match header {
        Header::Hidden => elements,
        Header::Shown => {
            let mut members = show::header_members(&view.info);
            members.push(("elements".to_owned(), elements));
            Node::Object(members)
        }
    }
}

fn text(session: &mut Session, view: &MapView, entries: &Entries, header: Header) -> Outcome {
    if header == Header::Shown {
        show::header_text(&view.info, session.out.results())?;
    }
    if view.types.is_some() {
        let typed = entries.entries.iter().map(|(key, found)| match found {
            Found::Value(value) => view.formatted(key, value, Style::Text),
            Found::Refused(_) => Some(view.json(key, found)),
        });
        let list = Node::Array(typed.flatten().collect());
        let text = session.out.layout(&list);
        writeln!(session.out.results(), "{text}")?;
        return Ok(());
    }
    let mut count = 0;
    for (key, found) in &entries.entries {
        view.text(key, found, session.out.results())?;
        count += usize::from(matches!(found, Found::Value(_)));
    }
    writeln!(session.out.results(), "Found {count} element{}", if count == 1 { "" } else { "s" })?;
    Ok(())
}

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

/// How entries are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// JSON with bytes and values.
    Json,
    /// Values by type, laid out as JSON.
    Typed,
    /// Bytes.
    Bytes,
}

/// Dumps the maps of a selector.
pub(crate) fn run(session: &mut Session, args: &mut Args) -> Outcome {
    if args.len() != 2 {
        return Err(Failure::Usage);
    }
    let bpf = session.bpf()?;
    let bpf = &*bpf;
    let found = select::maps(bpf, args)?;
    let header = if found.len() > 1 {
        Header::Shown
    } else {
        Header::Hidden
    };
    let views: Result<Vec<MapView>, Errno> = found
        .iter()
        .map(|held| MapView::read(bpf, held.handle()))
        .collect();
    let views = views.map_err(|errno| Failure::message(format!("can't get map info: {errno}")))?;
    let form = match session.out.is_json() {
        true => Form::Json,
        // One map without types makes all of them be shown as bytes.
        false if views.iter().all(|view| view.types.is_some()) => Form::Typed,
        false => Form::Bytes,
    };
    let mut documents = Vec::new();
    let mut ended = None;
    for (position, (held, view)) in found.iter().zip(&views).enumerate() {
        let entries = read(bpf, held.handle(), view);
        ended = entries.ended;
        match form {
            Form::Json | Form::Typed => documents.push(document(view, &entries, header, form)),
            Form::Bytes => {
                text(session, view, &entries, header)?;
                if position + 1 < found.len() {
                    writeln!(session.out.results())?;
                }
            }
        }
        if ended.is_some() {
            break;
        }
    }
    let all = match header {
        Header::Shown => Some(Node::Array(documents)),
        Header::Hidden => documents.pop(),
    };
    match (form, all) {
        (Form::Json, Some(all)) => session.out.json(all),
        (Form::Typed, Some(all)) => {
            let text = session.out.layout(&all);
            writeln!(session.out.results(), "{text}")?;
        }
        (Form::Bytes, _) | (_, None) => {}
    }
    ended.map_or(Ok(()), |errno| Err(Failure::silent(errno)))
}

fn read(bpf: &dyn Bpf, map: Handle, view: &MapView) -> Entries {
    let mut entries = Vec::new();
    let mut key: Option<Vec<u8>> = None;
    loop {
        match calls::bytes(
            bpf,
            Command::MapNextKey {
                map,
                key: key.take(),
            },
        ) {
            Ok(next) => {
                let lookup = Command::MapLookup {
                    map,
                    key: next.clone(),
                    flags: 0,
                };
                match calls::bytes(bpf, lookup) {
                    Ok(value) => entries.push((next.clone(), Found::Value(value))),
                    // Empty slots of maps that hold objects are no entries.
                    Err(Errno::ENOENT)
                        if holds_maps(view.info.map_type) || holds_progs(view.info.map_type) => {}
                    Err(errno) => entries.push((next.clone(), Found::Refused(errno))),
                }
                key = Some(next);
            }
            Err(Errno::ENOENT) => {
                return Entries {
                    entries,
                    ended: None,
                };
            }
            Err(errno) => {
                return Entries {
                    entries,
                    ended: Some(errno),
                };
            }
        }
    }
}

fn document(view: &MapView, entries: &Entries, header: Header, form: Form) -> Node {
    let element = |(key, found): &(Vec<u8>, Found)| match (form, found) {
        (Form::Typed, Found::Value(value)) => view.formatted(key, value, Style::Text),
        (Form::Typed | Form::Json | Form::Bytes, _) => Some(view.json(key, found)),
    };
    let elements = Node::Array(entries.entries.iter().filter_map(element).collect());
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
    let mut count = 0;
    for (key, found) in &entries.entries {
        view.text(key, found, session.out.results())?;
        count += usize::from(matches!(found, Found::Value(_)));
    }
    let plural = if count == 1 { "" } else { "s" };
    writeln!(session.out.results(), "Found {count} element{plural}")?;
    Ok(())
}

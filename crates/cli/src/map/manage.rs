//! `skep map create`, `pin`, `freeze`.

use crate::app::Session;
use crate::args::{self, Args};
use crate::calls::{self, Held};
use crate::failure::{EXIT_ERROR, Failure, Outcome};
use crate::prog::pin::{pin as pin_to, pin_selected};
use crate::select;
use skep_object::kernel_name;
use skep_uapi::{Command, MapCreate, MapType};

/// `map pin`.
pub(crate) fn pin(session: &mut Session, args: &mut Args) -> Outcome {
    pin_selected(session, args, select::map)
}

/// `map freeze`.
pub(crate) fn freeze(session: &mut Session, args: &mut Args) -> Outcome {
    args.require_plain(2)?;
    let bpf = session.bpf()?;
    let map = select::map(&*bpf, args)?;
    if !args.is_empty() {
        return Err(Failure::Usage);
    }
    calls::unit(&*bpf, Command::MapFreeze { map: map.handle() }).map_err(|errno| {
        Failure::Message {
            text: format!("failed to freeze map: {errno}"),
            code: EXIT_ERROR,
        }
    })?;
    session.out.nothing();
    Ok(())
}

/// `map create`.
pub(crate) fn create(session: &mut Session, args: &mut Args) -> Outcome {
    args.require_plain(7)?;
    let bpf = session.lasting_bpf()?;
    let path = args.next().unwrap_or_default();
    let mut map = MapCreate::default();
    let mut inner: Option<Held<'_>> = None;
    let mut seen = Seen::default();
    while !args.is_empty() {
        args.require_plain(2)?;
        if args.take("type") {
            let word = args.next().unwrap_or_default();
            if map.map_type != MapType::UNSPEC {
                return Err(Failure::message("map type already specified"));
            }
            map.map_type = map_type(&word)?;
        } else if args.take("name") {
            if !map.name.is_empty() {
                return Err(Failure::message("map name already specified"));
            }
            map.name = kernel_name(&args.next().unwrap_or_default());
        } else if args.take("key") {
            map.key_size = seen.number(args, "key size")?;
        } else if args.take("value") {
            map.value_size = seen.number(args, "value size")?;
        } else if args.take("entries") {
            map.max_entries = seen.number(args, "max entries")?;
        } else if args.take("flags") {
            map.map_flags = seen.number(args, "flags")?;
        } else if args.take("inner_map") {
            let held = select::map(&*bpf, args)?;
            map.inner_map = Some(held.handle());
            inner = Some(held);
        } else {
            return Err(Failure::message(format!(
                "unknown arg {}",
                args.peek().unwrap_or_default()
            )));
        }
    }
    if map.name.is_empty() {
        return Err(Failure::message("map name not specified"));
    }
    let created = calls::held(&*bpf, Command::MapCreate(map))
        .map_err(|errno| Failure::message(format!("map create failed: {errno}")))?;
    drop(inner);
    pin_to(&*bpf, created.handle(), &path)?;
    session.out.nothing();
    Ok(())
}

fn map_type(word: &str) -> Outcome<MapType> {
    MapType::from_name(word)
        .filter(|&map_type| map_type != MapType::UNSPEC)
        .or_else(|| args::number_u32(word).map(MapType))
        .ok_or_else(|| Failure::message(format!("unrecognized map type: {word}")))
}

/// Numbers that were given; each only once.
#[derive(Default)]
struct Seen(Vec<&'static str>);

impl Seen {
    fn number(&mut self, args: &mut Args, what: &'static str) -> Outcome<u32> {
        if self.0.contains(&what) {
            return Err(Failure::message(format!("{what} already specified")));
        }
        self.0.push(what);
        let word = args.next().unwrap_or_default();
        args::number_u32(&word)
            .ok_or_else(|| Failure::message(format!("can't parse {word} as {what}")))
    }
}

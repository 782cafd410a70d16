//! `skep prog load` and `loadall`: an object file's programs, pinned.
//!
//! Silence is success. What was loaded lives through its pins; a failure pins nothing.

use crate::app::Session;
use crate::args::{self, Args};
use crate::batch::system_text;
use crate::calls::{self, Held};
use crate::connect;
use crate::failure::{Failure, Outcome};
use crate::output::escape;
use crate::prog::pin::{pin, refused};
use crate::select::{self, absolute};
use skep_loader::{LoadError, Loaded, MapRef, Options, ProgKind, Programs, Reuse, Warning};
use skep_object::{Needs, Object, ObjectName, SectionDef};
use skep_uapi::{Bpf, Command, Errno, Handle};

/// Log level of `-d`: every state, more detail, statistics.
const LOG_EVERYTHING: u32 = 1 | 2 | 4;

/// Which programs of the object, and what the path is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// The first; the path is its pin.
    First,
    /// All; the path is a folder.
    All,
}

/// Loads an object's first program.
pub(crate) fn load(session: &mut Session, args: &mut Args) -> Outcome {
    run(session, args, Which::First)
}

/// Loads all of an object's programs.
pub(crate) fn load_all(session: &mut Session, args: &mut Args) -> Outcome {
    run(session, args, Which::All)
}

/// What the words ask for.
struct Request<'a> {
    kind: Option<ProgKind>,
    reuse: Vec<Reuse>,
    /// Keeps the maps of `reuse` open.
    _held: Vec<Held<'a>>,
    pin_maps: Option<String>,
}

fn run(session: &mut Session, args: &mut Args, which: Which) -> Outcome {
    args.require_plain(2)?;
    let (object_path, pin_path) = (
        args.next().unwrap_or_default(),
        args.next().unwrap_or_default(),
    );
    // A file that is no object must not start a daemon.
    let object = open(&object_path)?;
    let bpf = session.lasting_bpf()?;
    let bpf = &*bpf;
    let request = parse(bpf, args)?;
    if which == Which::First && calls::open_pin(bpf, &absolute(&pin_path)).is_ok() {
        return Err(refused(&pin_path, Errno::EEXIST));
    }
    let options = Options::new(object_name(&object_path));
    let mut options =
        with_kernel(options, &object, session.options.btf.as_deref()).map_err(Failure::message)?;
    options.prog_kind = request.kind;
    options.reuse = request.reuse.clone();
    options.log_level = if session.options.debug {
        LOG_EVERYTHING
    } else {
        0
    };
    if which == Which::First {
        let first = object
            .programs()
            .next()
            .map(|(_, function)| function.name().to_owned());
        options.programs = first.map_or(Programs::Default, |name| Programs::Named(vec![name]));
    }
    let loaded =
        skep_loader::load(&object, bpf, &options).map_err(|error| load_failure(session, &error))?;
    let outcome = pin_loaded(
        session,
        bpf,
        &loaded,
        which,
        &pin_path,
        request.pin_maps.as_deref(),
    );
    close(bpf, &loaded);
    outcome?;
    session.out.nothing();
    Ok(())
}

/// What an object asks about the kernel is answered by the running one, its types from a file if one is named. Of an object that
/// asks nothing the kernel is not read, which takes a hundred times longer than to load the object.
pub(crate) fn with_kernel(
    options: Options,
    object: &Object,
    btf: Option<&str>,
) -> Result<Options, String> {
    let mut options = match asks_kernel(object) {
        true => options.with_host(),
        false => options,
    };
    if let Some(path) = btf {
        options.btf = Some(crate::verify::read_btf(path)?);
    }
    Ok(options)
}

/// Whether loading depends on the kernel: relocations by its types, its symbols, or functions of its own to attach to.
fn asks_kernel(object: &Object) -> bool {
    let relocated = object
        .btf_ext()
        .is_some_and(|ext| !ext.core_relos.is_empty());
    let attached = || {
        object.programs().any(|(_, function)| {
            let row = object.section_def(function);
            row.is_some_and(|row| matches!(row.needs, Needs::AttachBtf | Needs::AttachBtfSleepable))
        })
    };
    relocated || !object.externs().is_empty() || attached()
}

fn parse<'a>(bpf: &'a dyn Bpf, args: &mut Args) -> Outcome<Request<'a>> {
    let mut request = Request {
        kind: None,
        reuse: Vec::new(),
        _held: Vec::new(),
        pin_maps: None,
    };
    while let Some(word) = args.peek().map(str::to_owned) {
        if args.take("type") {
            if request.kind.is_some() {
                return Err(Failure::message("program type already specified"));
            }
            args.require_plain(1)?;
            request.kind = Some(kind(&args.next().unwrap_or_default())?);
        } else if args.take("map") {
            let (map, held) = reuse(bpf, args)?;
            request.reuse.push(Reuse {
                map,
                handle: held.handle(),
            });
            request._held.push(held);
        } else if args.take("pinmaps") {
            args.require_plain(1)?;
            request.pin_maps = args.next();
        } else {
            return Err(Failure::message(format!(
                "expected no more arguments, 'type', 'map' or 'dev', got: '{word}'?"
            )));
        }
    }
    Ok(request)
}

/// A type is a section name, with or without its slash.
pub(crate) fn kind(word: &str) -> Outcome<ProgKind> {
    let section = SectionDef::find(word)
        .or_else(|| SectionDef::find(&format!("{word}/")))
        .ok_or_else(|| Failure::message(format!("'{word}' is not a program type")))?;
    Ok(ProgKind {
        prog_type: section.prog_type,
        attach_type: section.attach_type,
    })
}

fn reuse<'a>(bpf: &'a dyn Bpf, args: &mut Args) -> Outcome<(MapRef, Held<'a>)> {
    args.require_plain(4)?;
    let map = if args.take("idx") {
        let word = args.next().unwrap_or_default();
        let index = args::number_u32(&word).and_then(|index| usize::try_from(index).ok());
        MapRef::Index(index.ok_or_else(|| Failure::message(format!("can't parse {word} as IDX")))?)
    } else if args.take("name") {
        MapRef::Name(args.next().unwrap_or_default())
    } else {
        let got = args.peek().unwrap_or_default();
        return Err(Failure::message(format!(
            "expected 'idx' or 'name', got: '{got}'?"
        )));
    };
    Ok((map, select::map(bpf, args)?))
}

/// Reads and parses an object file.
pub(crate) fn open(path: &str) -> Outcome<Object> {
    let failed =
        |text: String| Failure::message(format!("failed to open object file {path}: {text}"));
    let bytes = std::fs::read(path).map_err(|error| failed(system_text(&error)))?;
    skep_object::parse(&bytes).map_err(|error| failed(escape(&error.to_string())))
}

/// The name that data maps are called after: the file's, up to the first dot.
pub(crate) fn object_name(path: &str) -> ObjectName {
    ObjectName::from_path(path)
}

/// The verifier's log goes to standard error as it is; the error line follows it.
fn load_failure(session: &mut Session, error: &LoadError) -> Failure {
    let text = match error {
        LoadError::Program {
            program,
            errno,
            log,
            ..
        } => {
            if !session.out.is_json() && !log.is_empty() {
                // If standard error is gone, the exit code still tells.
                let _ = writeln!(session.out.errors(), "{}", log.trim_end());
            }
            format!(
                "failed to load object file: program '{}': {errno}",
                escape(program)
            )
        }
        LoadError::NoSuchMap(MapRef::Name(name)) => {
            format!("unable to find map '{}'", escape(name))
        }
        LoadError::NoSuchMap(MapRef::Index(index)) => format!("map idx '{index}' not used"),
        error => format!("failed to load object file: {}", escape(&error.to_string())),
    };
    Failure::message(text)
}

/// Whether a warning is told unasked. An object without its types lacks what its user sees; a map of a kind that takes no
/// types lacks nothing.
fn is_news(warning: &Warning) -> bool {
    matches!(warning, Warning::Unreadable(_) | Warning::Btf { .. })
}

fn pin_loaded(
    session: &mut Session,
    bpf: &dyn Bpf,
    loaded: &Loaded,
    which: Which,
    path: &str,
    pin_maps: Option<&str>,
) -> Outcome {
    for program in &loaded.programs {
        if session.options.debug && !program.log.is_empty() {
            writeln!(session.out.errors(), "{}", program.log.trim_end())?;
        }
    }
    let debug = session.options.debug;
    for warning in loaded.warnings.iter().filter(|one| debug || is_news(one)) {
        writeln!(
            session.out.errors(),
            "Warning: {}",
            escape(&warning.to_string())
        )?;
    }
    for folder in pin_maps
        .into_iter()
        .chain((which == Which::All).then_some(path))
    {
        connect::make_pin_folder(session.options.target, folder).map_err(|error| {
            Failure::message(format!(
                "can't create folder '{folder}': {}",
                system_text(&error)
            ))
        })?;
    }
    let mut pinned = Pinned {
        bpf,
        paths: Vec::new(),
    };
    match (which, loaded.programs.as_slice()) {
        (Which::First, [program, ..]) => pinned.pin(program.handle, path.to_owned())?,
        (Which::First, []) => {
            return Err(Failure::message(
                "object file doesn't contain any bpf program",
            ));
        }
        (Which::All, programs) => {
            for program in programs {
                pinned.pin(program.handle, format!("{path}/{}", program.name))?;
            }
        }
    }
    if let Some(folder) = pin_maps {
        for map in &loaded.maps {
            pinned.pin(
                map.handle,
                format!("{folder}/{}", map.name.replace('.', "_")),
            )?;
        }
    }
    pinned.paths.clear();
    Ok(())
}

/// Pins that are taken back unless all succeed.
struct Pinned<'a> {
    bpf: &'a dyn Bpf,
    paths: Vec<String>,
}

impl Pinned<'_> {
    fn pin(&mut self, object: Handle, path: String) -> Outcome {
        pin(self.bpf, object, &path)?;
        self.paths.push(path);
        Ok(())
    }
}

impl Drop for Pinned<'_> {
    fn drop(&mut self) {
        for path in self.paths.drain(..) {
            // It was ours a moment ago; if it is gone, so much the better.
            let _ = calls::unit(
                self.bpf,
                Command::PinRemove {
                    path: absolute(&path),
                },
            );
        }
    }
}

/// Closes the handles of a load; the pins keep what they name.
pub(crate) fn close(bpf: &dyn Bpf, loaded: &Loaded) {
    let handles = loaded.programs.iter().map(|program| program.handle);
    let handles = handles
        .chain(loaded.maps.iter().map(|map| map.handle))
        .chain(loaded.btf);
    for handle in handles {
        // Nothing can be done about a handle that does not close.
        let _ = bpf.call(Command::Close { handle });
    }
}

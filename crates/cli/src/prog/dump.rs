//! `skep prog dump`: translated instructions and machine code.

use crate::app::{Session, Target};
use crate::args::Args;
use crate::batch::system_text;
use crate::calls;
use crate::failure::{Failure, Outcome};
use crate::output::Record;
use crate::prog::code::{Code, Details};
use crate::prog::graph::graph;
use crate::prog::jited::{JitedDump, Symbols};
use crate::prog::show::{self, ProgRecord};
use crate::prog::xlated::Xlated;
use crate::select;
use skep_btf::json::Node;
use skep_uapi::{Arch, Bpf, Handle, Jited};

/// Which form of the code.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Xlated,
    Jited,
}

/// Where the dump goes.
enum Form {
    /// Listed.
    Listing,
    /// As a graph.
    Visual,
    /// The bytes, to a file.
    File(String),
}

struct Request {
    kind: Kind,
    form: Form,
    details: Details,
    arch: Option<Arch>,
}

/// Dumps one or several programs.
pub(crate) fn run(session: &mut Session, args: &mut Args) -> Outcome {
    let kind = kind(args)?;
    if args.len() < 2 {
        return Err(Failure::Usage);
    }
    let bpf = session.bpf()?;
    let bpf = &*bpf;
    let found = select::progs(bpf, args)?;
    let request = parse(args, kind, found.len())?;
    if matches!(request.form, Form::Visual) && session.out.is_json() {
        return Err(Failure::message(
            "'visual' is not compatible with JSON output",
        ));
    }
    let [single] = found.as_slice() else {
        let mut documents = Vec::new();
        for (position, held) in found.iter().enumerate() {
            let record = show::record(bpf, held.handle(), &[])
                .map_err(|errno| Failure::message(format!("can't get prog info: {errno}")))?;
            documents.push(dump_headed(session, bpf, held.handle(), &record, &request)?);
            if !session.out.is_json() && position + 1 < found.len() {
                writeln!(session.out.results())?;
            }
        }
        if session.out.is_json() {
            session.out.json(Node::Array(documents));
        }
        return Ok(());
    };
    dump(session, bpf, single.handle(), &request)
}

fn kind(args: &mut Args) -> Outcome<Kind> {
    if args.take("jited") {
        return Ok(Kind::Jited);
    }
    if args.take("xlated") {
        return Ok(Kind::Xlated);
    }
    let got = args.peek().unwrap_or("(null)");
    Err(Failure::message(format!(
        "expected 'xlated' or 'jited', got: {got}"
    )))
}

fn parse(args: &mut Args, kind: Kind, programs: usize) -> Outcome<Request> {
    let mut request = Request {
        kind,
        form: Form::Listing,
        details: Details::default(),
        arch: None,
    };
    if args.take("file") {
        let path = args
            .next()
            .ok_or_else(|| Failure::message("expected file path"))?;
        if programs > 1 {
            return Err(Failure::message("several programs matched"));
        }
        request.form = Form::File(path);
    }
    while !args.is_empty() {
        if args.take("opcodes") {
            request.details.opcodes = true;
        } else if args.take("visual") && kind == Kind::Xlated {
            if programs > 1 {
                return Err(Failure::message("several programs matched"));
            }
            request.form = Form::Visual;
        } else if args.take("linum") {
            request.details.linum = true;
        } else if kind == Kind::Jited && args.take("arch") {
            request.arch = Some(arch(args)?);
        } else {
            return Err(Failure::Usage);
        }
    }
    Ok(request)
}

fn arch(args: &mut Args) -> Outcome<Arch> {
    let word = args
        .next()
        .ok_or_else(|| Failure::message("expected 'aarch64' or 'x86_64'"))?;
    match word.as_str() {
        "aarch64" | "arm64" => Ok(Arch::Aarch64),
        "x86_64" | "x86-64" | "amd64" => Ok(Arch::X86_64),
        _ => Err(Failure::message(format!(
            "expected 'aarch64' or 'x86_64', got: {word}"
        ))),
    }
}

/// Dumps one of several programs: a header first, or an object around the instructions.
fn dump_headed(
    session: &mut Session,
    bpf: &dyn Bpf,
    prog: Handle,
    record: &ProgRecord,
    request: &Request,
) -> Outcome<Node> {
    if !session.out.is_json() {
        record.header(session.out.results())?;
    }
    let before = session.out.take_document();
    dump(session, bpf, prog, request)?;
    let dumped = session.out.take_document();
    before.into_iter().for_each(|node| session.out.json(node));
    let mut members = record.json_header();
    members.extend(dumped.into_iter().map(|node| ("insns".to_owned(), node)));
    Ok(Node::Object(members))
}

fn dump(session: &mut Session, bpf: &dyn Bpf, prog: Handle, request: &Request) -> Outcome {
    let code = Code::read(bpf, prog)?;
    match request.kind {
        Kind::Xlated => dump_xlated(session, &code, request),
        Kind::Jited => {
            let jited = match request.arch {
                Some(arch) => calls::compile(bpf, prog, arch).map_err(|errno| {
                    Failure::errno(format!("failed to compile the program: {errno}"), errno)
                })?,
                None => code.code.jited.clone(),
            };
            dump_jited(session, &code, &jited, request)
        }
    }
}

fn dump_xlated(session: &mut Session, code: &Code, request: &Request) -> Outcome {
    if code.code.xlated.is_empty() {
        return Err(Failure::message(
            "error retrieving insn dump: kernel.kptr_restrict set?",
        ));
    }
    match &request.form {
        Form::File(path) => write_file(session, path, &code.code.xlated),
        Form::Visual => {
            write!(session.out.results(), "{}", graph(code, request.details))?;
            Ok(())
        }
        Form::Listing => session
            .out
            .record(&Xlated::new(code, request.details) as &dyn Record),
    }
}

fn dump_jited(session: &mut Session, code: &Code, jited: &Jited, request: &Request) -> Outcome {
    if jited.code.is_empty() {
        return Err(Failure::message("no instructions returned"));
    }
    match &request.form {
        Form::File(path) => write_file(session, path, &jited.code),
        Form::Visual | Form::Listing => {
            let symbols = match session.options.target {
                Target::Kernel => Symbols::Hidden,
                Target::Daemon => Symbols::Shown,
            };
            session
                .out
                .record(&JitedDump::new(code, jited, request.details, symbols))
        }
    }
}

fn write_file(session: &mut Session, path: &str, bytes: &[u8]) -> Outcome {
    std::fs::write(path, bytes).map_err(|error| {
        Failure::message(format!("can't open file {path}: {}", system_text(&error)))
    })?;
    session.out.nothing();
    Ok(())
}

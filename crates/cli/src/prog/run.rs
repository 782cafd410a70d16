//! `skep prog run`: a test run with packet and context from files.

use crate::app::Session;
use crate::args::{self, Args};
use crate::batch::system_text;
use crate::calls;
use crate::failure::{Failure, Outcome};
use crate::output::{Record, object, plain};
use crate::prog::hexdump::hexdump;
use crate::select;
use skep_btf::json::Node;
use skep_uapi::{Engine, Errno, TestRun, TestRunResult};
use std::io::{self, Read, Write};

/// Room for an output packet or context if the user names none, in bytes.
const OUT_BYTES_DEFAULT: u32 = 32 << 10;

/// Where an output goes.
enum Sink {
    Nowhere,
    /// `-`: shown with the result.
    Shown,
    File(String),
}

/// What the words ask for.
struct Request {
    data_in: Option<String>,
    data_out: Sink,
    data_size_out: Option<u32>,
    ctx_in: Option<String>,
    ctx_out: Sink,
    ctx_size_out: Option<u32>,
    repeat: u32,
}

/// The result as shown.
struct RunRecord {
    result: TestRunResult,
    show_data: bool,
    show_ctx: bool,
    repeat: u32,
    /// Whether the duration is known finer than nanoseconds.
    picoseconds: bool,
}

/// Runs a program.
pub(crate) fn run(session: &mut Session, args: &mut Args) -> Outcome {
    args.require_plain(4)?;
    let bpf = session.bpf()?;
    let prog = select::prog(&*bpf, args)?;
    let mut request = parse(args)?;
    let (data_in, ctx_in) = inputs(&request)?;
    if request.ctx_in.is_none() {
        // Output of a context needs one to begin with.
        request.ctx_out = Sink::Nowhere;
        if request.ctx_size_out.is_some() {
            return Err(Failure::errno(
                format!("failed to run program: {}", Errno::EINVAL),
                Errno::EINVAL,
            ));
        }
    }
    let data_size_out = out_size(&request.data_out, request.data_size_out);
    let result = calls::test_run(
        &*bpf,
        TestRun {
            prog: prog.handle(),
            data_in,
            data_size_out,
            ctx_in,
            ctx_size_out: out_size(&request.ctx_out, request.ctx_size_out),
            repeat: request.repeat,
            flags: 0,
            cpu: 0,
            engine: Engine::Auto,
        },
    )
    .map_err(|errno| Failure::errno(format!("failed to run program: {errno}"), errno))?;
    write_file(&request.data_out, &result.data_out)?;
    write_file(&request.ctx_out, &result.ctx_out)?;
    session.out.record(&RunRecord {
        show_data: matches!(request.data_out, Sink::Shown),
        show_ctx: matches!(request.ctx_out, Sink::Shown),
        repeat: request.repeat,
        picoseconds: session.options.target != crate::app::Target::Kernel,
        result,
    })
}

fn parse(args: &mut Args) -> Outcome<Request> {
    let mut request = Request {
        data_in: None,
        data_out: Sink::Nowhere,
        data_size_out: None,
        ctx_in: None,
        ctx_out: Sink::Nowhere,
        ctx_size_out: None,
        repeat: 1,
    };
    while !args.is_empty() {
        let keyword = args.rest().first().cloned().unwrap_or_default();
        if args.take("data_in") {
            request.data_in = Some(value(args)?);
        } else if args.take("data_out") {
            request.data_out = sink(value(args)?);
        } else if args.take("data_size_out") {
            request.data_size_out = Some(count(args, "data_size_out")?);
        } else if args.take("ctx_in") {
            request.ctx_in = Some(value(args)?);
        } else if args.take("ctx_out") {
            request.ctx_out = sink(value(args)?);
        } else if args.take("ctx_size_out") {
            request.ctx_size_out = Some(count(args, "ctx_size_out")?);
        } else if args.take("repeat") {
            request.repeat = count(args, "repeat number")?;
        } else {
            return Err(Failure::message(format!(
                "expected no more arguments, 'data_in', 'data_out', 'data_size_out', 'ctx_in', 'ctx_out', \
                 'ctx_size_out' or 'repeat', got: '{keyword}'?"
            )));
        }
    }
    Ok(request)
}

fn value(args: &mut Args) -> Outcome<String> {
    args.require_plain(1)?;
    Ok(args.next().unwrap_or_default())
}

fn sink(path: String) -> Sink {
    if path == "-" {
        Sink::Shown
    } else {
        Sink::File(path)
    }
}

fn count(args: &mut Args, what: &str) -> Outcome<u32> {
    let text = value(args)?;
    args::number_u32(&text).ok_or_else(|| Failure::message(format!("can't parse {text} as {what}")))
}

fn out_size(sink: &Sink, asked: Option<u32>) -> u32 {
    match (sink, asked) {
        (_, Some(size)) => size,
        (Sink::Nowhere, None) => 0,
        (Sink::Shown | Sink::File(_), None) => OUT_BYTES_DEFAULT,
    }
}

/// Reads packet and context; a size without a sink is still asked of the kernel.
fn inputs(request: &Request) -> Outcome<(Vec<u8>, Vec<u8>)> {
    let is_stdin = |path: &Option<String>| path.as_deref() == Some("-");
    if is_stdin(&request.data_in) && is_stdin(&request.ctx_in) {
        return Err(Failure::message(
            "cannot use standard input for both data_in and ctx_in",
        ));
    }
    Ok((
        read(request.data_in.as_deref())?,
        read(request.ctx_in.as_deref())?,
    ))
}

fn read(path: Option<&str>) -> Outcome<Vec<u8>> {
    let Some(path) = path else {
        return Ok(Vec::new());
    };
    let mut bytes = Vec::new();
    let result = if path == "-" {
        io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    result.map_err(|error| {
        Failure::message(format!("failed to open {path}: {}", system_text(&error)))
    })
}

fn write_file(sink: &Sink, bytes: &[u8]) -> Outcome {
    match sink {
        Sink::Nowhere | Sink::Shown => Ok(()),
        Sink::File(path) => std::fs::write(path, bytes).map_err(|error| {
            Failure::message(format!("failed to open {path}: {}", system_text(&error)))
        }),
    }
}

impl Record for RunRecord {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.show_data {
            write!(out, "{}", hexdump(&self.result.data_out))?;
        }
        if self.show_ctx {
            write!(out, "{}", hexdump(&self.result.ctx_out))?;
        }
        let average = if self.repeat > 1 { " (average)" } else { "" };
        writeln!(
            out,
            "Return value: {}, duration{average}: {}ns",
            self.result.retval,
            self.nanoseconds()
        )
    }

    fn json(&self) -> Node {
        let numbers = |bytes: &[u8]| {
            Node::Array(bytes.iter().map(|&byte| Node::Plain(byte.into())).collect())
        };
        object([
            (
                "data_out",
                self.show_data.then(|| numbers(&self.result.data_out)),
            ),
            (
                "ctx_out",
                self.show_ctx.then(|| numbers(&self.result.ctx_out)),
            ),
            ("retval", plain(self.result.retval)),
            ("duration", plain(self.nanoseconds())),
            (
                "duration_ps",
                plain(self.result.duration_ps).filter(|_| self.picoseconds),
            ),
        ])
    }
}

impl RunRecord {
    /// Rounded to the nearest.
    fn nanoseconds(&self) -> u64 {
        self.result.duration_ps.saturating_add(500) / 1000
    }
}

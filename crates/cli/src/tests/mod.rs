//! Commands on a fake, against transcripts.
//!
//! A transcript holds commands (`$ prog show`) and what they printed: results as they are, standard error behind `! `,
//! a non-zero exit code as `=> 255`. `BLESS=1` writes what is printed now; read the difference.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fake;

use crate::app::{self, Session};
use crate::options::{self, Request};
use crate::output::{Out, Record};
use crate::prog::code::{Code, Details};
use crate::prog::graph::graph;
use crate::prog::jited::{JitedDump, Symbols};
use crate::prog::xlated::Xlated;
use fake::Fake;
use skep::{Machine, Peer};
use skep_testkit::{TempDir, golden, mask};
use skep_uapi::{Arch, Bpf, Jited, ProgCode, ProgInfo};
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;

/// A sink that can be read afterwards.
#[derive(Clone, Default)]
pub(crate) struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    /// What was written.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

/// Carries out one command line and gives its part of a transcript.
fn transcribe(bpf: &Arc<dyn Bpf>, command: &str) -> String {
    let words = command.split_whitespace().map(str::to_owned).collect();
    let (results, errors) = (Shared::default(), Shared::default());
    let sinks = |options: &app::Options| {
        Out::new(
            Box::new(results.clone()),
            Box::new(errors.clone()),
            options.format,
        )
    };
    let code = match options::parse(words) {
        Ok(line) => {
            assert_eq!(line.request, Request::Run, "transcripts hold commands");
            let out = sinks(&line.options);
            let mut session = Session::on(Arc::clone(bpf), line.options, out);
            let code = app::run(&mut session, line.words).unwrap();
            session.out.finish().unwrap();
            code
        }
        Err(error) => {
            let mut out = sinks(&error.options);
            out.error(&error.text).unwrap();
            out.finish().unwrap();
            crate::failure::EXIT_ERROR
        }
    };
    let mut text = format!("$ {command}\n{}", results.text());
    errors
        .text()
        .lines()
        .for_each(|line| text.push_str(&format!("! {line}\n")));
    if code != 0 {
        text.push_str(&format!("=> {code}\n"));
    }
    text
}

/// The whole way on skep's own machine: load, list, dump, run, read.
#[test]
fn machine() {
    let path = "tests/transcripts/machine.txt";
    let bpf: Arc<dyn Bpf> = Arc::new(Machine::new().connect(Peer::this_process()));
    let text = std::fs::read_to_string(path).unwrap();
    let commands = text.lines().filter_map(|line| line.strip_prefix("$ "));
    let actual: String = commands.map(|command| transcribe(&bpf, command)).collect();
    golden(path, &masked(&actual));
}

/// Without addresses, times and who we are.
fn masked(text: &str) -> String {
    let digit = |c: char| c.is_ascii_digit();
    let mut text = mask::addresses(&mask::load_times(&mask::call_numbers(text)));
    // The number of a helper's call again, as bytes: where the linker put the helper.
    let bytes = |c: char| c.is_ascii_hexdigit() || c == ' ';
    text = mask::after(&text, " 85 00 00 00 ", bytes, "NN NN NN NN");
    for prefix in [
        "duration: ",
        "duration (average): ",
        "\"duration\":",
        "\"duration_ps\":",
        "uid ",
        "\"uid\":",
        "\"uid\": ",
        "movabsq\t$",
    ] {
        text = mask::after(&text, prefix, digit, "N");
    }
    mask::after(&text, "callq\t0x", |c| c.is_ascii_hexdigit(), "N")
}

/// Repeats the commands of a transcript in order on a fresh fake.
fn transcript(name: &str) {
    let path = format!("tests/transcripts/{name}.txt");
    let bpf: Arc<dyn Bpf> = Arc::new(Fake::new());
    let text = std::fs::read_to_string(&path).unwrap();
    let commands = text.lines().filter_map(|line| line.strip_prefix("$ "));
    let actual: String = commands.map(|command| transcribe(&bpf, command)).collect();
    golden(path, &actual);
}

#[test]
fn prog() {
    transcript("prog");
}

#[test]
fn map() {
    transcript("map");
}

#[test]
fn btf_and_objdump() {
    transcript("btf");
}

#[test]
fn net() {
    transcript("net");
}

#[test]
fn tool() {
    transcript("tool");
}

/// A reader that goes away is no error worth a word.
#[test]
fn closed_output_is_quiet() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let errors = Shared::default();
    let options = app::Options::default();
    let out = Out::new(Box::new(Closed), Box::new(errors.clone()), options.format);
    let mut session = Session::on(Arc::new(Fake::new()), options, out);
    let error = app::run(&mut session, vec!["prog".to_owned()]).unwrap_err();
    assert_eq!(
        app::output_failed(&error, &mut io::sink()),
        crate::failure::EXIT_PIPE
    );
    assert_eq!(errors.text(), "");
}

/// No command line makes the tool panic: every prefix of a set of words, and words in wrong places.
#[test]
fn any_words_end_in_an_exit_code() {
    const WORDS: &str = "prog map btf link net pin show dump xlated jited name id pinned tag key value hex 1 0x10 \
         attach detach xdp dev lo add tap peer overwrite --via \
         99999999999 hello hello.bss visual opcodes format c update lookup create type run data_in repeat batch objdump \
         -S -j";
    let vocabulary: Vec<&str> = WORDS.split_whitespace().collect();
    let bpf = Arc::new(Fake::new());
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..4000 {
        let mut command = Vec::new();
        let mut next = || {
            // xorshift: reproducible, and good enough to choose words.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap()
        };
        for _ in 0..next() % 9 {
            command.push(vocabulary[next() % vocabulary.len()].to_owned());
        }
        let Ok(line) = options::parse(command) else {
            continue;
        };
        let out = Out::new(
            Box::new(Shared::default()),
            Box::new(Shared::default()),
            line.options.format,
        );
        let mut session = Session::on(Arc::<Fake>::clone(&bpf), line.options, out);
        app::run(&mut session, line.words).unwrap();
        session.out.finish().unwrap();
    }
}

/// Whatever a peer says is a program's code, dumping it ends with some text.
#[test]
fn any_bytes_are_dumped() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = |count: usize| -> Vec<u8> {
        let next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()[0]
        };
        std::iter::repeat_with(next).take(count).collect()
    };
    for round in 0..200 {
        let code = ProgCode {
            xlated: bytes(8 * 40 + round % 9),
            jited: Jited {
                code: bytes(400 + round),
                func_lens: vec![100, 0, u32::MAX],
                ksyms: vec![u64::MAX - 50, 7],
                line_addrs: vec![u64::MAX - 40, 3, 9],
                arch: None,
                symbols: Vec::new(),
            },
            func_info: bytes(30),
            line_info: bytes(100),
            prog_tags: Vec::new(),
        };
        let types = fake::types();
        let code = Code::new(ProgInfo::default(), "any".to_owned(), code, Some(types));
        let details = Details {
            opcodes: true,
            linum: true,
        };
        for arch in [Arch::X86_64, Arch::Aarch64] {
            let jited = Jited {
                arch: Some(arch),
                ..code.code.jited.clone()
            };
            let dump = JitedDump::new(&code, &jited, details, Symbols::Shown);
            dump.text(&mut io::sink()).unwrap();
            let _ = dump.json().to_compact();
        }
        let dump = Xlated::new(&code, details);
        dump.text(&mut io::sink()).unwrap();
        let _ = dump.json().to_compact();
        assert!(graph(&code, details).ends_with("}\n"));
    }
}

/// A damaged object file is listed or refused, with source from either place.
#[test]
fn any_file_is_listed_or_refused() {
    let dir = TempDir::new("damaged");
    let whole = std::fs::read("tests/data/hello.bpf.o").unwrap();
    let bpf: Arc<dyn Bpf> = Arc::new(Fake::new());
    let mut state = 88_172_645_463_325_252_usize;
    for round in 0..400 {
        let mut bytes = whole.clone();
        for _ in 0..=round % 8 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = state % bytes.len();
            bytes[at] = state.to_be_bytes()[0];
        }
        bytes.truncate(if round % 5 == 0 {
            state % whole.len()
        } else {
            whole.len()
        });
        let path = dir.write("damaged.o", bytes);
        for command in ["objdump -S", "objdump --dwarf", "btf dump file"] {
            let text = transcribe(&bpf, &format!("{command} {}", path.display()));
            assert!(text.lines().count() > 1, "{command}");
        }
    }
}

//! Reading a case: the program, its maps and what surrounds them.
//!
//! | Section | Holds |
//! |---|---|
//! | `prog` | instructions in the assembler's syntax; `map_fd[N]` is the Nth line of `maps` |
//! | `maps` | a map a line: type, bytes of key and value, entries, then `flags N`, `constant HEX`, `lock OFFSET` |
//! | `licence` | default GPL |
//! | `type` | program type; default xdp |
//! | `flags`, `attach` | numbers; default 0 |
//! | `level` | log level; default 1 |
//! | `functions`, `kernel` | BTF: see `functions` |
//! | `linux` | why Linux answers differently; the oracle's test leaves such a case out |

pub(crate) mod functions;

use functions::Functions;
use skep_contracts::Version;
use skep_isa::Program;
use skep_isa::text::assemble;
use skep_testkit::Case;
use skep_uapi::{AttachType, Errno, MapId, MapType, ProgType};
use skep_verifier::{Env, Log, LogLevel, MapDesc, Reject, Verified, explain, verify};

/// What a case asks.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) program: Program,
    pub(crate) maps: Vec<MapDesc>,
    pub(crate) licence: String,
    pub(crate) prog_type: ProgType,
    pub(crate) flags: u32,
    pub(crate) attach: u32,
    pub(crate) level: u32,
    pub(crate) linux: Option<String>,
    pub(crate) functions: Functions,
}

/// What skep answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) result: Result<Verified, Reject>,
    pub(crate) log: String,
}

fn number(case: &Case, section: &str, default: u32) -> u32 {
    match case.optional(section) {
        Some(text) => text.trim().parse().expect("a number"),
        None => default,
    }
}

impl Question {
    /// Reads a case.
    pub(crate) fn read(case: &Case) -> Self {
        let program = match assemble(case.input("prog")) {
            Ok(program) => program,
            Err(error) => panic!("{error}"),
        };
        let maps = case.optional("maps").unwrap_or_default();
        let licence = case.optional("licence").unwrap_or("GPL").trim().to_owned();
        Self {
            functions: Functions::read(case, &program),
            program,
            maps: maps
                .lines()
                .zip(0..)
                .map(|(line, fd)| map(line, fd))
                .collect(),
            licence,
            prog_type: ProgType::from_name(case.optional("type").unwrap_or("xdp").trim())
                .expect("a program type"),
            flags: number(case, "flags", 0),
            attach: number(case, "attach", 0),
            level: number(case, "level", 1),
            linux: case.optional("linux").map(str::to_owned),
        }
    }

    /// Asks skep.
    pub(crate) fn answer(&self) -> Answer {
        let env = self.env();
        let mut log = Log::new(LogLevel(self.level));
        let result = verify(self.program.clone(), &env, &mut log);
        let log = log.into_text();
        Answer { result, log }
    }

    /// Whatever is refused is explained, as the same.
    #[allow(dead_code, reason = "one of two test targets uses it")]
    pub(crate) fn check_explained(&self, answer: &Answer) {
        let explained = explain(self.program.clone(), &self.env());
        let explained = explained.map(|why| why.reject);
        assert_eq!(explained.as_ref(), answer.result.as_ref().err());
    }

    fn env(&self) -> Env<'_> {
        Env {
            prog_type: self.prog_type,
            expected_attach_type: AttachType(self.attach),
            prog_flags: self.flags,
            gpl_compatible: self.licence == "GPL",
            maps: &self.maps,
            fd_array: &[],
            btf: self.functions.btf.as_ref(),
            kernel: self.functions.kernel.as_ref(),
            func_info: &self.functions.infos,
            line_info: &[],
            profile: Version::DEFAULT,
        }
    }
}

impl Answer {
    /// `accept`, or errno and reason.
    pub(crate) fn verdict(&self) -> String {
        match &self.result {
            Ok(_) => "accept".to_owned(),
            Err(reject) => format!("{}: {reject}", self.errno()),
        }
    }

    /// The error number as bpf(2) returns it, 0 for accepted.
    pub(crate) fn errno(&self) -> i32 {
        match &self.result {
            Ok(_) => 0,
            Err(reject) => Errno::from(reject).0,
        }
    }
}

fn map(line: &str, fd: i32) -> MapDesc {
    let mut words = line.split_whitespace();
    let mut word = || words.next().expect("type, key, value, entries");
    let map_type = MapType::from_name(word()).expect("a map type");
    let [key_size, value_size, max_entries] =
        [word(), word(), word()].map(|word| word.parse().expect("a number"));
    let rest: Vec<&str> = words.collect();
    let option = |name| {
        let at = rest.iter().position(|word| *word == name)?;
        rest.get(at + 1).copied()
    };
    MapDesc {
        fd,
        id: MapId(1),
        name: "m".to_owned(),
        map_type,
        key_size,
        value_size,
        max_entries,
        map_flags: option("flags").map_or(0, |text| text.parse().expect("a number")),
        constant: option("constant").map(|text| hex(text).into()),
        fields: option("lock").map_or_else(Default::default, |text| {
            let lock = skep_btf::SpecialField {
                offset: text.parse().expect("a number"),
                bytes: 4,
                kind: skep_btf::SpecialKind::SpinLock,
            };
            [lock].into()
        }),
        ..MapDesc::default()
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).expect("ASCII");
        u8::from_str_radix(text, 16).expect("hexadecimal")
    };
    digits.map(byte).collect()
}

//! The rows of `contracts` on the running kernel, exhaustively: every offset, size and direction of every context under
//! every attach type; every attach type and return value; every helper in every program type, argument by argument.

use crate::common::Question;
use crate::linux::{ask_with, create, telling_line};
use skep_contracts::{ArgKind, HelperProto, ProgTypeRow, Sleeping, helper_in, prog_types};
use skep_isa::text::assemble;
use skep_uapi::{AttachType, BPF_F_SLEEPABLE, HelperId, MapId, MapType};
use skep_verifier::{MapDesc, Reject};
use std::fmt::Write;
use std::os::fd::OwnedFd;

const LOG_BYTES: usize = 1 << 16;
/// Attach types that are tried: all of Linux 6.18 and a few beyond.
const ATTACH_TYPES: u32 = 64;
/// Offsets that are tried in records without end.
const OFFSETS_MAX: i32 = 304;

/// What one row is compared with.
struct Asker {
    maps: Vec<MapDesc>,
    fds: Vec<OwnedFd>,
    differences: Vec<String>,
    asked: u32,
    unsupported: u32,
}

impl Asker {
    fn new() -> Self {
        let map =
            |(map_type, key_size, value_size, max_entries): (MapType, u32, u32, u32), fd| MapDesc {
                fd,
                id: MapId(1),
                name: "m".to_owned(),
                map_type,
                key_size,
                value_size,
                max_entries,
                map_flags: 0,
                constant: None,
                ..MapDesc::default()
            };
        let maps: Vec<MapDesc> = MAPS
            .iter()
            .copied()
            .zip(0..)
            .map(|(m, fd)| map(m, fd))
            .collect();
        let fds = maps.iter().map(|map| create(map).unwrap()).collect();
        Self {
            maps,
            fds,
            differences: Vec::new(),
            asked: 0,
            unsupported: 0,
        }
    }

    /// Asks both about a program.
    fn ask(&mut self, row: &ProgTypeRow, attach: u32, prog: &str) {
        let sleeps = row.sleeping == Sleeping::Must;
        let question = Question {
            program: assemble(prog).unwrap_or_else(|error| panic!("{error}\n{prog}")),
            maps: self.maps.clone(),
            licence: "GPL".to_owned(),
            prog_type: row.id,
            flags: if sleeps { BPF_F_SLEEPABLE } else { 0 },
            attach,
            level: 1,
            linux: None,
            functions: crate::common::functions::Functions::default(),
        };
        self.asked += 1;
        let answer = question.answer();
        if matches!(answer.result, Err(Reject::Unsupported { .. })) {
            self.unsupported += 1;
            return;
        }
        let (errno, log) = ask_with(&question, LOG_BYTES, &self.fds).unwrap();
        let line = |errno, log| {
            if errno == 0 {
                ""
            } else {
                telling_line(errno, log)
            }
            .to_owned()
        };
        let ours = (answer.errno(), line(answer.errno(), &answer.log));
        let theirs = (errno, line(errno, &log));
        if ours != theirs {
            let telling = prog.split_once("r8 = r0\n").map_or(prog, |(_, rest)| rest);
            let (id, prog) = (row.id, telling.replace('\n', "; "));
            let text = format!("{id} {attach}: {prog}\n    skep {ours:?}\n    Linux {theirs:?}");
            self.differences.push(text);
        }
    }

    /// Makes the maps anew: some belong to the first program that uses them, and to its type.
    fn renew_maps(&mut self) {
        self.fds = self.maps.iter().map(|map| create(map).unwrap()).collect();
    }

    fn end(self, what: &str) {
        let (asked, unsupported) = (self.asked, self.unsupported);
        #[expect(clippy::print_stdout, reason = "figures of a long test")]
        {
            println!("{what}: {asked} programs, {unsupported} not supported by skep");
        }
        let count = self.differences.len();
        let first: Vec<String> = self.differences.into_iter().take(40).collect();
        assert!(
            first.is_empty(),
            "{count} differences\n{}",
            first.join("\n")
        );
    }
}

fn known() -> impl Iterator<Item = &'static ProgTypeRow> {
    prog_types().iter().filter(|row| row.ctx.is_some())
}

/// Attach types that make a difference to a row.
fn attach_types(row: &'static ProgTypeRow) -> Vec<AttachType> {
    let mut attach = row.attach.to_vec();
    let rules = row.returns.iter().flat_map(|rule| rule.attach);
    let fields = row.ctx.iter().flat_map(|ctx| ctx.fields);
    attach.extend(rules.chain(fields.flat_map(|field| field.only_attach)));
    if row.attach.is_empty() {
        attach.push(AttachType(0));
    }
    attach.sort_unstable();
    attach.dedup();
    attach
}

pub(crate) fn contexts() {
    let mut asker = Asker::new();
    for row in known() {
        let bytes = i32::try_from(row.ctx.unwrap().bytes).unwrap();
        for attach in attach_types(row) {
            let near_end = (bytes - 8).max(OFFSETS_MAX)..bytes + 8;
            for off in (0..(bytes + 8).min(OFFSETS_MAX)).chain(near_end) {
                // Linux lets a tracepoint read in front of its record, which skep does not.
                let Ok(off) = i16::try_from(off) else {
                    continue;
                };
                for bits in [8, 16, 32, 64] {
                    let accesses = [
                        format!("r2 = *(u{bits} *)(r1 + {off})"),
                        format!("r2 = *(s{bits} *)(r1 + {off})"),
                        format!("r0 = 1\n*(u{bits} *)(r1 + {off}) = r0"),
                        format!("*(u{bits} *)(r1 + {off}) = 0"),
                    ];
                    for (number, access) in accesses.iter().enumerate() {
                        if number == 1 && bits == 64 {
                            continue;
                        }
                        asker.ask(row, attach.0, &format!("{access}\nr0 = 1\nexit"));
                    }
                }
            }
        }
    }
    asker.end("contexts");
}

pub(crate) fn attachments() {
    let mut asker = Asker::new();
    for row in known() {
        for attach in 0..ATTACH_TYPES {
            for result in ["0", "1", "2", "3", "4", "-1", "2147483647"] {
                asker.ask(row, attach, &format!("r0 = {result}\nexit"));
            }
            asker.ask(row, attach, "w0 = -1\nexit");
            asker.ask(row, attach, "call 7\nexit");
            asker.ask(row, attach, "call 7\nr0 &= 3\nexit");
            asker.ask(row, attach, "r0 = r1\nexit");
        }
    }
    asker.end("attachments");
}

/// The maps: a case's `map_fd[N]` is the Nth.
const MAPS: [(MapType, u32, u32, u32); 12] = [
    (MapType::ARRAY, 4, 64, 1),
    (MapType::HASH, 4, 64, 1),
    (MapType::PROG_ARRAY, 4, 4, 1),
    (MapType::PERF_EVENT_ARRAY, 4, 4, 1),
    (MapType::PERCPU_ARRAY, 4, 64, 1),
    (MapType::DEVMAP, 4, 4, 1),
    (MapType::RINGBUF, 0, 0, 4096),
    (MapType::QUEUE, 0, 64, 1),
    (MapType::STACK_TRACE, 4, 1016, 1),
    (MapType::CGROUP_ARRAY, 4, 4, 1),
    (MapType::SOCKMAP, 4, 4, 1),
    (MapType::SOCKHASH, 4, 4, 1),
];

/// Values that arguments are tried with.
const VALUES: [&str; 6] = ["= 0", "= 8", "= r6", "= r10", "= r7", "= r8"];

/// What an argument of a kind is best filled with.
fn fitting(kind: ArgKind, map: usize) -> String {
    match kind {
        ArgKind::None | ArgKind::Anything => "= 0".to_owned(),
        ArgKind::Ctx | ArgKind::CtxOrNull => "= r6".to_owned(),
        ArgKind::Map => format!("= map_fd[{map}]"),
        ArgKind::Size | ArgKind::SizeOrZero | ArgKind::ConstSize => "= 8".to_owned(),
        ArgKind::ConstStr | ArgKind::SpinLock | ArgKind::Kptr | ArgKind::Timer => "= r7".to_owned(),
        ArgKind::Sock
        | ArgKind::SockOrBtf
        | ArgKind::SockOrBtfOrNull
        | ArgKind::FullSockOrNull
        | ArgKind::SockReleased
        | ArgKind::Btf
        | ArgKind::BtfOrNull
        | ArgKind::PerCpuBtf
        | ArgKind::Func
        | ArgKind::StackOrNull
        | ArgKind::RingbufRecord
        | ArgKind::Dynptr
        | ArgKind::DynptrUninit => "= 0".to_owned(),
        ArgKind::MapKey
        | ArgKind::MapValue
        | ArgKind::MapValueOrNull
        | ArgKind::MapValueWrite
        | ArgKind::MemRead
        | ArgKind::MemReadOrNull
        | ArgKind::MemWrite
        | ArgKind::MemWriteOrNull
        | ArgKind::FixedRead(_)
        | ArgKind::FixedWrite(_) => "= r10".to_owned(),
    }
}

/// A call with these arguments: r6 is the context, r7 a map's value, r8 a number; `r10` stands for initialised stack.
fn call(id: HelperId, args: &[String]) -> String {
    let mut text = String::from("r6 = r1\n");
    for slot in 1..=8 {
        writeln!(text, "*(u64 *)(r10 - {}) = 0", slot * 8).unwrap();
    }
    text.push_str("r2 = r10\nr2 += -8\nr1 = map_fd[0]\ncall 1\nif r0 != 0 goto +2\nr0 = 1\nexit\n");
    text.push_str("r7 = r0\ncall 7\nr8 = r0\n");
    for (value, number) in args.iter().zip(1..) {
        writeln!(text, "r{number} {value}").unwrap();
        if value == "= r10" {
            writeln!(text, "r{number} += -64").unwrap();
        }
    }
    writeln!(text, "call {}\nr0 = 1\nexit", id.0).unwrap();
    text
}

fn argument_walk(asker: &mut Asker, row: &ProgTypeRow, attach: u32, proto: &HelperProto) {
    let maps = if proto.args.contains(&ArgKind::Map) {
        MAPS.len()
    } else {
        1
    };
    for map in 0..maps {
        let fit: Vec<String> = proto.args.iter().map(|kind| fitting(*kind, map)).collect();
        let count = proto
            .args
            .iter()
            .take_while(|kind| **kind != ArgKind::None)
            .count();
        asker.ask(row, attach, &call(proto.id, &fit[..count]));
        if map > 0 {
            continue;
        }
        for given in 0..count {
            asker.ask(row, attach, &call(proto.id, &fit[..given]));
            for value in VALUES {
                let mut args = fit[..given].to_vec();
                args.push(value.to_owned());
                asker.ask(row, attach, &call(proto.id, &args));
            }
        }
    }
}

pub(crate) fn helpers() {
    let mut asker = Asker::new();
    for row in known() {
        for attach in attach_types(row) {
            asker.renew_maps();
            for id in HelperId::ALL {
                match helper_in(*id, row.id, row.effective(attach)) {
                    Some(proto) => argument_walk(&mut asker, row, attach.0, proto),
                    None => asker.ask(row, attach.0, &call(*id, &[])),
                }
            }
        }
    }
    asker.end("helpers");
}

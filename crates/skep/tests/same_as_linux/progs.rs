//! Loading programs: refusals before verification, and what the info says.

use crate::transcript::{Transcript, World, hex, prog};
use skep_loader::{Options, load};
use skep_object::ObjectName;
use skep_uapi::{Command, Handle, ProgLoad, ProgType, Value};

pub(crate) fn load_errors(world: &World<'_>, t: &mut Transcript) {
    let mut attempt =
        |what: &str, load: ProgLoad| t.result(what, world.call(Command::ProgLoad(Box::new(load))));
    let good = || prog("r0 = 2\nexit");
    attempt("good", good());
    attempt(
        "no instructions",
        ProgLoad {
            insns: Vec::new(),
            ..good()
        },
    );
    attempt(
        "program type 0",
        ProgLoad {
            prog_type: ProgType(0),
            ..good()
        },
    );
    attempt(
        "program type 999",
        ProgLoad {
            prog_type: ProgType(999),
            ..good()
        },
    );
    attempt(
        "long name",
        ProgLoad {
            name: "sixteen__letters".to_owned(),
            ..good()
        },
    );
    attempt(
        "bad name",
        ProgLoad {
            name: "no-dash".to_owned(),
            ..good()
        },
    );
    attempt(
        "no licence",
        ProgLoad {
            license: String::new(),
            ..good()
        },
    );
    attempt(
        "BTF that is not there",
        ProgLoad {
            btf: Some(Handle(4_000_000)),
            ..good()
        },
    );
    attempt("no exit", prog("r0 = 2"));
    attempt("uninitialised r0", prog("exit"));
    attempt(
        "map that is not there",
        prog("r1 = map_fd[4000000]\nr0 = 2\nexit"),
    );
    attempt("unknown helper", prog("call 9999\nexit"));
    attempt(
        "reserved flags",
        ProgLoad {
            prog_flags: 1 << 31,
            ..good()
        },
    );
    let printk = "r1 = r10\nr1 += -8\nr2 = 0\n*(u64 *)(r10 -8) = r2\nr2 = 8\ncall 6\nr0 = 2\nexit";
    attempt("trace_printk under the GPL", prog(printk));
    attempt(
        "trace_printk without",
        ProgLoad {
            license: "Proprietary".to_owned(),
            ..prog(printk)
        },
    );
    for license in [
        "GPL v2",
        "GPL and additional rights",
        "Dual BSD/GPL",
        "Dual MIT/GPL",
        "Dual MPL/GPL",
        "MIT",
        "gpl",
        "GPL ",
    ] {
        attempt(
            &format!("trace_printk under {license:?}"),
            ProgLoad {
                license: license.to_owned(),
                ..prog(printk)
            },
        );
    }
}

/// The object of the README, as both show it; tag, sizes, names and records are Linux's.
pub(crate) fn hello_info(world: &World<'_>, t: &mut Transcript) {
    let object = std::fs::read(skep_testkit::example("hello.bpf.o")).unwrap();
    let object = skep_object::parse(&object).unwrap();
    let loaded = load(
        &object,
        world.bpf,
        &Options::new(ObjectName::from_path("hello.bpf.o")),
    )
    .unwrap();
    let handle = loaded.programs[0].handle;
    let Ok(Value::ProgInfo(info)) = world.call(Command::ProgInfo { prog: handle }) else {
        panic!("no info")
    };
    t.line("type", info.prog_type);
    t.line("name", &info.name);
    t.line("tag", hex(&info.tag));
    t.line("gpl_compatible", info.gpl_compatible);
    t.line("bytes_xlated", info.bytes_xlated);
    t.line("bytes_memlock", format!("{:?}", info.bytes_memlock));
    t.line("verified_insns", info.verified_insns);
    t.line("maps", info.map_ids.len());
    t.line("has BTF", info.btf_id.0 > 0);
    let Ok(Value::ProgCode(code)) = world.call(Command::ProgCode { prog: handle }) else {
        panic!("no code")
    };
    t.line("func_info", hex(&code.func_info));
    t.line("line_info", hex(&code.line_info));
    t.line(
        "prog_tags",
        code.prog_tags
            .iter()
            .map(|tag| hex(tag))
            .collect::<Vec<_>>()
            .join(", "),
    );
    t.line("lines with code", code.jited.line_addrs.len());
    for map in &loaded.maps {
        let Ok(Value::MapInfo(info)) = world.call(Command::MapInfo { map: map.handle }) else {
            panic!("no info")
        };
        t.line(
            &map.name,
            format!(
                "{} key {} value {} entries {} flags {:#x} memlock {:?} frozen {}",
                info.map_type,
                info.key_size,
                info.value_size,
                info.max_entries,
                info.map_flags,
                info.bytes_memlock,
                info.frozen,
            ),
        );
    }
}

/// The whole log of programs that are refused before any path is walked. (Reserved fields Linux only sees when a path comes
/// by; skep decodes all of a program first, and says the same without the lines of the path.)
pub(crate) fn decode_logs(world: &World<'_>, t: &mut Transcript) {
    let slot = |code: u8, regs: u8, off: i16, imm: i32| {
        let (off, imm) = (off.to_le_bytes(), imm.to_le_bytes());
        [code, regs, off[0], off[1], imm[0], imm[1], imm[2], imm[3]]
    };
    let exit = slot(0x95, 0, 0, 0);
    let programs = [
        ("unknown opcode", vec![slot(0xff, 0, 0, 0), exit]),
        ("half a wide load", vec![slot(0x18, 0, 0, 1), exit]),
        ("jump out of the program", vec![slot(0x05, 0, 9, 0), exit]),
        ("no exit", vec![slot(0xb7, 0, 0, 1)]),
    ];
    for (name, slots) in programs {
        let load = ProgLoad {
            insns: slots.concat(),
            log_level: 1,
            ..prog("r0 = 0\nexit")
        };
        let reply = world.bpf.call(Command::ProgLoad(Box::new(load)));
        t.result(name, reply.result);
        for line in reply.log.lines() {
            t.line("  log", line);
        }
    }
}

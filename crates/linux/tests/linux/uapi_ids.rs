//! The numbers of `skep-uapi` and `skep-sys` against the enumerations in the running kernel's BTF.
//!
//! Names that this kernel lacks are passed over: it may be older. Reads BTF on its own (only enumerations, only by
//! name), so that a mistake in the project's reader cannot hide here.

use skep_sys::bpf;
use skep_uapi::{AttachType, HelperId, LinkType, MapType, ProgType};
use std::collections::HashMap;

pub(crate) const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

const KIND_ENUM: u32 = 6;

/// Bytes after the 12 of each type, by kind and count (Documentation/bpf/btf.rst).
fn tail_bytes(kind: u32, count: usize) -> usize {
    match kind {
        // int, var, declaration tag
        1 | 14 | 17 => 4,
        // array
        3 => 12,
        // struct, union, 64-bit enumeration, section
        4 | 5 | 19 | 15 => 12 * count,
        // enumeration, parameters
        KIND_ENUM | 13 => 8 * count,
        // pointer, forward, typedef, qualifiers, function, float, type tag
        _ => 0,
    }
}

/// Members of every named enumeration.
fn enums(btf: &[u8]) -> HashMap<String, HashMap<String, u32>> {
    let word = |at: usize| u32::from_le_bytes(*btf[at..].first_chunk().unwrap());
    let len = |at: usize| usize::try_from(word(at)).unwrap();
    let header = len(4);
    let (types, types_end, strings) =
        (header + len(8), header + len(8) + len(12), header + len(16));
    let name = |at: usize| {
        let text = &btf[strings + len(at)..];
        let end = text.iter().position(|&byte| byte == 0).unwrap();
        String::from_utf8_lossy(&text[..end]).into_owned()
    };
    let mut enums = HashMap::new();
    let mut at = types;
    while at < types_end {
        let info = word(at + 4);
        let (kind, count) = (info >> 24 & 0x1f, usize::try_from(info & 0xffff).unwrap());
        if kind == KIND_ENUM && word(at) != 0 {
            let members = (0..count)
                .map(|i| (name(at + 12 + 8 * i), word(at + 16 + 8 * i)))
                .collect();
            enums.insert(name(at), members);
        }
        at += 12 + tail_bytes(kind, count);
    }
    enums
}

pub(crate) fn check() {
    let enums = enums(&std::fs::read(VMLINUX).unwrap());
    let compare =
        |of: &str, prefix: &str, upper: bool, ours: &mut dyn Iterator<Item = (String, u32)>| {
            let theirs = &enums[of];
            let mut found = 0;
            for (name, number) in ours {
                let name = if upper { name.to_uppercase() } else { name };
                let full = format!("{prefix}{name}");
                if let Some(&theirs) = theirs.get(&full) {
                    assert_eq!(number, theirs, "{full}");
                    found += 1;
                }
            }
            // Most of them are in any kernel that has BTF: a wrong prefix or spelling would find few.
            assert!(
                found * 10 >= theirs.len() * 8,
                "{of}: only {found} of {} names",
                theirs.len()
            );
        };
    macro_rules! rows {
        ($type:ident) => {
            &mut $type::ALL
                .iter()
                .map(|kind| (kind.name().unwrap().to_owned(), kind.0))
        };
    }
    compare("bpf_prog_type", "BPF_PROG_TYPE_", true, rows!(ProgType));
    compare("bpf_map_type", "BPF_MAP_TYPE_", true, rows!(MapType));
    compare("bpf_attach_type", "BPF_", true, rows!(AttachType));
    compare("bpf_link_type", "BPF_LINK_TYPE_", true, rows!(LinkType));
    compare("bpf_func_id", "BPF_FUNC_", false, rows!(HelperId));
    let commands = &enums["bpf_cmd"];
    for command in bpf::Command::ALL {
        assert_eq!(
            commands.get(command.name()),
            Some(&command.number()),
            "{}",
            command.name()
        );
    }
    let actions = &enums["xdp_action"];
    for (number, name) in (0_u32..).zip(skep_uapi::XDP_ACTION_NAMES) {
        assert_eq!(actions.get(name), Some(&number), "{name}");
    }
}

//! The maps that the struct-array tests name by kind.
//!
//! Sizes and first contents are what the tests' instructions count on.

use skep_uapi::{
    BPF_ANY, BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG, Bpf, Command, Handle, MapCreate, MapType,
    ProgLoad, ProgType, Value,
};

/// `test_val`: a count and eleven words.
const TEST_VAL_BYTES: u32 = 48;
/// The count of the first element, which is an offset into it.
const TEST_VAL_INDEX: u32 = 28;
/// The word at that offset less one word.
const TEST_VAL_WORD: u32 = 0xabcd_ef12;

/// Creates the map of a kind.
///
/// # Errors
/// An unknown kind, or what the implementation said.
pub(crate) fn create(bpf: &dyn Bpf, kind: &str, prog_type: ProgType) -> Result<Handle, String> {
    let plain = |map_type, key_size, value_size| MapCreate {
        map_type,
        key_size,
        value_size,
        max_entries: 1,
        ..MapCreate::default()
    };
    let test_val = || plain(MapType::ARRAY, 4, TEST_VAL_BYTES);
    let definition = match kind {
        "fixup_map_hash_8b" => plain(MapType::HASH, 8, 8),
        "fixup_map_hash_16b" => plain(MapType::HASH, 8, 16),
        "fixup_map_hash_48b" => plain(MapType::HASH, 8, TEST_VAL_BYTES),
        "fixup_map_array_48b" => test_val(),
        "fixup_map_array_ro" => MapCreate {
            map_flags: BPF_F_RDONLY_PROG,
            ..test_val()
        },
        "fixup_map_array_wo" => MapCreate {
            map_flags: BPF_F_WRONLY_PROG,
            ..test_val()
        },
        "fixup_map_array_small" => plain(MapType::ARRAY, 4, 1),
        "fixup_map_event_output" => plain(MapType::PERF_EVENT_ARRAY, 4, 4),
        "fixup_map_ringbuf" => MapCreate {
            max_entries: 4096,
            ..plain(MapType::RINGBUF, 0, 0)
        },
        "fixup_map_sockmap" => plain(MapType::SOCKMAP, 4, 4),
        "fixup_map_sockhash" => plain(MapType::SOCKHASH, 4, 4),
        "fixup_map_xskmap" => plain(MapType::XSKMAP, 4, 4),
        "fixup_map_stacktrace" => plain(MapType::STACK_TRACE, 4, 8),
        "fixup_map_reuseport_array" => plain(MapType::REUSEPORT_SOCKARRAY, 4, 8),
        "fixup_prog1" => return prog_array(bpf, prog_type),
        other => return Err(format!("no map of kind {other} here")),
    };
    let filled = definition.value_size == TEST_VAL_BYTES && definition.map_type == MapType::ARRAY;
    let map = handle(
        bpf,
        Command::MapCreate(MapCreate {
            name: "m".to_owned(),
            ..definition
        }),
    )?;
    if filled {
        fill(bpf, map)?;
    }
    Ok(map)
}

fn fill(bpf: &dyn Bpf, map: Handle) -> Result<(), String> {
    let words = (0..TEST_VAL_BYTES / 4).map(|at| match at {
        0 => TEST_VAL_INDEX,
        7 => TEST_VAL_WORD,
        _ => 0,
    });
    let value = words.flat_map(u32::to_le_bytes).collect();
    let update = Command::MapUpdate {
        map,
        key: vec![0; 4],
        value,
        flags: BPF_ANY,
    };
    let filled = bpf.call(update).result;
    filled
        .map(|_| ())
        .map_err(|errno| format!("map update: {errno}"))
}

/// Four places, the first with a program that returns 42.
fn prog_array(bpf: &dyn Bpf, prog_type: ProgType) -> Result<Handle, String> {
    let create = MapCreate {
        map_type: MapType::PROG_ARRAY,
        key_size: 4,
        value_size: 4,
        max_entries: 4,
        name: "m".to_owned(),
        ..MapCreate::default()
    };
    let map = handle(bpf, Command::MapCreate(create))?;
    let load = ProgLoad {
        prog_type,
        // `r0 = 42; exit`
        insns: vec![0xb7, 0, 0, 0, 42, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0],
        license: "GPL".to_owned(),
        name: "p".to_owned(),
        ..ProgLoad::default()
    };
    let prog = handle(bpf, Command::ProgLoad(Box::new(load)))?;
    let update = Command::MapUpdate {
        map,
        key: vec![0; 4],
        value: prog.0.to_le_bytes().to_vec(),
        flags: BPF_ANY,
    };
    let filled = bpf.call(update).result;
    filled.map_err(|errno| format!("map update: {errno}"))?;
    Ok(map)
}

fn handle(bpf: &dyn Bpf, command: Command) -> Result<Handle, String> {
    match bpf.call(command).result {
        Ok(Value::Handle(handle)) => Ok(handle),
        Ok(_) => Err("an answer of another kind".to_owned()),
        Err(errno) => Err(format!("map create: {errno}")),
    }
}

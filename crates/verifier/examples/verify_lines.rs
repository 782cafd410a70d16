//! Verifies programs given as JSON, one a line, and answers with verdict and log, one a line: for comparing with a kernel
//! from outside. Input: `{"insns": "hex", "maps": [{"fd", "type", "key", "value", "max", "flags", "constant": "hex"}],
//! "type": 6, "attach": 0, "flags": 0, "gpl": true, "level": 1}`.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use serde_json::{Value, json};
use skep_contracts::Version;
use skep_uapi::{AttachType, Errno, MapId, MapType, ProgType};
use skep_verifier::{Env, Log, LogLevel, MapDesc, verify};
use std::io::BufRead;

fn hex(text: &str) -> Option<Vec<u8>> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

fn number(value: &Value, name: &str) -> u32 {
    let number = value[name].as_i64().unwrap_or(0);
    u32::try_from(number & 0xffff_ffff).unwrap_or(0)
}

fn map(value: &Value) -> MapDesc {
    MapDesc {
        fd: number(value, "fd").cast_signed(),
        id: MapId(number(value, "fd")),
        name: "m".to_owned(),
        map_type: MapType(number(value, "type")),
        key_size: number(value, "key"),
        value_size: number(value, "value"),
        max_entries: number(value, "max"),
        map_flags: number(value, "flags"),
        constant: value["constant"].as_str().and_then(hex).map(Into::into),
        ..MapDesc::default()
    }
}

fn answer(request: &Value) -> Value {
    let bytes = request["insns"].as_str().and_then(hex).unwrap_or_default();
    let program = match skep_isa::decode_bytes(&bytes) {
        Ok(program) => program,
        Err(error) => {
            return json!({ "errno": 22, "error": error.to_string(), "log": format!("{error}\n") });
        }
    };
    let maps: Vec<MapDesc> = request["maps"]
        .as_array()
        .map(|maps| maps.iter().map(map).collect())
        .unwrap_or_default();
    let env = Env {
        prog_type: ProgType(number(request, "type")),
        expected_attach_type: AttachType(number(request, "attach")),
        prog_flags: number(request, "flags"),
        gpl_compatible: request["gpl"].as_bool().unwrap_or(true),
        maps: &maps,
        fd_array: &[],
        btf: None,
        kernel: None,
        func_info: &[],
        line_info: &[],
        profile: Version::DEFAULT,
    };
    let mut log = Log::new(LogLevel(number(request, "level")));
    match verify(program, &env, &mut log) {
        Ok(verified) => json!({
            "errno": 0, "error": "", "log": log.text(), "usec": verified.stats().usec,
        }),
        Err(reject) => json!({
            "errno": Errno::from(&reject).0, "error": reject.to_string(), "log": log.text(),
        }),
    }
}

fn main() {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(request) => println!("{}", answer(&request)),
            Err(error) => println!("{}", json!({ "errno": -1, "error": error.to_string() })),
        }
    }
}

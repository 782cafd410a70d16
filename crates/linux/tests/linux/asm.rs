//! Programs by hand, slot by slot, so that these tests need no assembler.

use crate::{content, ok};
use skep_linux::LinuxBpf;
use skep_uapi::{Command, Handle, ProgLoad, ProgType, Value};

/// One slot: opcode, registers (source in the high nibble), offset, immediate.
pub(crate) fn slot(code: u8, regs: u8, off: i16, imm: i32) -> [u8; 8] {
    let (off, imm) = (off.to_le_bytes(), imm.to_le_bytes());
    [code, regs, off[0], off[1], imm[0], imm[1], imm[2], imm[3]]
}

/// `r = address in the map's value`.
pub(crate) fn map_value(reg: u8, map: Handle) -> [[u8; 8]; 2] {
    [
        slot(0x18, 0x20 | reg, 0, i32::try_from(map.0).unwrap()),
        slot(0, 0, 0, 0),
    ]
}

/// `r0 = value; exit`.
pub(crate) fn returning(value: i32) -> Vec<u8> {
    [slot(0xb7, 0, 0, value), slot(0x95, 0, 0, 0)]
        .as_flattened()
        .to_vec()
}

/// Prints the counter in `bss` with the format in `rodata`, counts, passes: what clang makes of the hello program.
pub(crate) fn hello(bss: Handle, rodata: Handle, format_len: i32) -> Vec<u8> {
    let [bss0, bss1] = map_value(6, bss);
    let [rodata0, rodata1] = map_value(1, rodata);
    [
        bss0,
        bss1,
        slot(0x61, 0x63, 0, 0),
        rodata0,
        rodata1,
        slot(0xb4, 0x02, 0, format_len),
        slot(0x85, 0, 0, 6),
        slot(0x61, 0x61, 0, 0),
        slot(0x04, 0x01, 0, 1),
        slot(0x63, 0x16, 0, 0),
        slot(0xb4, 0x00, 0, 2),
        slot(0x95, 0, 0, 0),
    ]
    .as_flattened()
    .to_vec()
}

pub(crate) fn xdp(insns: Vec<u8>) -> ProgLoad {
    ProgLoad {
        prog_type: ProgType::XDP,
        insns,
        license: "Dual BSD/GPL".to_owned(),
        name: "skep_test".to_owned(),
        ..ProgLoad::default()
    }
}

pub(crate) fn load(bpf: &LinuxBpf, load: ProgLoad) -> Handle {
    content!(ok(bpf, Command::ProgLoad(Box::new(load))), Value::Handle)
}

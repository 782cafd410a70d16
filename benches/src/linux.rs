//! Linux as the thing to compare with, where it lets us.

use skep_linux::LinuxBpf;
use skep_uapi::{Bpf, Command, ProgLoad, ProgType, Value};

/// Linux's bpf(2), or `None` (said once) where this process may not load programs.
pub(crate) fn linux() -> Option<LinuxBpf> {
    let bpf = LinuxBpf::new();
    // r0 = 2; exit
    let insns = vec![0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
    let probe = ProgLoad {
        prog_type: ProgType::XDP,
        insns,
        license: "GPL".to_owned(),
        ..ProgLoad::default()
    };
    match bpf.call(Command::ProgLoad(Box::new(probe))).result {
        Ok(Value::Handle(handle)) => {
            bpf.call(Command::Close { handle });
            Some(bpf)
        }
        Ok(_) | Err(_) => {
            println!("(no Linux to compare with: loading programs is not permitted here)");
            None
        }
    }
}

//! The case files of `interp` and `xlate` on every engine.

use crate::rig::{TRUSTED, image, run_image, run_on, wide};
use skep_contracts::Version;
use skep_exec::{EngineKind, Image, Native, Packet, PacketSpec};
use skep_isa::text::assemble;
use skep_isa::{Program, Reg};
use skep_memory::Block;
use skep_testkit::{Case, cases};
use skep_uapi::{AttachType, ProgType};
use skep_verifier::{Env, Log, LogLevel, verify};

fn program(case: &Case) -> Program {
    assemble(case.input("prog")).unwrap_or_else(|error| panic!("{error}"))
}

/// Programs that nobody verified; r1 is the address of 64 bytes of zeroes.
#[test]
fn pure_cases_of_the_interpreter() {
    cases::dir("../interp/tests/cases/pure", |case| {
        for engine in TRUSTED {
            let zeroes = Block::new(64).unwrap();
            let mut insns = wide(Reg::R1, zeroes.addr()).to_vec();
            insns.extend_from_slice(program(case).insns());
            if let Some(image) = image(engine, &Program::new(insns).unwrap()) {
                case.expect("result", &format!("{:#x}", run_image(engine, &image)));
            }
        }
    });
}

/// XDP programs, verified and translated, on a packet of the bytes 0 to 63 from queue 2 of interface 3.
#[test]
fn verified_cases_of_translation() {
    cases::dir("../xlate/tests/cases", |case| {
        case.leave(&["prog", "xlated", "attach"]);
        case.expect_if_present("result", || {
            let env = Env {
                prog_type: ProgType::XDP,
                expected_attach_type: AttachType::XDP,
                prog_flags: 0,
                gpl_compatible: true,
                maps: &[],
                fd_array: &[],
                btf: None,
                kernel: None,
                func_info: &[],
                line_info: &[],
                profile: Version::DEFAULT,
            };
            let verified = verify(program(case), &env, &mut Log::new(LogLevel::NONE));
            let verified = verified.unwrap_or_else(|reject| panic!("{reject}"));
            let xlated = skep_xlate::translate(&verified).unwrap();
            let image = Image::publish(xlated, Vec::new(), Native::IfPossible).unwrap();
            let outcomes = [EngineKind::Checked, EngineKind::Interp, EngineKind::Native]
                .into_iter()
                .filter(|engine| *engine != EngineKind::Native || image.compiled().is_some())
                .map(|engine| (engine, on_packet(engine, &image)));
            let outcomes: Vec<_> = outcomes.collect();
            for (engine, outcome) in &outcomes {
                assert_eq!(outcome, &outcomes[0].1, "{engine:?}");
            }
            format!("{:#x}", outcomes[0].1.0)
        });
    });
}

/// r0 and the packet afterwards.
fn on_packet(engine: EngineKind, image: &Image) -> (u64, Vec<u8>) {
    let bytes: Vec<u8> = (0..64).collect();
    let spec = PacketSpec {
        ifindex: 3,
        rx_queue: 2,
        meta_bytes: 0,
    };
    let packet = Packet::new(&bytes, &spec).unwrap();
    let retval = run_on(engine, image, &packet);
    (retval, packet.bytes())
}

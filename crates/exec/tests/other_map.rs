//! A program runs only with the maps that it was verified against.
#![allow(clippy::unwrap_used, reason = "tests")]

use skep_contracts::Version;
use skep_exec::{Image, Native, PublishError};
use skep_maps::{Devices, MapDef, MapRef, create};
use skep_uapi::{AttachType, MapId, MapType, ProgType};
use skep_verifier::{Env, Log, LogLevel, MapDesc, verify};
use std::sync::Arc;

#[derive(Debug)]
struct NoDevices;

impl Devices for NoDevices {
    fn exists(&self, _ifindex: u32) -> bool {
        false
    }
}

fn map(id: u32, value_size: u32) -> MapRef {
    let def = MapDef {
        id: MapId(id),
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size,
        max_entries: 1,
        map_flags: 0,
        map_extra: 0,
        cpus: 1,
    };
    let devices: Arc<dyn Devices> = Arc::new(NoDevices);
    create(&def, &devices).unwrap()
}

/// Publishes a program that was verified against map 1 with values of 64 bytes.
fn publish(maps: Vec<MapRef>) -> Result<Image, PublishError> {
    let text = "r1 = map_value_fd[3]+56\n*(u64 *)(r1 +0) = 7\nr0 = 2\nexit";
    let desc = MapDesc {
        fd: 3,
        id: MapId(1),
        name: "value".to_owned(),
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size: 64,
        max_entries: 1,
        map_flags: 0,
        constant: None,
        ..MapDesc::default()
    };
    let env = Env {
        prog_type: ProgType::XDP,
        expected_attach_type: AttachType::default(),
        prog_flags: 0,
        gpl_compatible: true,
        maps: &[desc],
        fd_array: &[],
        btf: None,
        kernel: None,
        func_info: &[],
        line_info: &[],
        profile: Version::DEFAULT,
    };
    let program = skep_isa::text::assemble(text).unwrap();
    let verified = verify(program, &env, &mut Log::new(LogLevel::NONE)).unwrap();
    Image::publish(
        skep_xlate::translate(&verified).unwrap(),
        maps,
        Native::IfPossible,
    )
}

#[test]
fn only_the_verified_map_will_do() {
    assert!(publish(vec![map(1, 64)]).is_ok());
    for wrong in [
        vec![],
        vec![map(1, 8)],
        vec![map(2, 64)],
        vec![map(1, 64), map(2, 8)],
    ] {
        let count = wrong.len();
        let refused = publish(wrong);
        assert!(
            matches!(refused, Err(PublishError::OtherMap { .. })),
            "{count} maps: {refused:?}"
        );
    }
}

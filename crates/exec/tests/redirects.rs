//! Where packets are sent on: what a run tells of it, on every engine.
#![allow(clippy::unwrap_used, reason = "tests")]

use skep_contracts::Version;
use skep_exec::{EngineKind, Image, Native, Packet, PacketSpec, Redirect, RunSettings, Runner};
use skep_helpers::{Clock, Services};
use skep_maps::{Devices, MapDef, MapRef};
use skep_uapi::{AttachType, BPF_ANY, MapId, MapType, ProgType};
use skep_verifier::{Env, Log, LogLevel, MapDesc, verify};
use std::sync::Arc;

const MAP: MapId = MapId(5);

#[derive(Debug)]
struct All;

impl Devices for All {
    fn exists(&self, _ifindex: u32) -> bool {
        true
    }
}

struct Nothing;

impl Services for Nothing {
    fn clock_ns(&self, _clock: Clock) -> u64 {
        0
    }

    fn random_u32(&self) -> u32 {
        0
    }

    fn trace(&self, _cpu: u32, _line: &[u8]) {}
}

/// A map with interfaces 4, 3 and 4 at 1, 2 and 7.
fn map(map_type: MapType) -> MapRef {
    let def = MapDef {
        id: MAP,
        map_type,
        key_size: 4,
        value_size: 4,
        max_entries: 8,
        map_flags: 0,
        map_extra: 0,
        cpus: 1,
    };
    let map = skep_maps::create(&def, &(Arc::new(All) as Arc<dyn Devices>)).unwrap();
    for (index, ifindex) in [(1_u32, 4_u32), (2, 3), (7, 4)] {
        let (key, value) = (index.to_ne_bytes(), ifindex.to_ne_bytes());
        map.object().write(&key, &value, BPF_ANY).unwrap();
    }
    map
}

fn image(body: &str, map: &MapRef) -> Image {
    let header = map.header();
    let desc = MapDesc {
        fd: 3,
        id: MAP,
        name: "devices".to_owned(),
        map_type: MapType(header.map_type),
        key_size: header.key_bytes,
        value_size: header.value_bytes,
        max_entries: header.max_entries,
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
    let program = skep_isa::text::assemble(&format!("{body}exit")).unwrap();
    let verified = verify(program, &env, &mut Log::new(LogLevel::NONE)).unwrap();
    let xlated = skep_xlate::translate(&verified).unwrap();
    let maps = xlated.used_maps().iter().map(|_| Arc::clone(map)).collect();
    Image::publish(xlated, maps, Native::IfPossible).unwrap()
}

/// `bpf_redirect`.
fn named(ifindex: u32, flags: u64) -> String {
    format!("r1 = {ifindex}\nr2 = {flags}\ncall 23\n")
}

/// `bpf_redirect_map`.
fn mapped(key: u32, flags: u64) -> String {
    format!("r1 = map_fd[3]\nr2 = {key}\nr3 = {flags}\ncall 51\n")
}

const BROADCAST: u64 = 8;
const BROADCAST_BUT_INGRESS: u64 = 24;

/// Which interface a packet goes to after these calls, however the last one ended. What Linux does was seen on interfaces.
#[test]
fn the_last_call_that_counts_decides() {
    let interface = |ifindex| Some(Redirect::Interface { ifindex });
    let entry = |index, ifindex| Some(Redirect::Entry { ifindex, index });
    let broadcast = |index, exclude_ingress| {
        Some(Redirect::Broadcast {
            map: MAP,
            index,
            exclude_ingress,
        })
    };
    let cases = [
        (vec![named(9, 0)], 4, interface(9)),
        (vec![named(9, 1)], 0, None),
        (vec![mapped(2, 0)], 4, entry(2, 3)),
        (vec![mapped(2, 16)], 4, entry(2, 3)),
        (vec![mapped(5, 2)], 2, None),
        (vec![mapped(2, 32)], 0, None),
        (vec![mapped(5, BROADCAST)], 4, broadcast(5, false)),
        (
            vec![mapped(5, BROADCAST_BUT_INGRESS)],
            4,
            broadcast(5, true),
        ),
        (vec![named(9, 0), mapped(5, 2)], 2, interface(9)),
        (vec![named(9, 0), mapped(2, 0)], 4, entry(2, 3)),
        (vec![mapped(2, 0), named(9, 1)], 0, entry(2, 3)),
        (vec![mapped(2, 0), named(9, 0)], 4, interface(9)),
        (vec![mapped(2, 0), mapped(1, 32)], 0, entry(2, 3)),
        (vec![mapped(2, 0), mapped(5, 1)], 1, interface(2)),
        (vec![mapped(7, BROADCAST), mapped(5, 1)], 1, interface(7)),
        (vec![mapped(7, BROADCAST), mapped(1, 1)], 4, entry(1, 4)),
    ];
    for map_type in [MapType::DEVMAP, MapType::DEVMAP_HASH] {
        let map = map(map_type);
        for (calls, retval, redirect) in &cases {
            let image = image(&calls.concat(), &map);
            let settings = RunSettings {
                services: &Nothing,
                cpu: 0,
                numa_node: 0,
            };
            let native = image.compiled().is_some().then_some(EngineKind::Native);
            for engine in [EngineKind::Interp, EngineKind::Checked]
                .into_iter()
                .chain(native)
            {
                let packet = Packet::new(&[0; 64], &PacketSpec::default()).unwrap();
                let got = Runner::new(&image, settings).once(engine, &packet).unwrap();
                assert_eq!(got, (*retval, *redirect), "{engine:?} {calls:?}");
            }
        }
    }
}

#[test]
fn a_broadcast_goes_to_what_the_map_holds_when_it_is_sent() {
    for map_type in [MapType::DEVMAP, MapType::DEVMAP_HASH] {
        let map = map(map_type);
        let image = image(&mapped(0, BROADCAST), &map);
        assert_eq!(image.broadcast_targets(MAP, None), [4, 3, 4]);
        assert_eq!(image.broadcast_targets(MAP, Some(4)), [3]);
        map.object().delete(&1_u32.to_ne_bytes()).unwrap();
        assert_eq!(image.broadcast_targets(MAP, None), [3, 4]);
        assert!(image.broadcast_targets(MapId(6), None).is_empty());
    }
}

//! The rules of each map type, and hash maps against a model.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use skep_maps::{Devices, MapDef, MapRef, pin};
use skep_uapi::{BPF_ANY, BPF_EXIST, BPF_F_NO_PREALLOC, BPF_NOEXIST, Errno, MapId, MapType};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn def(map_type: MapType, key_size: u32, value_size: u32, max_entries: u32) -> MapDef {
    MapDef {
        id: MapId(1),
        map_type,
        key_size,
        value_size,
        max_entries,
        map_flags: 0,
        map_extra: 0,
        cpus: 2,
    }
}

/// Interfaces 1 to 9 exist.
#[derive(Debug)]
struct Nine;

impl Devices for Nine {
    fn exists(&self, ifindex: u32) -> bool {
        (1..=9).contains(&ifindex)
    }
}

fn create(def: &MapDef) -> Result<MapRef, Errno> {
    skep_maps::create(def, &(Arc::new(Nine) as Arc<dyn Devices>))
}

fn make(map_type: MapType, key_size: u32, value_size: u32, max_entries: u32) -> MapRef {
    create(&def(map_type, key_size, value_size, max_entries)).unwrap()
}

fn key(number: u32) -> [u8; 4] {
    number.to_ne_bytes()
}

#[test]
fn array_follows_linux() {
    let map = make(MapType::ARRAY, 4, 3, 2);
    let map = map.object();
    assert_eq!(map.read(&key(1)), Ok(vec![0; 3]));
    assert_eq!(map.read(&key(2)), Err(Errno::ENOENT));
    assert_eq!(map.write(&key(1), &[1, 2, 3], BPF_ANY), Ok(()));
    assert_eq!(map.write(&key(1), &[4, 5, 6], BPF_EXIST), Ok(()));
    assert_eq!(
        map.write(&key(1), &[1, 2, 3], BPF_NOEXIST),
        Err(Errno::EEXIST)
    );
    assert_eq!(map.write(&key(1), &[1, 2, 3], 77), Err(Errno::EINVAL));
    assert_eq!(map.write(&key(2), &[1, 2, 3], BPF_ANY), Err(Errno::E2BIG));
    assert_eq!(map.write(&key(1), &[1, 2], BPF_ANY), Err(Errno::EINVAL));
    assert_eq!(map.read(&key(1)), Ok(vec![4, 5, 6]));
    assert_eq!(map.delete(&key(1)), Err(Errno::EINVAL));
    assert_eq!(map.next_key(None), Ok(key(0).to_vec()));
    assert_eq!(map.next_key(Some(&key(0))), Ok(key(1).to_vec()));
    assert_eq!(map.next_key(Some(&key(1))), Err(Errno::ENOENT));
    assert_eq!(map.next_key(Some(&key(9))), Ok(key(0).to_vec()));
    assert_eq!(
        map.lookup(0, &key(1)).unwrap() - map.lookup(0, &key(0)).unwrap(),
        8
    );
    assert_eq!(map.lookup(0, &key(2)), None);
}

#[test]
fn percpu_array_keeps_a_value_for_each_cpu() {
    let map = make(MapType::PERCPU_ARRAY, 4, 4, 2);
    let map = map.object();
    map.update(1, &key(0), &[7, 0, 0, 0], BPF_ANY).unwrap();
    assert_eq!(
        map.read(&key(0)),
        Ok([[0; 8], [7, 0, 0, 0, 0, 0, 0, 0]].concat())
    );
    assert_eq!(map.write(&key(1), &[1; 8], BPF_ANY), Err(Errno::EINVAL));
    map.write(&key(1), &[1; 16], BPF_ANY).unwrap();
    assert_eq!(map.read(&key(1)), Ok([1, 1, 1, 1, 0, 0, 0, 0].repeat(2)));
    assert_ne!(map.lookup(0, &key(1)), map.lookup(1, &key(1)));
    assert_eq!(map.lookup(2, &key(1)), None);
}

#[test]
fn bad_definitions_are_refused() {
    let refused = |def: MapDef| create(&def).map(|_| ()).unwrap_err();
    for map_type in [MapType::ARRAY, MapType::PERCPU_ARRAY] {
        assert_eq!(refused(def(map_type, 8, 4, 1)), Errno::EINVAL);
        assert_eq!(refused(def(map_type, 4, 0, 1)), Errno::EINVAL);
        assert_eq!(refused(def(map_type, 4, 4, 0)), Errno::EINVAL);
        assert_eq!(
            refused(MapDef {
                map_flags: BPF_F_NO_PREALLOC,
                ..def(map_type, 4, 4, 1)
            }),
            Errno::EINVAL
        );
    }
    assert_eq!(refused(def(MapType::HASH, 0, 4, 1)), Errno::EINVAL);
    assert_eq!(refused(def(MapType::HASH, 4, 0, 1)), Errno::EINVAL);
    assert_eq!(refused(def(MapType::HASH, 4, 4, 0)), Errno::EINVAL);
    assert_eq!(refused(def(MapType::HASH, 4, 1 << 23, 1)), Errno::E2BIG);
    assert_eq!(refused(def(MapType(99), 4, 4, 1)), Errno::EINVAL);
}

/// Figures that Linux 6.18 shows in fdinfo for the same definitions on two CPUs.
#[test]
fn memlock_is_what_linux_charges() {
    let bytes = |map_type, key, value, entries| {
        make(map_type, key, value, entries).object().memlock_bytes()
    };
    assert_eq!(bytes(MapType::HASH, 4, 8, 1), 1120);
    assert_eq!(bytes(MapType::HASH, 4, 8, 1000), 81424);
    assert_eq!(bytes(MapType::HASH, 8, 64, 1024), 140_416);
    assert_eq!(bytes(MapType::HASH, 13, 17, 777), 85848);
    assert_eq!(bytes(MapType::ARRAY, 4, 100, 64), 6968);
    assert_eq!(bytes(MapType::PERCPU_ARRAY, 4, 100, 64), 14136);
    let lazy = create(&MapDef {
        map_flags: BPF_F_NO_PREALLOC,
        ..def(MapType::HASH, 4, 8, 100)
    })
    .unwrap();
    assert_eq!(lazy.object().memlock_bytes(), 2944);
    lazy.object().write(&key(1), &[0; 8], BPF_ANY).unwrap();
    assert_eq!(lazy.object().memlock_bytes(), 2944 + 72);
}

#[test]
fn a_replaced_value_keeps_its_address_and_content_while_pinned() {
    let map = make(MapType::HASH, 4, 8, 1);
    let map = map.object();
    map.write(&key(1), &[1; 8], BPF_ANY).unwrap();
    let held = pin();
    let old = map.lookup(0, &key(1)).unwrap();
    for round in 2..200_u8 {
        map.write(&key(1), &[round; 8], BPF_ANY).unwrap();
        assert_ne!(
            map.lookup(0, &key(1)),
            Some(old),
            "round {round} reused an element that is still visible"
        );
    }
    drop(held);
}

#[test]
fn readers_never_miss_a_key_that_is_replaced_all_the_time() {
    let map = make(MapType::HASH, 4, 8, 8);
    for number in 0..8 {
        map.object().write(&key(number), &[0; 8], BPF_ANY).unwrap();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..20_000_u32 {
                map.object()
                    .write(&key(round % 8), &[round.to_le_bytes()[0]; 8], BPF_EXIST)
                    .unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            for number in 0..8 {
                let value = map.object().read(&key(number)).unwrap();
                assert!(
                    value.iter().all(|byte| *byte == value[0]),
                    "torn word {value:?}"
                );
            }
        }
    });
}

#[derive(Clone, Debug)]
enum Op {
    Write(u8, u8, u64),
    Delete(u8),
    Read(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..24_u8, any::<u8>(), 0..4_u64)
            .prop_map(|(key, value, flags)| Op::Write(key, value, flags)),
        (0..24_u8).prop_map(Op::Delete),
        (0..24_u8).prop_map(Op::Read),
    ]
}

proptest! {
    #[test]
    fn hash_behaves_as_the_model(ops in prop::collection::vec(op(), 0..200)) {
        let map = make(MapType::HASH, 5, 9, 16);
        let map = map.object();
        let mut model: HashMap<[u8; 5], Vec<u8>> = HashMap::new();
        for op in ops {
            match op {
                Op::Write(key, value, flags) => {
                    let (key, value) = ([key; 5], vec![value; 9]);
                    let there = model.contains_key(&key);
                    let expected = match flags {
                        BPF_NOEXIST if there => Err(Errno::EEXIST),
                        BPF_EXIST if !there => Err(Errno::ENOENT),
                        3 => Err(Errno::EINVAL),
                        _ if !there && model.len() == 16 => Err(Errno::E2BIG),
                        _ => Ok(()),
                    };
                    prop_assert_eq!(map.write(&key, &value, flags), expected);
                    if expected.is_ok() {
                        model.insert(key, value);
                    }
                }
                Op::Delete(key) => {
                    let expected = model.remove(&[key; 5]).map(|_| ()).ok_or(Errno::ENOENT);
                    prop_assert_eq!(map.delete(&[key; 5]), expected);
                }
                Op::Read(key) => {
                    let expected = model.get(&[key; 5]).cloned().ok_or(Errno::ENOENT);
                    prop_assert_eq!(map.read(&[key; 5]), expected);
                }
            }
        }
        let mut seen = HashMap::new();
        let mut at = map.next_key(None);
        while let Ok(key) = at {
            prop_assert!(seen.insert(key.clone(), map.read(&key).unwrap()).is_none());
            at = map.next_key(Some(&key));
        }
        let expected: HashMap<Vec<u8>, Vec<u8>> = model.into_iter().map(|(key, value)| (key.to_vec(), value)).collect();
        prop_assert_eq!(seen, expected);
    }
}

#[test]
fn sizes_at_the_end_of_their_range_are_refused() {
    for value_size in [u32::MAX, u32::MAX - 7, (32 << 10) + 1] {
        let def = def(MapType::PERCPU_ARRAY, 4, value_size, 1);
        assert_eq!(create(&def).map(drop), Err(Errno::E2BIG), "{value_size}");
    }
    for value_size in [u32::MAX, 1 << 31] {
        let def = def(MapType::ARRAY, 4, value_size, u32::MAX);
        assert_eq!(create(&def).map(drop), Err(Errno::E2BIG), "{value_size}");
    }
    let hash = def(MapType::HASH, u32::MAX, u32::MAX, 1);
    assert_eq!(create(&hash).map(drop), Err(Errno::E2BIG));
}

/// However many take an element, one gets it.
#[test]
fn a_taken_element_is_taken_once() {
    const KEYS: u32 = 200;
    let map = make(MapType::HASH, 4, 4, KEYS);
    for number in 0..KEYS {
        map.object()
            .write(&key(number), &key(number), BPF_ANY)
            .unwrap();
    }
    let taken = || (0..KEYS).filter(|number| map.object().take(&key(*number)).is_ok());
    let counts = std::thread::scope(|scope| {
        let takers = [(); 4].map(|()| scope.spawn(|| taken().count()));
        takers.map(|taker| taker.join().unwrap())
    });
    assert_eq!(counts.iter().sum::<usize>(), 200);
    assert_eq!(map.object().next_key(None), Err(Errno::ENOENT));
    let array = make(MapType::ARRAY, 4, 4, 1);
    assert_eq!(array.object().take(&key(0)), Err(Errno::ENOTSUPP));
}

/// What is freed during a run waits for its end; the memory that this takes has a bound, and changing values works on.
#[test]
fn a_run_cannot_hoard_freed_elements() {
    let map = make(MapType::HASH, 4, 1 << 20, 1);
    let map = map.object();
    let value = |number: u32| number.to_ne_bytes().repeat(1 << 18);
    let held = pin();
    for number in 0..300 {
        assert_eq!(map.write(&key(1), &value(number), BPF_ANY), Ok(()));
    }
    assert_eq!(map.read(&key(1)), Ok(value(299)));
    map.delete(&key(1)).unwrap();
    assert_eq!(map.write(&key(2), &value(0), BPF_ANY), Err(Errno::ENOMEM));
    drop(held);
    let again = || map.write(&key(2), &value(7), BPF_ANY).is_ok();
    assert!((0..10_000).any(|_| {
        drop(pin());
        again()
    }));
    assert_eq!(map.read(&key(2)), Ok(value(7)));
}

fn device(ifindex: u32) -> Vec<u8> {
    ifindex.to_ne_bytes().to_vec()
}

/// Figures that Linux 6.18 shows in fdinfo.
#[test]
fn device_maps_charge_what_linux_does() {
    for (map_type, entries, empty) in [
        (MapType::DEVMAP, 3, 368),
        (MapType::DEVMAP, 1000, 8344),
        (MapType::DEVMAP_HASH, 3, 376),
        (MapType::DEVMAP_HASH, 1000, 8536),
    ] {
        let map = make(map_type, 4, 4, entries);
        let map = map.object();
        assert_eq!(map.memlock_bytes(), empty, "{map_type} of {entries}");
        map.write(&key(1), &device(2), BPF_ANY).unwrap();
        map.write(&key(1), &device(3), BPF_ANY).unwrap();
        assert_eq!(map.memlock_bytes(), empty + 64);
    }
    let too_many = def(MapType::DEVMAP_HASH, 4, 4, (1 << 31) + 1);
    assert_eq!(create(&too_many).map(drop), Err(Errno::EINVAL));
}

#[test]
fn an_interface_that_goes_leaves_no_entry() {
    for map_type in [MapType::DEVMAP, MapType::DEVMAP_HASH] {
        let map = make(map_type, 4, 8, 4);
        let map = map.object();
        let devices = map.devices().unwrap();
        for (index, ifindex) in [(0, 2), (1, 3), (3, 2)] {
            let value = [device(ifindex), vec![0; 4]].concat();
            map.write(&key(index), &value, BPF_ANY).unwrap();
        }
        assert_eq!(devices.all(), [2, 3, 2]);
        assert_eq!((devices.device(3), devices.device(2)), (Some(2), None));
        devices.forget(2);
        assert_eq!(devices.all(), [3]);
        assert_eq!(map.read(&key(0)), Err(Errno::ENOENT));
        assert_eq!(map.lookup(0, &key(3)), None);
    }
}

/// Commands find out by themselves that an interface is gone.
#[test]
fn a_lookup_of_a_lost_interface_removes_its_entries() {
    #[derive(Debug, Default)]
    struct Switch(AtomicBool);
    impl Devices for Switch {
        fn exists(&self, _ifindex: u32) -> bool {
            !self.0.load(Ordering::Relaxed)
        }
    }
    let switch = Arc::new(Switch::default());
    let devices: Arc<dyn Devices> = Arc::clone(&switch) as Arc<dyn Devices>;
    let map = skep_maps::create(&def(MapType::DEVMAP_HASH, 4, 4, 2), &devices).unwrap();
    let map = map.object();
    map.write(&key(77), &device(5), BPF_ANY).unwrap();
    map.write(&key(78), &device(5), BPF_ANY).unwrap();
    switch.0.store(true, Ordering::Relaxed);
    assert_eq!(map.devices().unwrap().device(77), Some(5));
    assert_eq!(map.read(&key(77)), Err(Errno::ENOENT));
    assert!(map.devices().unwrap().all().is_empty());
}

/// A reader finds the entry at any time while a command replaces it.
#[test]
fn a_replaced_device_is_never_missing() {
    let map = make(MapType::DEVMAP_HASH, 4, 4, 4);
    for index in [1, 5, 9] {
        map.object()
            .write(&key(index), &device(1), BPF_ANY)
            .unwrap();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let _pin = pin();
                let ifindex = map.object().devices().unwrap().device(1);
                assert!(matches!(ifindex, Some(1..=9)), "{ifindex:?}");
            }
        });
        for round in 0..20_000_u32 {
            let changed = [1, 5, 9][round as usize % 3];
            let value = device(1 + round % 9);
            map.object().write(&key(changed), &value, BPF_ANY).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
}

//! Packets that come one after the other cost no allocation, whatever the program does to them.
#![allow(clippy::unwrap_used, reason = "tests")]

use skep_exec::{EngineKind, Image, Native, Packet, PacketSpec, Redirect, RunSettings, Runner};
use skep_helpers::{Clock, Services};
use skep_isa::text::assemble;
use skep_xlate::Xlated;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u32> = const { Cell::new(0) };
}

// SAFETY: every call goes on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as above; `ptr` came from it.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

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

/// Cuts 4 bytes of the head, grows the tail by 300, copies 16 bytes in, and redirects to interface 7.
const PROGRAM: &str = "r6 = r1\nr2 = 4\ncall 44\nr1 = r6\nr2 = 300\ncall 65\n\
    r1 = r6\nr2 = 0\nr3 = r10\nr3 += -16\n*(u64 *)(r10 -16) = 1\n*(u64 *)(r10 -8) = 2\nr4 = 16\ncall 190\n\
    r1 = 7\nr2 = 0\ncall 23\nexit";

#[test]
fn a_packet_after_the_other_allocates_nothing() {
    let xlated = Xlated::assume_verified_for_tests(&assemble(PROGRAM).unwrap());
    let image = Image::publish(xlated, Vec::new(), Native::IfPossible).unwrap();
    let settings = RunSettings {
        services: &Nothing,
        cpu: 0,
        numa_node: 0,
    };
    let runner = Runner::new(&image, settings);
    let mut packet = Packet::with_room(Packet::RECEIVED_BYTES_MAX).unwrap();
    let spec = PacketSpec {
        ifindex: 3,
        ..PacketSpec::default()
    };
    let received: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let native = image.compiled().is_some().then_some(EngineKind::Native);
    for engine in [EngineKind::Interp, EngineKind::Checked]
        .into_iter()
        .chain(native)
    {
        let mut counts = [0; 3];
        for count in &mut counts {
            let before = ALLOCATIONS.get();
            for _ in 0..1000 {
                packet
                    .refill(&[&received[..14], &received[14..]], &spec)
                    .unwrap();
                let (retval, redirect) = runner.once(engine, &packet).unwrap();
                assert_eq!(retval, 4);
                assert_eq!(redirect, Some(Redirect::Interface { ifindex: 7 }));
            }
            *count = ALLOCATIONS.get() - before;
        }
        // The epoch's machinery makes room for itself in the first runs.
        assert_eq!(counts[2], 0, "{engine:?}: {counts:?}");
        assert_eq!((packet.head_delta(), packet.len()), (4, 1296));
        let bytes = packet.linear();
        assert_eq!(
            bytes[..16],
            [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(bytes[16..996], received[20..]);
        assert!(bytes[996..].iter().all(|byte| *byte == 0));
    }
}

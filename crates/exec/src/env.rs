//! What helpers see of a run: one environment, generic over how memory is accessed.

use crate::fault::RunError;
use crate::packet::Packet;
use crate::stack::Stack;
use skep_helpers::{Env, Redirect, Services};
use skep_maps::{MapObject, MapRef};
use skep_memory::{Fault, FaultKind, Memory, Permission, Region, RegionSource};
use std::cell::{Cell, RefCell};

/// What a run is given by whoever starts it.
#[derive(Clone, Copy)]
pub struct RunSettings<'run> {
    /// The machine's services.
    pub services: &'run dyn Services,
    /// CPU slot.
    pub cpu: u32,
    /// NUMA node of that slot.
    pub numa_node: u32,
}

/// State that helpers change during a run.
#[derive(Debug, Default)]
pub(crate) struct RunState {
    pub(crate) redirect: Cell<Option<Redirect>>,
    /// The first failure in a helper of compiled code.
    pub(crate) failure: RefCell<Option<RunError>>,
}

/// Where a run's memory is: what `%s` of any number may read, and what a checked run may touch.
pub(crate) struct Places<'run> {
    pub(crate) maps: &'run [MapRef],
    pub(crate) packet: &'run Packet,
    pub(crate) stack: &'run Stack,
    /// Where the native stack stood when compiled code was entered; its frames lie below. 0 outside of a native run.
    pub(crate) native_top: Cell<u64>,
    /// Where it stood when compiled code last called a helper; its frames lie above.
    pub(crate) native_low: Cell<u64>,
}

impl Places<'_> {
    /// Whether some place holds `bytes` bytes at `addr`.
    fn holds(&self, addr: u64, bytes: u64) -> bool {
        let low = self.native_low.get();
        let native = Region {
            start: low,
            len: self.native_top.get().saturating_sub(low),
            permission: Permission::Read,
        };
        let fits = |region: Region| {
            addr >= region.start && bytes <= region.len && addr - region.start <= region.len - bytes
        };
        fits(native) || self.region_of(addr).is_some_and(fits)
    }
}

/// An address of the calling thread's stack, at about its present depth.
#[inline(never)]
pub(crate) fn stack_addr() -> u64 {
    let here = 0_u8;
    (&raw const here).expose_provenance() as u64
}

impl RegionSource for Places<'_> {
    fn region_of(&self, addr: u64) -> Option<Region> {
        let stack = self.stack.region();
        let in_stack = addr >= stack.start && addr - stack.start < stack.len;
        let packet = || self.packet.region_of(addr);
        let map = || {
            self.maps
                .iter()
                .find_map(|map| map.object().region_of(addr))
        };
        in_stack.then_some(stack).or_else(packet).or_else(map)
    }
}

/// How a run finds the map behind a pointer.
pub(crate) trait FindMap {
    /// The map whose header is at `addr`.
    fn find_map(&self, addr: u64) -> Result<&MapObject, Fault>;
}

/// The environment of one run.
pub(crate) struct RunEnv<'run, M, F> {
    pub(crate) memory: M,
    pub(crate) maps: F,
    pub(crate) places: &'run Places<'run>,
    pub(crate) state: &'run RunState,
    pub(crate) settings: RunSettings<'run>,
}

impl<M: Memory, F: FindMap> Env for RunEnv<'_, M, F> {
    type Memory = M;

    fn memory(&self) -> &M {
        &self.memory
    }

    fn read_unverified(&self, addr: u64, out: &mut [u8]) -> Result<(), Fault> {
        let bytes = out.len() as u64;
        if self.places.holds(addr, bytes) {
            self.memory.read(addr, out)
        } else {
            Err(Fault {
                kind: FaultKind::OutOfBounds,
                addr,
                bytes,
            })
        }
    }

    fn map(&self, addr: u64) -> Result<&MapObject, Fault> {
        self.maps.find_map(addr)
    }

    fn cpu(&self) -> u32 {
        self.settings.cpu
    }

    fn numa_node(&self) -> u32 {
        self.settings.numa_node
    }

    fn services(&self) -> &dyn Services {
        self.settings.services
    }

    fn redirect(&self) -> Option<Redirect> {
        self.state.redirect.get()
    }

    fn set_redirect(&self, redirect: Redirect) {
        self.state.redirect.set(Some(redirect));
    }
}

/// Maps on the verifier's word.
#[derive(Clone, Copy)]
pub(crate) struct TrustedMaps<'run>(pub(crate) skep_memory::Trusted<'run>);

impl FindMap for TrustedMaps<'_> {
    #[inline]
    fn find_map(&self, addr: u64) -> Result<&MapObject, Fault> {
        Ok(self.0.shared(addr))
    }
}

/// Maps by looking the address up among the program's.
#[derive(Clone, Copy)]
pub(crate) struct CheckedMaps<'run>(pub(crate) &'run [MapRef]);

impl FindMap for CheckedMaps<'_> {
    fn find_map(&self, addr: u64) -> Result<&MapObject, Fault> {
        let found = self.0.iter().find(|map| map.addr() == addr);
        found.map(|map| &**map).ok_or(Fault {
            kind: FaultKind::NotAMap,
            addr,
            bytes: 0,
        })
    }
}

//! Programs (`prog`) and what they give (`result`): r0 in hexadecimal, or `! ` and the trap. Each runs unchecked over
//! memory that refuses what lies outside, and once more as if it were verified: both must agree.
//!
//! r1 is the address of 64 bytes of zeroes. What `cases/pure` holds needs nothing else, and `exec` runs it on every
//! engine. `cases/hosted` may use the host below: the zeroes are at 0x1000 and the stack ends at 0x9000; helper 1 sums
//! its arguments, 2 calls back its first argument twice, 3 faults, 4 asks to stop; map 0 is at 0x2000 with its value at
//! 0x3000; `may_goto` falls through four times.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use skep_interp::{
    Bounded, Code, Host, MayGoto, Poll, STACK_BYTES, Site, Stack, Start, Stop, Trap, TrapReason,
    UncheckedCode,
};
use skep_isa::text::assemble;
use skep_isa::{AtomicOp, Size};
use skep_memory::{AtomicAccess, Fault, FaultKind, Memory};
use skep_testkit::cases;
use skep_xlate::{Xlated, lower_unchecked};
use std::cell::RefCell;

const CTX: u64 = 0x1000;
const STACK: u64 = 0x8000;

/// Context and stack.
struct TestMemory(RefCell<[(u64, Vec<u8>); 2]>);

impl TestMemory {
    fn new() -> Self {
        let stack = usize::try_from(STACK_BYTES).unwrap();
        Self(RefCell::new([(CTX, vec![0; 64]), (STACK, vec![0; stack])]))
    }

    fn with<T>(&self, addr: u64, len: usize, f: impl FnOnce(&mut [u8]) -> T) -> Result<T, Fault> {
        let bytes = u64::try_from(len).unwrap();
        for (start, region) in self.0.borrow_mut().iter_mut() {
            let offset = usize::try_from(addr.wrapping_sub(*start)).unwrap();
            let end = offset.checked_add(len);
            if let Some(part) = end.and_then(|end| region.get_mut(offset..end)) {
                return Ok(f(part));
            }
        }
        Err(Fault {
            kind: FaultKind::OutOfBounds,
            addr,
            bytes,
        })
    }
}

impl Memory for TestMemory {
    fn load(&self, addr: u64, bytes: u32) -> Result<u64, Fault> {
        let len = usize::try_from(bytes).unwrap();
        let mut value = [0; 8];
        self.read(addr, &mut value[..len])?;
        Ok(u64::from_le_bytes(value))
    }

    fn store(&self, addr: u64, bytes: u32, value: u64) -> Result<(), Fault> {
        self.write(
            addr,
            &value.to_le_bytes()[..usize::try_from(bytes).unwrap()],
        )
    }

    fn atomic(&self, addr: u64, bytes: u32, access: AtomicAccess) -> Result<u64, Fault> {
        if !addr.is_multiple_of(bytes.into()) {
            return Err(Fault {
                kind: FaultKind::Misaligned,
                addr,
                bytes: bytes.into(),
            });
        }
        let old = self.load(addr, bytes)?;
        let new = match access {
            AtomicAccess::Add(value) => AtomicOp::Add { fetch: true }.eval(old, value),
            AtomicAccess::Or(value) => old | value,
            AtomicAccess::And(value) => old & value,
            AtomicAccess::Xor(value) => old ^ value,
            AtomicAccess::Xchg(value) | AtomicAccess::StoreRelease(value) => value,
            AtomicAccess::Cmpxchg { expected, new } if expected == old => new,
            AtomicAccess::Cmpxchg { .. } | AtomicAccess::LoadAcquire => old,
        };
        self.store(addr, bytes, new)?;
        Ok(old)
    }

    fn read(&self, addr: u64, out: &mut [u8]) -> Result<(), Fault> {
        self.with(addr, out.len(), |part| out.copy_from_slice(part))
    }

    fn write(&self, addr: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.with(addr, bytes.len(), |part| part.copy_from_slice(bytes))
    }
}

impl Bounded for TestMemory {}

/// Either form of a program, so that the host can call back into it.
trait Program {
    fn call_back(
        &self,
        host: &mut TestHost<'_>,
        function: u64,
        args: [u64; 5],
        start: Start,
    ) -> Result<u64, Trap>;
}

impl Program for Code {
    fn call_back(
        &self,
        host: &mut TestHost<'_>,
        function: u64,
        args: [u64; 5],
        start: Start,
    ) -> Result<u64, Trap> {
        Code::call_back(self, host.memory, host, function, args, start)
    }
}

impl Program for UncheckedCode {
    fn call_back(
        &self,
        host: &mut TestHost<'_>,
        function: u64,
        args: [u64; 5],
        start: Start,
    ) -> Result<u64, Trap> {
        UncheckedCode::call_back(self, host.memory, host, function, args, start)
    }
}

struct TestHost<'a> {
    program: &'a dyn Program,
    memory: &'a TestMemory,
    may_goto_left: u32,
    stop: Poll,
}

impl Host for TestHost<'_> {
    fn helper(&mut self, id: u32, args: [u64; 5], site: Site) -> Result<u64, Stop> {
        match id {
            1 => Ok(args.into_iter().sum()),
            2 => {
                let [function, rest @ ..] = args;
                let args = [rest[0], rest[1], rest[2], rest[3], 0];
                let start = Start {
                    stack: site.stack,
                    insns_max: site.insns_left,
                };
                let program = self.program;
                let first = program.call_back(self, function, args, start)?;
                Ok(first + program.call_back(self, function, args, start)?)
            }
            3 => self
                .memory
                .load(0, 1)
                .map_err(|fault| TrapReason::Memory(fault).into()),
            4 => {
                self.stop = Poll::Stop;
                Ok(0)
            }
            id => Err(TrapReason::UnknownHelper { id }.into()),
        }
    }

    fn tail_call(
        &mut self,
        ctx: u64,
        map: u64,
        index: u32,
        site: Site,
    ) -> Result<Option<u64>, Stop> {
        assert_eq!((ctx, map), (CTX, 0x2000));
        assert!(!site.stack.is_whole() || index != 0);
        Ok((index == 0).then_some(0x77))
    }

    fn map_addr(&self, index: u32) -> u64 {
        0x2000 + u64::from(index)
    }

    fn map_value_addr(&self, index: u32, offset: u32) -> u64 {
        0x3000 + u64::from(index) + u64::from(offset)
    }

    fn load_packet(&mut self, ctx: u64, offset: i64, size: Size) -> Result<Option<u64>, Stop> {
        assert_eq!(ctx, CTX);
        let packet = [0, 0, 0x11, 0, 0x22, 0, 0, 0];
        let offset = usize::try_from(offset).unwrap();
        let end = offset + usize::try_from(size.bytes()).unwrap();
        Ok(packet
            .get(offset..end)
            .map(|part| part.iter().fold(0, |value, byte| value << 8 | *byte)))
    }

    fn may_goto(&mut self) -> MayGoto {
        match self.may_goto_left.checked_sub(1) {
            Some(left) => {
                self.may_goto_left = left;
                MayGoto::FallThrough
            }
            None => MayGoto::Jump,
        }
    }

    fn poll_stop(&self) -> Poll {
        self.stop
    }
}

fn host<'a>(program: &'a dyn Program, memory: &'a TestMemory) -> TestHost<'a> {
    TestHost {
        program,
        memory,
        may_goto_left: 4,
        stop: Poll::Continue,
    }
}

fn shown(result: Result<u64, Trap>) -> String {
    match result {
        Ok(value) => format!("{value:#x}"),
        Err(trap) => format!("! {trap}"),
    }
}

fn run(text: &str) -> String {
    let start = Start {
        stack: Stack::new(STACK),
        insns_max: Some(10_000),
    };
    let program = assemble(text).unwrap_or_else(|error| panic!("{error} in\n{text}"));
    let code = UncheckedCode::new(&lower_unchecked(&program).unwrap());
    let memory = TestMemory::new();
    let unchecked = shown(code.run(&memory, &mut host(&code, &memory), CTX, start));
    let code = Code::new(&Xlated::assume_verified_for_tests(&program));
    let memory = TestMemory::new();
    let verified = shown(code.run(&memory, &mut host(&code, &memory), CTX, start));
    assert_eq!(unchecked, verified);
    unchecked
}

#[test]
fn programs_give_what_the_cases_say() {
    cases::dir("tests/cases", |case| {
        case.expect("result", &run(case.input("prog")));
    });
}

#[test]
fn limit_counts_every_instruction() {
    let program = assemble("r0 = 0\nexit").unwrap();
    let code = Code::new(&Xlated::assume_verified_for_tests(&program));
    let memory = TestMemory::new();
    let mut host = host(&code, &memory);
    let start = |insns_max| Start {
        stack: Stack::new(STACK),
        insns_max,
    };
    assert_eq!(code.run(&memory, &mut host, CTX, start(None)), Ok(0));
    assert_eq!(code.run(&memory, &mut host, CTX, start(Some(2))), Ok(0));
    assert!(code.run(&memory, &mut host, CTX, start(Some(1))).is_err());
}

//! `BPF_PROG_TEST_RUN`: of XDP programs, and what Linux would say of others.

use crate::services::RunServices;
use crate::{Connection, Presence, Prog};
use skep_exec::{EngineKind, Outcome, Packet, PacketSpec, RunError, RunSettings, Runner};
use skep_uapi::{Engine, Errno, ProgType, TestRun, TestRunResult, Value};

/// Smallest packet: an Ethernet header.
const PACKET_BYTES_MIN: usize = 14;
/// Largest packet that Linux takes in a test run: what 17 fragments of a page hold besides the linear part.
const PACKET_BYTES_MAX: usize = Packet::LINEAR_BYTES_MAX + 17 * 4096;
/// Bytes of `struct xdp_md`.
const XDP_MD_BYTES: usize = 24;
/// Longest metadata: what the headroom leaves behind what it reserves.
const META_BYTES_MAX: u32 = 216;
/// Runs before a watched peer's presence is first asked for, small enough for slow programs on the slowest engine.
const PIECE_RUNS_FIRST: u32 = 64;
/// Nanoseconds of a piece of a watched run from which pieces no longer grow: a dead peer's run ends so soon, and the
/// clock is read too seldom to show in the average.
const PIECE_NS: u64 = 50_000_000;
/// Interface that a packet comes from unless the context says otherwise: Linux uses the loopback device.
const LOOPBACK: u32 = 1;

/// Program types that Linux 6.18 has test runs for.
const LINUX_RUNS: [ProgType; 14] = [
    ProgType::SOCKET_FILTER,
    ProgType::SCHED_CLS,
    ProgType::SCHED_ACT,
    ProgType::XDP,
    ProgType::CGROUP_SKB,
    ProgType::LWT_IN,
    ProgType::LWT_OUT,
    ProgType::LWT_XMIT,
    ProgType::LWT_SEG6LOCAL,
    ProgType::RAW_TRACEPOINT,
    ProgType::FLOW_DISSECTOR,
    ProgType::SK_LOOKUP,
    ProgType::SYSCALL,
    ProgType::NETFILTER,
];

pub(crate) fn run(connection: &Connection, run: &TestRun) -> Result<Value, Errno> {
    let prog = connection.prog(run.prog)?;
    if prog.prog_type != ProgType::XDP || prog.image().is_err() {
        // Of these, Linux could do more.
        let linux_runs = LINUX_RUNS.contains(&prog.prog_type);
        return Err(if linux_runs {
            Errno::EOPNOTSUPP
        } else {
            Errno::ENOTSUPP
        });
    }
    if run.flags != 0 || run.cpu != 0 {
        return Err(Errno::EINVAL);
    }
    if run.data_in.len() < PACKET_BYTES_MIN {
        return Err(Errno::EINVAL);
    }
    if run.data_in.len() > PACKET_BYTES_MAX {
        return Err(Errno::ENOMEM);
    }
    let spec = match run.ctx_in.as_slice() {
        [] => PacketSpec {
            ifindex: LOOPBACK,
            ..PacketSpec::default()
        },
        ctx => packet_spec(ctx, run.data_in.len())?,
    };
    let packet = Packet::new(&run.data_in, &spec).ok_or(Errno::ENOMEM)?;
    let outcome =
        execute(connection, &prog, &packet, run.engine, run.repeat.max(1)).map_err(|error| {
            match error {
                RunError::NoEngine { .. } => Errno::EOPNOTSUPP,
                RunError::Stopped => Errno::EINTR,
                _ => Errno::EFAULT,
            }
        })?;
    let bytes = packet.bytes();
    let ctx_out = if run.ctx_size_out == 0 {
        Vec::new()
    } else {
        context(&packet, &run.ctx_in, run.data_in.len(), bytes.len())
    };
    let room = usize::try_from(run.data_size_out).map_err(|_| Errno::EINVAL)?;
    if room > 0 && room < bytes.len() {
        return Err(Errno::ENOSPC);
    }
    let kept = room.min(bytes.len());
    Ok(Value::TestRun(TestRunResult {
        retval: u32::try_from(outcome.retval & 0xffff_ffff).expect("masked to 32 bits"),
        duration_ps: outcome.elapsed_ns.saturating_mul(1000) / u64::from(run.repeat.max(1)),
        data_size: u32::try_from(bytes.len()).map_err(|_| Errno::EINVAL)?,
        data_out: bytes[..kept].to_vec(),
        ctx_out,
    }))
}

/// Leases a CPU slot and hands `work` what runs a program on it.
pub(crate) fn with_runner<R>(
    connection: &Connection,
    prog: &Prog,
    work: impl FnOnce(&Runner<'_>) -> R,
) -> Result<R, RunError> {
    let image = prog.image()?;
    let machine = connection.machine();
    let services = RunServices {
        machine,
        peer: connection.peer(),
    };
    let slot = machine.cpus.lease();
    let settings = RunSettings {
        services: &services,
        cpu: slot.number,
        numa_node: 0,
    };
    Ok(work(&Runner::new(image, settings)))
}

/// Runs a program on a leased CPU slot.
pub(crate) fn execute(
    connection: &Connection,
    prog: &Prog,
    packet: &Packet,
    engine: Engine,
    repeat: u32,
) -> Result<Outcome, RunError> {
    let engine = engine_of(prog, engine);
    with_runner(connection, prog, |runner| match connection.presence() {
        None => runner.run(engine, packet, repeat),
        Some(presence) => run_watched(presence, repeat, |runs| runner.run(engine, packet, runs)),
    })?
}

/// Runs in pieces, between which a peer that has gone ends it. The packet is the same all the time, as in one piece.
fn run_watched(
    presence: &dyn Presence,
    repeat: u32,
    run: impl Fn(u32) -> Result<Outcome, RunError>,
) -> Result<Outcome, RunError> {
    let (mut left, mut piece, mut elapsed_ns) = (repeat, PIECE_RUNS_FIRST, 0_u64);
    loop {
        let runs = piece.min(left);
        let outcome = run(runs)?;
        elapsed_ns = elapsed_ns.saturating_add(outcome.elapsed_ns);
        left -= runs;
        if left == 0 {
            return Ok(Outcome {
                elapsed_ns,
                ..outcome
            });
        }
        if presence.is_gone() {
            return Err(RunError::Stopped);
        }
        if outcome.elapsed_ns < PIECE_NS {
            piece = piece.saturating_mul(2);
        }
    }
}

/// The engine that a choice means for a program.
pub(crate) fn engine_of(prog: &Prog, engine: Engine) -> EngineKind {
    match engine {
        Engine::Auto if prog.compiled().is_some() => EngineKind::Native,
        Engine::Auto | Engine::Interp => EngineKind::Interp,
        Engine::Jit => EngineKind::Native,
        Engine::Checked => EngineKind::Checked,
    }
}

/// Reads a `struct xdp_md` given as context: `data` is the length of the metadata at the start of the packet, `data_end` at most
/// the length of all, `data_meta` 0. The machine has one interface of its own, the loopback device with one queue.
fn packet_spec(ctx: &[u8], data_bytes: usize) -> Result<PacketSpec, Errno> {
    let (known, rest) = ctx.split_at(ctx.len().min(XDP_MD_BYTES));
    if rest.iter().any(|byte| *byte != 0) {
        return Err(Errno::E2BIG);
    }
    let [data, data_end, data_meta, ifindex, rx_queue, egress] = words(known);
    let meta_bytes = usize::try_from(data).map_err(|_| Errno::EINVAL)?;
    let inside = usize::try_from(data_end).is_ok_and(|end| end <= data_bytes);
    let meta_good = data <= META_BYTES_MAX
        && data.is_multiple_of(4)
        && meta_bytes + PACKET_BYTES_MIN <= data_bytes;
    if data_meta != 0 || egress != 0 || data > data_end || !inside || !meta_good {
        return Err(Errno::EINVAL);
    }
    match (ifindex, rx_queue) {
        (0 | LOOPBACK, 0) => Ok(PacketSpec {
            ifindex: LOOPBACK,
            rx_queue,
            meta_bytes,
        }),
        (0 | LOOPBACK, _) => Err(Errno::EINVAL),
        (_, _) => Err(Errno::ENODEV),
    }
}

/// The words of a `struct xdp_md`; missing ones are zero.
fn words(ctx: &[u8]) -> [u32; 6] {
    let mut words = [0; 6];
    for (word, bytes) in words.iter_mut().zip(ctx.as_chunks::<4>().0) {
        *word = u32::from_ne_bytes(*bytes);
    }
    words
}

/// The `struct xdp_md` after the run. Without one before it, Linux fills in only what the program's changes move.
fn context(packet: &Packet, ctx_in: &[u8], bytes_in: usize, bytes_out: usize) -> Vec<u8> {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let mut words = words(ctx_in);
    words[0] = number(packet.meta_bytes());
    words[1] = words[1]
        .wrapping_add(number(bytes_out))
        .wrapping_sub(number(bytes_in));
    words.map(u32::to_ne_bytes).concat()
}

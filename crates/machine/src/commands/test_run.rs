//! `BPF_PROG_TEST_RUN` of XDP programs.

use crate::services::RunServices;
use crate::{Connection, Prog};
use skep_exec::{EngineKind, Packet, PacketSpec, RunError, RunSettings, Runner};
use skep_uapi::{Engine, Errno, ProgType, TestRun, TestRunResult, Value};

/// Smallest packet: an Ethernet header.
const PACKET_BYTES_MIN: usize = 14;
/// Largest packet that Linux takes in a test run: what 17 fragments of a page hold besides the linear part.
const PACKET_BYTES_MAX: usize = Packet::LINEAR_BYTES_MAX + 17 * 4096;
/// Bytes of `struct xdp_md`.
const XDP_MD_BYTES: usize = 24;
/// Interface that a packet comes from unless the context says otherwise: Linux uses the loopback device.
const LOOPBACK: u32 = 1;

pub(crate) fn run(connection: &Connection, run: &TestRun) -> Result<Value, Errno> {
    let prog = connection.prog(run.prog)?;
    if prog.prog_type != ProgType::XDP {
        return Err(Errno::ENOTSUPP);
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
        context(&packet, &bytes, &spec)
    };
    let kept = usize::try_from(run.data_size_out)
        .map_err(|_| Errno::EINVAL)?
        .min(bytes.len());
    Ok(Value::TestRun(TestRunResult {
        retval: u32::try_from(outcome.retval & 0xffff_ffff).expect("masked to 32 bits"),
        duration_ps: outcome.elapsed_ns.saturating_mul(1000) / u64::from(run.repeat.max(1)),
        data_size: u32::try_from(bytes.len()).map_err(|_| Errno::EINVAL)?,
        data_out: bytes[..kept].to_vec(),
        ctx_out,
    }))
}

/// Runs a program on a leased CPU slot.
pub(crate) fn execute(
    connection: &Connection,
    prog: &Prog,
    packet: &Packet,
    engine: Engine,
    repeat: u32,
) -> Result<skep_exec::Outcome, RunError> {
    let machine = connection.machine();
    let services = RunServices {
        machine,
        peer: connection.peer(),
    };
    let slot = machine.cpus.lease();
    let runner = Runner::new(
        &prog.image,
        RunSettings {
            services: &services,
            cpu: slot.number,
            numa_node: 0,
        },
    );
    let engine = match engine {
        Engine::Auto if prog.image.compiled().is_some() => EngineKind::Native,
        Engine::Auto | Engine::Interp => EngineKind::Interp,
        Engine::Jit => EngineKind::Native,
        Engine::Checked => EngineKind::Checked,
    };
    runner.run(engine, packet, repeat)
}

fn word(ctx: &[u8], number: usize) -> u32 {
    ctx.as_chunks::<4>()
        .0
        .get(number)
        .map_or(0, |word| u32::from_ne_bytes(*word))
}

/// Reads a `struct xdp_md` given as context: `data` is the length of the metadata at the start of the packet, `data_end` the length
/// of all, `data_meta` 0.
fn packet_spec(ctx: &[u8], data_bytes: usize) -> Result<PacketSpec, Errno> {
    let (known, rest) = ctx.split_at(ctx.len().min(XDP_MD_BYTES));
    if rest.iter().any(|byte| *byte != 0) {
        return Err(Errno::E2BIG);
    }
    let [data, data_end, data_meta, ifindex, rx_queue, egress] =
        [0, 1, 2, 3, 4, 5].map(|number| word(known, number));
    let meta_bytes = usize::try_from(data).map_err(|_| Errno::EINVAL)?;
    let whole = usize::try_from(data_end) == Ok(data_bytes);
    let meta_good = meta_bytes <= 216 && meta_bytes.is_multiple_of(4) && meta_bytes <= data_bytes;
    if data_meta != 0 || egress != 0 || !whole || !meta_good {
        return Err(Errno::EINVAL);
    }
    if ifindex == 0 && rx_queue != 0 {
        return Err(Errno::EINVAL);
    }
    let ifindex = if ifindex == 0 { LOOPBACK } else { ifindex };
    Ok(PacketSpec {
        ifindex,
        rx_queue,
        meta_bytes,
    })
}

/// The `struct xdp_md` after the run.
fn context(packet: &Packet, bytes: &[u8], spec: &PacketSpec) -> Vec<u8> {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let ifindex = if spec.ifindex == LOOPBACK && spec.rx_queue == 0 {
        0
    } else {
        spec.ifindex
    };
    let words = [
        number(packet.meta_bytes()),
        number(bytes.len()),
        0,
        ifindex,
        spec.rx_queue,
        0,
    ];
    words.map(u32::to_ne_bytes).concat()
}

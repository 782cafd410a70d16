//! Namespaces, the generator, and the counters that both sides have in common.

use crate::Outcome;
use skep_sys::interface_index;
use skep_sys::packet::{TxSocket, VnetHeader};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// CPU of the generator, on which the softirq of what it sends runs, too.
const GENERATOR_CPU: &str = "0";
/// Frames between two readings of the clock.
const BURST: u32 = 64;
const FRAME_BYTES: usize = 60;
const NEAR_MAC: [u8; 6] = [2, 0, 0, 0, 1, 1];
const FAR_MAC: [u8; 6] = [2, 0, 0, 0, 1, 2];

/// Starts this program again in a network namespace of its own, as `word`.
pub(super) fn inside(word: &str) -> Outcome {
    let mut command = Command::new("unshare");
    if skep_sys::effective_uid() != 0 {
        command.args(["--user", "--map-root-user"]);
    }
    let status = command
        .arg("--net")
        .arg(std::env::current_exe()?)
        .arg(word)
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("unshare: {status}").into())
    }
}

/// Two namespaces beside this one, and a folder for the daemon.
pub(super) struct World {
    far: Holder,
    other: Holder,
    folder: PathBuf,
}

/// A process that keeps a namespace.
struct Holder(Child);

impl Holder {
    fn new() -> Outcome<Self> {
        let mut child = Command::new("unshare")
            .args(["--net", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        // An answer shows that the namespace is made.
        let (input, output) = (child.stdin.as_mut(), child.stdout.as_mut());
        let (Some(input), Some(output)) = (input, output) else {
            return Err("no pipes".into());
        };
        input.write_all(b"\n")?;
        output.read_exact(&mut [0])?;
        Ok(Self(child))
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // A folder that stays in /tmp does no harm.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What the generator did.
pub(super) struct Sent {
    pub(super) frames: u64,
    pub(super) seconds: f64,
}

impl World {
    pub(super) fn new() -> Outcome<Self> {
        let (far, other) = (Holder::new()?, Holder::new()?);
        let folder = std::env::temp_dir().join(format!("skep-bench-net-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let (far_pid, other_pid) = (far.pid(), other.pid());
        let quiet =
            "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1";
        shell(&format!(
            "{quiet}; ip link set lo up; \
             ip link add x0 address 02:00:00:00:01:01 type veth peer name f0 address 02:00:00:00:01:02 netns {far_pid}; \
             ip link add y0 type veth peer name o0 netns {other_pid}; \
             ip address add 10.9.0.1/24 dev x0; ip link set x0 up; ip link set y0 up"
        ))?;
        for (pid, device) in [(&far_pid, "f0"), (&other_pid, "o0")] {
            // With GRO the other end of a veth polls, which Linux's native XDP needs to send there.
            shell(&format!(
                "nsenter -t {pid} --net sh -c '{quiet}; ip link set {device} up; ethtool -K {device} gro on || true'"
            ))?;
        }
        Ok(Self { far, other, folder })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn ifindex(&self) -> Outcome<u32> {
        Ok(interface_index("x0")?)
    }

    pub(super) fn other_ifindex(&self) -> Outcome<u32> {
        Ok(interface_index("y0")?)
    }

    /// Sends from the far side as fast as it can.
    pub(super) fn generate(&self, time: Duration) -> Outcome<Sent> {
        let output = Command::new("nsenter")
            .args([
                "-t",
                &self.far.pid(),
                "--net",
                "taskset",
                "-c",
                GENERATOR_CPU,
            ])
            .arg(std::env::current_exe()?)
            .args(["net-generate", &time.as_secs().to_string()])
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        let mut words = text.split_whitespace();
        let (frames, seconds) = (words.next(), words.next());
        let (Some(frames), Some(seconds)) = (frames, seconds) else {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        };
        Ok(Sent {
            frames: frames.parse()?,
            seconds: seconds.parse()?,
        })
    }
}

fn shell(script: &str) -> Outcome {
    let output = Command::new("sh").args(["-ec", script]).output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{script}: {}", String::from_utf8_lossy(&output.stderr)).into())
    }
}

/// The generator itself: `net-generate SECONDS` in the far namespace. Prints frames sent and seconds taken.
pub(crate) fn generate(seconds: Option<String>) -> Outcome {
    let time = Duration::from_secs(seconds.ok_or("how many seconds?")?.parse()?);
    let ifindex = interface_index("f0")?;
    let frame = frame();
    let mut socket = TxSocket::open(None)?;
    let begun = Instant::now();
    let mut frames = 0;
    while begun.elapsed() < time {
        for _ in 0..BURST {
            socket.push(ifindex, &VnetHeader::default(), &[&frame]);
        }
        frames += u64::from(socket.flush().sent);
    }
    println!("{frames} {}", begun.elapsed().as_secs_f64());
    Ok(())
}

/// A UDP datagram to an address that is nobody's: the IP layer counts it and lets it go.
fn frame() -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(NEAR_MAC);
    frame.extend(FAR_MAC);
    frame.extend([0x08, 0x00]);
    let ip_bytes = u16::try_from(FRAME_BYTES - 14).unwrap_or(0);
    let mut ip = [0_u8; 20];
    ip[0] = 0x45;
    ip[2..4].copy_from_slice(&ip_bytes.to_be_bytes());
    ip[8] = 64;
    ip[9] = 17;
    ip[12..16].copy_from_slice(&[10, 9, 0, 2]);
    ip[16..20].copy_from_slice(&[10, 9, 1, 1]);
    let sum: u32 = ip
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let folded = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or(0);
    ip[10..12].copy_from_slice(&folded.to_be_bytes());
    frame.extend(ip);
    let udp_bytes = ip_bytes - 20;
    frame.extend([0x30, 0x39, 0x30, 0x3a]);
    frame.extend(udp_bytes.to_be_bytes());
    frame.extend([0, 0]);
    frame.resize(FRAME_BYTES, 0);
    frame
}

/// Counters at the beginning of a trial.
pub(super) struct Meter {
    begun: Counters,
    worker: Option<u32>,
}

/// What changed during a trial.
#[derive(Clone, Copy)]
pub(super) struct Counters {
    /// Datagrams that the IP layer got.
    pub(super) passed: u64,
    /// Frames that came back to the far side.
    pub(super) returned: u64,
    /// Frames that came to the other side.
    pub(super) redirected: u64,
    /// CPU of the whole machine.
    pub(super) busy_ns: u64,
    /// CPU of skep's worker on `x0`, while there is one.
    pub(super) worker_ns: Option<u64>,
}

impl Meter {
    pub(super) fn begin(world: &World, worker: Option<u32>) -> Outcome<Self> {
        Ok(Self {
            begun: Counters::now(world, worker)?,
            worker,
        })
    }

    pub(super) fn end(self, world: &World) -> Outcome<Counters> {
        let (begun, ended) = (self.begun, Counters::now(world, self.worker)?);
        Ok(Counters {
            passed: ended.passed - begun.passed,
            returned: ended.returned - begun.returned,
            redirected: ended.redirected - begun.redirected,
            busy_ns: ended.busy_ns - begun.busy_ns,
            worker_ns: match (begun.worker_ns, ended.worker_ns) {
                (Some(begun), Some(ended)) => Some(ended.saturating_sub(begun)),
                (_, ended) => ended,
            },
        })
    }
}

impl Counters {
    fn now(world: &World, worker: Option<u32>) -> Outcome<Self> {
        Ok(Self {
            passed: ip_received()?,
            returned: received(&world.far.pid(), "f0")?,
            redirected: received(&world.other.pid(), "o0")?,
            busy_ns: busy_ns()?,
            worker_ns: worker.and_then(worker_ns),
        })
    }
}

/// `InReceives` of this namespace's IP layer.
fn ip_received() -> Outcome<u64> {
    let text = fs::read_to_string("/proc/self/net/snmp")?;
    let mut lines = text.lines().filter(|line| line.starts_with("Ip: "));
    let (names, values) = (lines.next(), lines.next());
    let (Some(names), Some(values)) = (names, values) else {
        return Err("no counters of IP".into());
    };
    let mut pairs = names.split(' ').zip(values.split(' '));
    let (_, value) = pairs
        .find(|(name, _)| *name == "InReceives")
        .ok_or("no InReceives")?;
    Ok(value.parse()?)
}

/// Frames that an interface of a process's namespace received.
fn received(pid: &str, device: &str) -> Outcome<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/net/dev"))?;
    let line = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(device)?.strip_prefix(':'));
    let count = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(count.ok_or("no such device")?.parse()?)
}

/// Nanoseconds that the CPUs were not idle; the kernel counts in hundredths of a second.
fn busy_ns() -> Outcome<u64> {
    const TICK_NS: u64 = 10_000_000;
    const IDLE: [usize; 2] = [3, 4];
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().unwrap_or_default();
    let mut ticks = 0;
    for (index, field) in line.split_whitespace().skip(1).take(8).enumerate() {
        if !IDLE.contains(&index) {
            ticks += field.parse::<u64>()?;
        }
    }
    Ok(ticks * TICK_NS)
}

/// Nanoseconds of the thread that works for `x0`.
fn worker_ns(pid: u32) -> Option<u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    tasks.flatten().find_map(|task| {
        let comm = fs::read_to_string(task.path().join("comm")).ok()?;
        let schedstat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        (comm.trim() == "skep-x0")
            .then(|| schedstat.split_whitespace().next()?.parse().ok())
            .flatten()
    })
}

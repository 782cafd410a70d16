//! Who attaches the programs: Linux itself or skep, each by the same command lines.
//!
//! A [`Site`] is a world with one attacher in it. Scenarios are functions over a site, so that what Linux does is tried by
//! the same code that skep must satisfy. bpftool speaks for Linux, as root and inside `near` only; its pins are in a
//! bpffs of the site's own. skep runs as the world's user, and its pins are in its machine.

use crate::common::{Program, Said, is_root, json_value};
use crate::tools::raw::{Bytes, Capture};
use crate::tools::udp::{self, Arrivals, Stream};
use crate::tools::{self, tcp};
use crate::world::{Size, Space, User, World};
use skep_testkit::TempDir;
use skep_testkit::oracle::{BpfFs, bpftool_path, make};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest wait for something that takes a moment.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What runs the programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Attacher {
    /// Linux's own XDP.
    Kernel(Mode),
    /// skep, one of its ways.
    Skep(Way),
}

/// Where Linux runs a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// `xdpgeneric`: in the stack, on socket buffers.
    Generic,
    /// `xdpdrv`: in the driver of veth.
    Native,
}

/// How skep reaches an interface's packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// Packet socket and tc.
    Packet,
    /// Queues of a TAP, by tc.
    Tun,
    /// AF_XDP, with the program that fills its sockets in the driver: as Linux's native mode, in what it can and cannot.
    AfXdp,
    /// None: the interface is a device that the machine made, whose wire it is.
    Tap,
}

impl Way {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Packet, Self::Tun, Self::AfXdp, Self::Tap];

    /// The word behind `--via`, and in what is shown.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Packet => "packet",
            Self::Tun => "tun",
            Self::AfXdp => "afxdp",
            Self::Tap => "tap",
        }
    }

    /// `--via WORD`, where it says something: there is one way alone to a device that the machine made.
    pub(crate) fn option(self) -> String {
        match self {
            Self::Packet | Self::Tun | Self::AfXdp => format!("--via {}", self.word()),
            Self::Tap => String::new(),
        }
    }

    /// Who may go it: an ordinary user wherever nothing forbids it.
    fn user(self) -> User {
        match self {
            Self::Packet => User::Ordinary,
            // Who is not root has a tun file of everybody's, if the needs are met.
            Self::Tun | Self::Tap if !is_root() => User::Ordinary,
            Self::Tun | Self::Tap | Self::AfXdp => User::Root,
        }
    }

    /// Ways whose tests are run: all, or those that `SKEP_NET_WAYS` lists.
    pub(crate) fn tested() -> Vec<Self> {
        let Ok(listed) = std::env::var("SKEP_NET_WAYS") else {
            return Self::ALL.to_vec();
        };
        let is_listed = |way: &Self| listed.split(',').any(|word| word == way.word());
        Self::ALL.into_iter().filter(is_listed).collect()
    }
}

impl Attacher {
    /// The name in tests' names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kernel(Mode::Generic) => "kernel_generic",
            Self::Kernel(Mode::Native) => "kernel_native",
            Self::Skep(Way::Packet) => "skep_packet",
            Self::Skep(Way::Tun) => "skep_tun",
            Self::Skep(Way::AfXdp) => "skep_afxdp",
            Self::Skep(Way::Tap) => "skep_tap",
        }
    }

    /// What bpftool and skep call the mode of an attachment.
    pub(crate) fn mode(self) -> &'static str {
        match self {
            Self::Kernel(Mode::Generic) | Self::Skep(Way::Packet | Way::Tun) => "generic",
            Self::Kernel(Mode::Native) | Self::Skep(Way::AfXdp | Way::Tap) => "driver",
        }
    }
}

/// The programs under test and their tools, shared by all tests of the target.
#[derive(Clone)]
pub(crate) struct Kit(Arc<Inner>);

struct Inner {
    program: Program,
    dir: TempDir,
    /// Serialises the compiler, so that no object is made twice.
    making: Mutex<()>,
}

impl Kit {
    /// Copies skep, the tests' own program and the sources to where every user can read them.
    pub(crate) fn new() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let program = Program::copy();
        let dir = TempDir::new("net-kit");
        for entry in fs::read_dir("tests/net/progs").unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, dir.join(path.file_name().unwrap())).unwrap();
        }
        let (own, copied) = (std::env::current_exe().unwrap(), dir.join("tools"));
        if fs::hard_link(&own, &copied).is_err() {
            fs::copy(&own, &copied).unwrap();
        }
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self(Arc::new(Inner {
            program,
            dir,
            making: Mutex::new(()),
        }))
    }

    /// skep; the examples lie beside it.
    pub(crate) fn skep(&self) -> PathBuf {
        self.0.program.skep()
    }

    /// The program that holds the traffic tools.
    pub(crate) fn tools(&self) -> PathBuf {
        self.0.dir.join("tools")
    }

    /// The object file of a program in `progs`, or of an example.
    pub(crate) fn object(&self, name: &str) -> PathBuf {
        let target = format!("{name}.bpf.o");
        let path = self.0.dir.join(&target);
        let _one = self
            .0
            .making
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.0.dir.join(format!("{name}.bpf.c")).exists() {
            if !path.exists() {
                make(&self.0.dir, &target);
            }
            return path;
        }
        self.0.program.skep().with_file_name(target)
    }
}

/// A world with an attacher.
pub(crate) struct Site {
    /// The namespaces.
    pub(crate) world: World,
    /// Who attaches.
    pub(crate) attacher: Attacher,
    kit: Kit,
    /// Pins of Linux.
    bpffs: Option<BpfFs>,
}

impl Site {
    /// A fresh world in which nothing is attached. skep works as an ordinary user wherever its way lets it.
    pub(crate) fn new(kit: &Kit, attacher: Attacher, size: Size) -> Self {
        let world = match attacher {
            // Linux lets root alone load programs, but into anybody's namespaces.
            Attacher::Kernel(_) => World::new(User::Ordinary, size),
            Attacher::Skep(way @ (Way::Packet | Way::Tun | Way::AfXdp)) => {
                World::new(way.user(), size)
            }
            Attacher::Skep(way @ Way::Tap) => {
                World::with_first_pair(way.user(), size, |near, far| {
                    let line = "net dev add tap x0 peer f0".split(' ');
                    let made = near.command(kit.skep()).args(line).output();
                    let said = Said::of(&made.unwrap());
                    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
                    near.sh(&format!("ip link set f0 netns {}", far.pid()));
                })
            }
        };
        Self::in_world(kit, attacher, world)
    }

    /// A site in a world that exists.
    pub(crate) fn in_world(kit: &Kit, attacher: Attacher, world: World) -> Self {
        let bpffs = matches!(attacher, Attacher::Kernel(_)).then(BpfFs::mount);
        Self {
            world,
            attacher,
            kit: kit.clone(),
            bpffs,
        }
    }

    /// Prepares an interface to receive what is sent to its peer by TX or REDIRECT.
    ///
    /// On veth, Linux's native XDP hands frames only to a peer that polls: for REDIRECT it must have GRO or a native
    /// program, for TX a program (with GRO alone the frames wait, uncounted, for the next ordinary one). So the peer gets one that
    /// passes. Everything else needs nothing.
    pub(crate) fn let_receive(&self, space: &Space, dev: &str) {
        if self.attacher != Attacher::Kernel(Mode::Native) {
            return;
        }
        let name = format!("receive_{dev}");
        self.load_as("pass", &name);
        let mut command = space.privileged(bpftool_path());
        let path = format!("{}/{name}", self.pins());
        let said = Said::of(
            &command
                .args(["net", "attach", "xdpdrv", "pinned", &path, "dev", dev])
                .output()
                .unwrap(),
        );
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    }

    /// Where programs are attached.
    pub(crate) fn near(&self) -> &Space {
        &self.world.near
    }

    /// Where traffic comes from.
    pub(crate) fn far(&self) -> &Space {
        &self.world.far
    }

    /// Compiled programs and tools.
    pub(crate) fn kit(&self) -> &Kit {
        &self.kit
    }

    /// The folder of pins, as command lines write it.
    pub(crate) fn pins(&self) -> String {
        self.bpffs
            .as_ref()
            .map_or("/sys/fs/bpf".to_owned(), |bpffs| {
                bpffs.display().to_string()
            })
    }

    /// The attacher's command line inside `near`; `{P}` stands for the folder of pins.
    pub(crate) fn tool(&self, line: &str) -> Command {
        let mut command = match self.attacher {
            Attacher::Kernel(_) => self.near().privileged(bpftool_path()),
            Attacher::Skep(_) => self.near().command(self.kit.skep()),
        };
        let pins = self.pins();
        command.args(
            line.split_whitespace()
                .map(|word| word.replace("{P}", &pins)),
        );
        command
    }

    /// What a command line says.
    pub(crate) fn said(&self, line: &str) -> Said {
        Said::of(&self.tool(line).output().unwrap())
    }

    /// The results of a command line that succeeds.
    pub(crate) fn results(&self, line: &str) -> String {
        let said = self.said(line);
        assert_eq!(
            (said.code, said.err.as_str()),
            (Some(0), ""),
            "{line}\n{}",
            said.out
        );
        said.out
    }

    /// Loads a program and pins it as `{P}/as_name` and its maps in `{P}/as_name.maps`, with `_` for the dot.
    pub(crate) fn load_as(&self, program: &str, as_name: &str) {
        let object = self.kit.object(program);
        let line = format!(
            "prog load {} {{P}}/{as_name} pinmaps {{P}}/{as_name}_maps",
            object.display()
        );
        assert_eq!(self.results(&line), "");
    }

    /// Loads a program under its own name.
    pub(crate) fn load(&self, program: &str) {
        self.load_as(program, program);
    }

    /// The command line that attaches a pinned program; `more` is put behind it.
    pub(crate) fn attach_line(&self, name: &str, dev: &str, more: &str) -> String {
        let (kind, via) = match self.attacher {
            Attacher::Kernel(Mode::Generic) => ("xdpgeneric", String::new()),
            Attacher::Kernel(Mode::Native) => ("xdpdrv", String::new()),
            Attacher::Skep(way) => ("xdp", way.option()),
        };
        format!("net attach {kind} pinned {{P}}/{name} dev {dev} {more} {via}")
    }

    /// The command line that detaches, which must name the mode for Linux.
    pub(crate) fn detach_line(&self, dev: &str) -> String {
        let kind = match self.attacher {
            Attacher::Kernel(Mode::Generic) => "xdpgeneric",
            Attacher::Kernel(Mode::Native) => "xdpdrv",
            Attacher::Skep(_) => "xdp",
        };
        format!("net detach {kind} dev {dev}")
    }

    /// Attaches a pinned program to `x0`.
    pub(crate) fn attach(&self, name: &str) {
        self.attach_to(name, "x0");
    }

    /// Attaches a pinned program to an interface of `near`.
    pub(crate) fn attach_to(&self, name: &str, dev: &str) {
        assert_eq!(self.results(&self.attach_line(name, dev, "")), "");
    }

    /// Puts a pinned program in the place of the one that is attached to `x0`.
    pub(crate) fn replace(&self, name: &str) {
        assert_eq!(self.results(&self.attach_line(name, "x0", "overwrite")), "");
    }

    /// Detaches from `x0`.
    pub(crate) fn detach(&self) {
        assert_eq!(self.results(&self.detach_line("x0")), "");
    }

    /// Loads and attaches.
    pub(crate) fn run(&self, program: &str) {
        self.load(program);
        self.attach(program);
    }

    /// The counters of a program, without those that are zero.
    pub(crate) fn counts(&self, name: &str) -> BTreeMap<u64, u64> {
        let text = self.results(&format!("map dump pinned {{P}}/{name}_maps/counts -j"));
        let elements: serde_json::Value = serde_json::from_str(&text).unwrap();
        let pair = |element: &serde_json::Value| {
            let formatted = &element["formatted"];
            (
                formatted["key"].as_u64().unwrap(),
                formatted["value"].as_u64().unwrap(),
            )
        };
        elements
            .as_array()
            .unwrap()
            .iter()
            .map(pair)
            .filter(|&(_, value)| value != 0)
            .collect()
    }

    /// One counter.
    pub(crate) fn count(&self, name: &str, at: u64) -> u64 {
        self.counts(name).get(&at).copied().unwrap_or(0)
    }

    /// Waits until the counters are `expected`, and sees that they stay so for a moment.
    pub(crate) fn expect_counts(&self, name: &str, expected: &[(u64, u64)]) {
        let expected: BTreeMap<u64, u64> = expected
            .iter()
            .copied()
            .filter(|&(_, value)| value != 0)
            .collect();
        let begun = Instant::now();
        while self.counts(name) != expected && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(self.counts(name), expected, "counts of {name}");
    }

    /// Writes a number into the element `key` of a program's map.
    pub(crate) fn set(&self, name: &str, map: &str, key: u8, value: i32) {
        let bytes = |bytes: [u8; 4]| bytes.map(|byte| byte.to_string()).join(" ");
        let line = format!(
            "map update pinned {{P}}/{name}_maps/{map} key {} value {}",
            bytes(u32::from(key).to_le_bytes()),
            bytes(value.to_le_bytes())
        );
        assert_eq!(self.results(&line), "");
    }

    /// The id of a pinned program.
    pub(crate) fn id(&self, name: &str) -> String {
        let text = self.results(&format!("prog show pinned {{P}}/{name} -j"));
        json_value(&text, "id").unwrap()
    }

    /// Pings `x0` from `far` and gives how many answers came.
    pub(crate) fn ping(&self, count: u32) -> u32 {
        pinged(self.far(), "10.1.0.1", count)
    }

    /// Whether one ping is answered at once.
    pub(crate) fn is_answered(&self) -> bool {
        pinged_within(self.far(), "10.1.0.1", 1, 0.1) == 1
    }

    /// Pings `x0` from `far` and checks that no answer comes.
    pub(crate) fn expect_lost(&self, count: u32) {
        assert_eq!(pinged_within(self.far(), "10.1.0.1", count, 0.3), 0);
    }

    /// Sends frames out of `f0`.
    pub(crate) fn inject(&self, frames: &[Bytes]) {
        tools::raw::send(self.far(), &self.tools(), "f0", frames);
    }

    /// Begins to capture what `f0` receives.
    pub(crate) fn capture_far(&self) -> Capture {
        Capture::start(self.far(), &self.tools(), "f0")
    }

    /// UDP from `far` to the host behind `x0`, and what arrives there.
    pub(crate) fn udp(&self, stream: &Stream<'_>) -> Arrivals {
        let (_, port) = stream.to.rsplit_once(':').unwrap();
        udp::exchange(
            self.far(),
            stream,
            self.near(),
            port.parse().unwrap(),
            &self.tools(),
        )
    }

    /// A bulk transfer from `far` to the host behind `x0`.
    pub(crate) fn tcp(&self, port: u16) {
        tcp::transfer(
            self.far(),
            self.near(),
            &format!("10.1.0.1:{port}"),
            &self.tools(),
        );
    }

    /// The program that holds the traffic tools.
    pub(crate) fn tools(&self) -> PathBuf {
        self.kit.tools()
    }

    /// Begins to read what programs print; see [`Trace`].
    pub(crate) fn trace(&self) -> Trace {
        match self.attacher {
            Attacher::Kernel(_) => Trace::Kernel(KernelTrace::new()),
            Attacher::Skep(_) => {
                let mut command = self.tool("prog tracelog");
                let file = self.near().home().join("trace");
                command.stdout(fs::File::create(&file).unwrap());
                Trace::Skep {
                    child: command.spawn().unwrap(),
                    file,
                }
            }
        }
    }
}

/// Pings and counts the answers. The packets are 20 ms apart.
pub(crate) fn pinged(from: &Space, to: &str, count: u32) -> u32 {
    pinged_within(from, to, count, 2.0)
}

fn pinged_within(from: &Space, to: &str, count: u32, seconds: f32) -> u32 {
    let said = from.said(&format!("ping -n -q -c {count} -i 0.02 -W {seconds} {to}"));
    let (before, _) = said
        .out
        .split_once(" received")
        .unwrap_or_else(|| panic!("{said:?}"));
    before.rsplit(' ').next().unwrap().parse().unwrap()
}

/// The lines that programs print from now on.
pub(crate) enum Trace {
    /// An instance of Linux's tracing.
    Kernel(KernelTrace),
    /// `skep prog tracelog`.
    Skep {
        /// It.
        child: std::process::Child,
        /// What it printed.
        file: PathBuf,
    },
}

impl Trace {
    /// What was printed so far. From Linux also what programs of other processes print.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Kernel(trace) => fs::read_to_string(trace.instance.join("trace")).unwrap(),
            Self::Skep { file, .. } => fs::read_to_string(file).unwrap(),
        }
    }

    /// Waits until `is_there` holds of what was printed, and gives it.
    pub(crate) fn wait_for(&self, is_there: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let text = self.text();
            if is_there(&text) {
                return text;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "not in the trace in time:\n{text}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if let Self::Skep { child, .. } = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A tracing instance, with a buffer of its own, so that no line of another reader's is taken away.
pub(crate) struct KernelTrace {
    mount: TempDir,
    instance: PathBuf,
}

impl KernelTrace {
    fn new() -> Self {
        let mount = TempDir::new("tracefs");
        skep_sys::mount_pseudo(skep_sys::TRACE_FS, &mount).unwrap();
        let name = mount.file_name().unwrap();
        let instance = mount.join("instances").join(name);
        let trace = Self { instance, mount };
        fs::create_dir(&trace.instance).unwrap();
        for event in ["bpf_trace/bpf_trace_printk", "xdp/xdp_exception"] {
            trace.enable(event);
        }
        trace
    }

    fn enable(&self, event: &str) {
        fs::write(self.instance.join("events").join(event).join("enable"), "1").unwrap();
    }
}

impl Drop for KernelTrace {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.instance);
        let _ = skep_sys::unmount(&self.mount);
    }
}

//! What a test may need of the machine, and whether it is there.
//!
//! A probe does what the test will do, in small: loads a program, makes a namespace, asks a tool for its version. So
//! "root" or "Linux" is never taken for a right. Each probe runs once a process.

use crate::oracle;
use skep_sys::bpf::{Name, ProgLoad, prog_load};
use std::fmt;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Something that not every machine has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Loading programs into the running kernel, and its BTF.
    Oracle,
    /// Network namespaces made by an ordinary user, and the tools that configure them and send pings.
    Netns,
    /// Running aarch64 code: qemu's user mode, a cross compiler and libc.
    Qemu,
    /// clang 19 with LLVM's tools, libbpf's headers and make.
    Clang,
    /// A bpftool to compare with: 7.5 or later, with LLVM.
    Bpftool,
    /// TUN devices for whoever runs the tests: `/dev/net/tun` is often root's alone.
    Tun,
    /// AF_XDP: sockets, and what loads the program that fills them, which only [`Need::Oracle`]'s rights may.
    AfXdp,
}

impl Need {
    /// All needs, in the order of the enum.
    pub const ALL: [Self; 7] = [
        Self::Oracle,
        Self::Netns,
        Self::Qemu,
        Self::Clang,
        Self::Bpftool,
        Self::Tun,
        Self::AfXdp,
    ];

    /// The name in `SKEP_REQUIRE` and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Oracle => "oracle",
            Self::Netns => "netns",
            Self::Qemu => "qemu",
            Self::Clang => "clang",
            Self::Bpftool => "bpftool",
            Self::Tun => "tun",
            Self::AfXdp => "afxdp",
        }
    }

    fn probe(self) -> Result<(), String> {
        match self {
            Self::Oracle => probe_oracle(),
            Self::Netns => probe_netns(),
            Self::Qemu => probe_tools(&["qemu-aarch64-static", "aarch64-linux-gnu-gcc"]),
            Self::Clang => probe_clang(),
            Self::Bpftool => oracle::find_bpftool().map(|_| ()),
            Self::Tun => probe_tun(),
            Self::AfXdp => probe_afxdp(),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A need that this machine does not meet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Missing {
    /// What is missing.
    pub need: Need,
    /// What the probe met, in one line.
    pub why: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "needs {}: {}", self.need, self.why)
    }
}

/// Whether this machine meets a need.
///
/// # Errors
/// What is missing, as the probe met it.
pub fn need(need: Need) -> Result<(), Missing> {
    static PROBED: [OnceLock<Result<(), String>>; Need::ALL.len()] =
        [const { OnceLock::new() }; Need::ALL.len()];
    let at = Need::ALL.iter().position(|&other| other == need);
    let probed = &PROBED[at.expect("ALL holds every need")];
    let outcome = probed.get_or_init(|| need.probe()).clone();
    outcome.map_err(|why| Missing { need, why })
}

/// Whether `SKEP_REQUIRE`, a list with commas, names the need.
#[must_use]
pub fn required(need: Need) -> bool {
    std::env::var("SKEP_REQUIRE")
        .is_ok_and(|needs| needs.split(',').any(|name| name == need.name()))
}

fn probe_oracle() -> Result<(), String> {
    const BTF: &str = "/sys/kernel/btf/vmlinux";
    const SOCKET_FILTER: u32 = 1;
    // `r0 = 0; exit`
    const INSNS: [u8; 16] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
    let name = Name::new("skep_probe").expect("the name is shorter than 15 bytes");
    let load = ProgLoad::new(SOCKET_FILTER, &INSNS, c"GPL", name);
    // An ordinary user may load a socket filter where unprivileged BPF is on, but nothing else.
    if skep_sys::effective_uid() != 0 {
        return Err("not root".to_owned());
    }
    prog_load(load).map_err(|error| format!("bpf(2) refuses to load a program: {error}"))?;
    match Path::new(BTF).exists() {
        true => Ok(()),
        false => Err(format!("no {BTF}")),
    }
}

/// As an ordinary user also where the tests run as root, because root may what the tests' users may not.
fn probe_netns() -> Result<(), String> {
    let mut command = if skep_sys::effective_uid() == 0 {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "unshare",
        ]);
        command
    } else {
        Command::new("unshare")
    };
    command.args(["--user", "--map-root-user", "--net", "true"]);
    let output = command
        .output()
        .map_err(|error| format!("unshare: {error}"))?;
    match output.status.success() {
        true => probe_tools(&["ip", "tc", "ping", "ethtool", "nft"]),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

fn probe_tun() -> Result<(), String> {
    let mut options = OpenOptions::new();
    let opened = options.read(true).write(true).open(skep_sys::TUN_FILE);
    opened.map_err(|error| format!("{}: {error}", skep_sys::TUN_FILE))?;
    Ok(())
}

fn probe_afxdp() -> Result<(), String> {
    const PROTOCOLS: &str = "/proc/net/protocols";
    probe_oracle()?;
    let protocols =
        fs::read_to_string(PROTOCOLS).map_err(|error| format!("{PROTOCOLS}: {error}"))?;
    match protocols.lines().any(|line| line.starts_with("XDP ")) {
        true => Ok(()),
        false => Err("the kernel has no AF_XDP".to_owned()),
    }
}

fn probe_clang() -> Result<(), String> {
    const HEADER: &str = "/usr/include/bpf/bpf_helpers.h";
    probe_tools(&["clang-19", "llvm-objdump-19", "make"])?;
    match Path::new(HEADER).exists() {
        true => Ok(()),
        false => Err(format!("no {HEADER}")),
    }
}

/// Whether all tools are in `PATH`; they are started, but only to ask for their version.
fn probe_tools(tools: &[&str]) -> Result<(), String> {
    for tool in tools {
        // iproute2 and ping spell it without the long option.
        let question = match *tool {
            "ip" | "tc" | "ping" => "-V",
            _ => "--version",
        };
        let mut command = Command::new(tool);
        command
            .arg(question)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        match command.status() {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(format!("`{tool} {question}` fails: {status}")),
            Err(error) => return Err(format!("{tool}: {error}")),
        }
    }
    Ok(())
}

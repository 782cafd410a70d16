//! Daemons whose machine has interfaces: these are let go before the lock is, and when nobody is left in the namespace.
//!
//! The ports are fakes that make one device. The programs of daemon, guardian and client are this test itself.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{PATIENCE, wait_for};
use skep_daemon::{
    Guardian, Launch, Log, Options, connect_or_start, guard, machine_with_ports, run,
    wait_until_ended,
};
use skep_machine::{Attach, Attached, Machine, Ports, PortsError};
use skep_net::live::{Ledger, Promise, Undo};
use skep_sys::netlink::{IfName, Netlink, NewLink};
use skep_sys::{TerminationSignals, effective_uid};
use skep_testkit::{Harness, Need, TempDir};
use skep_uapi::{Bpf, Command as Ask, Errno, NetDevice, NetDeviceAdd, NetLive, Value};
use skep_wire::{Client, Endpoint};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const ROLE: &str = "SKEP_TEST_ROLE";
const FOLDER: &str = "SKEP_TEST_FOLDER";
const DEVICE: &str = "sk0a";

fn main() -> ExitCode {
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    let role = std::env::var(ROLE).unwrap_or_default();
    match (role.as_str(), folder) {
        ("guard", _) => guard().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        ("daemon", Some(folder)) => serve(&folder),
        ("attach", Some(folder)) => {
            attach(&connect(&folder));
            ExitCode::SUCCESS
        }
        ("ended_by_a_signal", Some(folder)) => ended_by_a_signal(&folder),
        ("not_idle_while_attached", Some(folder)) => not_idle_while_attached(&folder),
        (_, _) => outside(),
    }
}

fn outside() -> ExitCode {
    let mut harness = Harness::from_args();
    let mut kinds = vec![("", &["--user", "--map-root-user", "--net"][..])];
    // The real root sees other processes, with fewer rights than they have.
    if effective_uid() == 0 {
        kinds.push(("_as_root", &["--net"]));
    }
    for (suffix, namespaces) in kinds {
        let need = &[Need::Netns];
        let named = |name: &str| format!("{name}{suffix}");
        harness = harness
            .case(named("ended_by_a_signal"), need, move || {
                inside("ended_by_a_signal", namespaces);
            })
            .case(named("not_idle_while_attached"), need, move || {
                inside("not_idle_while_attached", namespaces);
            })
            .case(named("everybody_leaves"), need, move || {
                everybody_leaves(namespaces);
            })
            .case(named("namespace_deleted"), need, move || {
                namespace_deleted(namespaces);
            });
    }
    harness.run()
}

/// Ports that make one device and promise to delete it.
#[derive(Debug)]
struct OneDevice {
    guardian: Arc<Guardian>,
    made: Mutex<Option<(NetDevice, Promise)>>,
}

fn new_link(name: &str) -> NewLink {
    NewLink {
        name: IfName::new(name).unwrap(),
        mac: None,
        mtu: None,
        alias: None,
    }
}

impl Ports for OneDevice {
    fn attach(&self, _: &Arc<Machine>, _: &Attach) -> Result<(), PortsError> {
        Err(PortsError {
            errno: Errno::EOPNOTSUPP,
            why: "a fake".to_owned(),
        })
    }

    fn detach(&self, _: u32) -> Result<Option<NetLive>, PortsError> {
        Ok(None)
    }

    fn query(&self) -> Vec<Attached> {
        Vec::new()
    }

    fn device_add(&self, device: &NetDeviceAdd) -> Result<u32, PortsError> {
        let name = device.name.clone();
        let promise = self.guardian.promise(&Undo::DeleteLink { name }).unwrap();
        let mut netlink = Netlink::open().unwrap();
        netlink
            .create_veth(&new_link(&device.name), &new_link("sk0b"))
            .unwrap();
        let device = NetDevice {
            name: device.name.clone(),
            ifindex: 9,
            peer: None,
        };
        *self.made.lock().unwrap() = Some((device, promise));
        Ok(9)
    }

    fn device_delete(&self, _: &str) -> Result<(), PortsError> {
        if let Some((device, promise)) = self.made.lock().unwrap().take() {
            let name = IfName::new(&device.name).unwrap();
            Netlink::open().unwrap().delete_link_by_name(&name).unwrap();
            self.guardian.forget(promise);
        }
        Ok(())
    }

    fn devices(&self) -> Vec<NetDevice> {
        let made = self.made.lock().unwrap();
        made.iter().map(|(device, _)| device.clone()).collect()
    }

    fn shut_down(&self) {
        self.device_delete(DEVICE).unwrap();
    }
}

fn launch(role: &str, folder: &Path) -> Launch {
    let program = std::env::current_exe().unwrap();
    let mut at = OsString::from(format!("{FOLDER}="));
    at.push(folder);
    Launch {
        program: "/usr/bin/env".into(),
        args: vec![format!("{ROLE}={role}").into(), at, program.into()],
    }
}

/// What `skep daemon run` does, with other ports and less patience.
fn serve(folder: &Path) -> ExitCode {
    let signals = TerminationSignals::block().unwrap();
    skep_daemon::drop_rights().unwrap();
    let endpoint = endpoint(folder);
    let log = Log::file(&endpoint.log_path()).unwrap();
    let mut options = Options::new(log, Some(signals));
    options.idle = Some(Duration::from_millis(200));
    let guardian = Arc::new(Guardian::of_daemon(launch("guard", folder), &endpoint));
    let ports = Arc::new(OneDevice {
        guardian: Arc::clone(&guardian),
        made: Mutex::new(None),
    });
    run(&endpoint, machine_with_ports(ports, guardian), options).unwrap();
    ExitCode::SUCCESS
}

fn endpoint(folder: &Path) -> Endpoint {
    Endpoint::in_folder(folder.to_owned()).unwrap()
}

fn connect(folder: &Path) -> Client {
    connect_or_start(&launch("daemon", folder), &endpoint(folder)).unwrap()
}

fn attach(client: &Client) {
    let add = NetDeviceAdd {
        name: DEVICE.to_owned(),
        peer: None,
    };
    let reply = client.call(Ask::NetDeviceAdd(add));
    assert_eq!(reply.result, Ok(Value::Id(9)));
}

fn has_device() -> bool {
    let name = IfName::new(DEVICE).unwrap();
    Netlink::open()
        .unwrap()
        .link_by_name(&name)
        .unwrap()
        .is_some()
}

/// Runs a case within a namespace of its own.
fn inside(role: &str, namespaces: &[&str]) {
    let folder = TempDir::new("ports");
    let program = std::env::current_exe().unwrap();
    let output = unshare(namespaces, role, &folder)
        .arg("--")
        .arg(program)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

fn unshare(namespaces: &[&str], role: &str, folder: &Path) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(namespaces)
        .env(ROLE, role)
        .env(FOLDER, folder)
        .stdin(Stdio::null());
    command
}

fn ended_by_a_signal(folder: &Path) -> ExitCode {
    let client = connect(folder);
    attach(&client);
    let status = client.daemon_status().unwrap();
    let guardian = status.guardian.unwrap();
    assert_eq!(guardian.entries, 1);
    let name = std::fs::read_link(format!("/proc/{}/ns/net", guardian.pid));
    assert_eq!(
        name.unwrap(),
        std::fs::read_link("/proc/self/ns/net").unwrap()
    );
    let kill = format!("kill -TERM {}", status.pid);
    assert!(
        Command::new("sh")
            .args(["-c", &kill])
            .status()
            .unwrap()
            .success()
    );
    assert!(wait_until_ended(&endpoint(folder), PATIENCE).unwrap());
    // At the moment that the lock is free.
    assert!(!has_device());
    assert!(!endpoint(folder).journal().journal.exists());
    let log = std::fs::read_to_string(endpoint(folder).log_path()).unwrap();
    assert!(log.contains("ends: signal"), "{log}");
    assert!(!log.contains("guardian"), "{log}");
    ExitCode::SUCCESS
}

fn not_idle_while_attached(folder: &Path) -> ExitCode {
    attach(&connect(folder));
    thread::sleep(Duration::from_millis(1500));
    // Somebody is here: this process.
    let client = Client::connect(&endpoint(folder)).unwrap();
    assert!(has_device());
    let name = DEVICE.to_owned();
    let reply = client.call(Ask::NetDeviceDelete { name });
    assert_eq!(reply.result, Ok(Value::Unit));
    assert_eq!(client.daemon_status().unwrap().guardian, None);
    drop(client);
    assert!(wait_until_ended(&endpoint(folder), PATIENCE).unwrap());
    ExitCode::SUCCESS
}

/// The logs in a folder: the names of the namespace's files are not known outside.
fn log(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).unwrap().flatten();
    let logs = files.filter(|file| file.path().extension().is_some_and(|end| end == "log"));
    logs.map(|file| std::fs::read_to_string(file.path()).unwrap())
        .collect()
}

fn wait_deserted(folder: &Path, begin: Instant) {
    wait_for("the end", || {
        log(folder).contains("ends: its network namespace is deserted")
    });
    assert!(
        begin.elapsed() < Duration::from_secs(3),
        "{:?}",
        begin.elapsed()
    );
    // Socket, journal and whatever else names something that lives.
    wait_for("the socket's removal", || {
        let files = std::fs::read_dir(folder).unwrap().flatten();
        files
            .filter_map(|file| file.path().extension().map(ToOwned::to_owned))
            .all(|end| end == "log" || end == "lock")
    });
}

/// The command that attaches is the only other process in the namespace.
fn everybody_leaves(namespaces: &[&str]) {
    let folder = TempDir::new("ports");
    let program = std::env::current_exe().unwrap();
    let status = unshare(namespaces, "attach", &folder)
        .arg("--")
        .arg(program)
        .status();
    let begin = Instant::now();
    assert!(status.unwrap().success());
    wait_deserted(&folder, begin);
}

/// A namespace that has a name is wanted until it has none, although nobody is in it.
fn namespace_deleted(namespaces: &[&str]) {
    let folder = TempDir::new("ports");
    let script = "set -e
        mount -t tmpfs none /run
        ip netns add skept
        ip netns exec skept \"$0\"
        sleep 1.5
        touch \"$SKEP_TEST_FOLDER/before.lock\"
        ip netns del skept
        sleep 3";
    let mut child = unshare(namespaces, "attach", &folder)
        .args(["--mount", "--", "/bin/sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .spawn()
        .unwrap();
    wait_for("a second and a half", || {
        folder.path().join("before.lock").exists()
    });
    assert!(!log(&folder).contains("ends"), "{}", log(&folder));
    wait_deserted(&folder, Instant::now());
    child.kill().unwrap();
    child.wait().unwrap();
}

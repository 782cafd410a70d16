//! Owners that die in each way, in network namespaces of their own: what they did to interfaces goes with them.
//!
//! The programs of owners and guardians are this test itself, told by variables what to be. A case runs once more within a
//! namespace, where it sees the interfaces.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Fake, wait_for};
use skep_daemon::{
    Guardian, Launch, Log, Options, RepairError, guard, repair, run, wait_until_ended,
};
use skep_net::live::{Direction, Ledger, Undo, Undone};
use skep_sys::netlink::{self, BpfFilter, FilterInfo, IfIndex, IfName, Netlink, NewLink, Redirect};
use skep_sys::{ClassicInsn, TerminationSignals, effective_uid};
use skep_testkit::{Harness, Need, TempDir};
use skep_wire::{Client, Endpoint, GuardianStatus};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// What this program is to be.
const ROLE: &str = "SKEP_TEST_ROLE";
/// Where its files are.
const FOLDER: &str = "SKEP_TEST_FOLDER";
const COOKIE: &[u8] = b"skep-test-cookie";
/// Within this a guardian has done its work.
const SOON: Duration = Duration::from_secs(1);

/// A case by name; it runs in a namespace.
type Case = (&'static str, fn(&Site));

const CASES: &[Case] = &[
    ("owner_killed", owner_killed),
    ("owner_killed_at_any_moment", owner_killed_at_any_moment),
    ("group_terminated", group_terminated),
    ("both_killed_then_repair", both_killed_then_repair),
    (
        "both_killed_then_the_next_daemon",
        both_killed_then_the_next_daemon,
    ),
    ("guardian_killed", guardian_killed),
    ("guardian_silent", guardian_silent),
    ("no_guardian_no_change", no_guardian_no_change),
    ("nothing_left_nothing_runs", nothing_left_nothing_runs),
    ("process_without_daemon", process_without_daemon),
];

fn main() -> ExitCode {
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    match (std::env::var(ROLE), folder) {
        (Ok(role), _) if role == "guard" => match guard() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let text = format!("{error}\n");
                std::io::stderr().write_all(text.as_bytes()).unwrap();
                ExitCode::FAILURE
            }
        },
        (Ok(role), Some(folder)) if role == "owner" => own(&folder),
        (Ok(role), Some(folder)) if role == "process" => own_without_daemon(&folder),
        (Ok(role), Some(folder)) if role == "daemon" => serve(&folder),
        (Ok(role), Some(folder)) => {
            let (_, case) = CASES.iter().find(|(name, _)| *name == role).unwrap();
            case(&Site::new(&folder));
            ExitCode::SUCCESS
        }
        (Ok(_), None) | (Err(_), _) => outside(),
    }
}

fn outside() -> ExitCode {
    let mut harness = Harness::from_args();
    for (name, _) in CASES {
        let user = ["--user", "--map-root-user", "--net"];
        harness = harness.case(*name, &[Need::Netns], move || in_namespace(name, &user));
        // The real root has other rights to give up.
        if effective_uid() == 0 {
            let case = format!("{name}_as_root");
            harness = harness.case(case, &[Need::Netns], move || in_namespace(name, &["--net"]));
        }
    }
    harness.run()
}

fn in_namespace(name: &str, namespaces: &[&str]) {
    let folder = TempDir::new("guardian");
    let output = Command::new("unshare")
        .args(namespaces)
        .arg(std::env::current_exe().unwrap())
        .env(ROLE, name)
        .env(FOLDER, folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

/// This program as a guardian.
fn launch() -> Launch {
    let program = std::env::current_exe().unwrap();
    Launch {
        program: "/usr/bin/env".into(),
        args: vec![format!("{ROLE}=guard").into(), program.into()],
    }
}

fn endpoint(folder: &Path) -> Endpoint {
    Endpoint::in_folder(folder.to_owned()).unwrap()
}

fn new_link(name: &str) -> NewLink {
    NewLink {
        name: IfName::new(name).unwrap(),
        mac: None,
        mtu: None,
        alias: None,
    }
}

fn index(netlink: &mut Netlink, name: &str) -> Option<IfIndex> {
    let name = IfName::new(name).unwrap();
    let link = netlink.link_by_name(&name).unwrap();
    link.map(|link| link.index)
}

fn add_filter(netlink: &mut Netlink, on: IfIndex, to: IfIndex, handle: u32, cookie: &[u8]) {
    // Lets every frame by.
    let program = [ClassicInsn {
        code: 6,
        jt: 0,
        jf: 0,
        k: 0,
    }];
    let filter = BpfFilter {
        index: on,
        direction: netlink::Direction::Ingress,
        preference: 1,
        handle,
        program: &program,
        redirect: Redirect {
            to,
            direction: netlink::Direction::Egress,
        },
        cookie,
    };
    netlink.add_bpf_filter(&filter).unwrap();
}

/// Changes interfaces as the packet way does: devices of its own, a clsact and a filter on the case's.
fn change(ledger: &impl Ledger, netlink: &mut Netlink, target: &str) {
    let delete_link = Undo::DeleteLink {
        name: "sk0a".to_owned(),
    };
    ledger.promise(&delete_link).unwrap();
    let (a, b) = (new_link("sk0a"), new_link("sk0b"));
    netlink.create_veth(&a, &b).unwrap();
    let on = index(netlink, target).unwrap();
    let to = index(netlink, "sk0a").unwrap();
    if !netlink.clsact_exists(on).unwrap() {
        let ifindex = on.get();
        ledger.promise(&Undo::DeleteClsact { ifindex }).unwrap();
        netlink.add_clsact(on).unwrap();
    }
    let delete_filter = Undo::DeleteFilter {
        ifindex: on.get(),
        direction: Direction::Ingress,
        preference: 1,
        handle: 7,
        cookie: COOKIE.to_vec(),
    };
    ledger.promise(&delete_filter).unwrap();
    add_filter(netlink, on, to, 7, COOKIE);
}

/// An owner as a daemon is one: it holds the place, changes interfaces, says so, and waits to be killed. Each line on its
/// input is a wish to look after the guardian; the answer is the guardian's number.
fn own(folder: &Path) -> ExitCode {
    let endpoint = endpoint(folder);
    let _claim = endpoint.claim().unwrap().unwrap();
    wait_for_death(&Guardian::of_daemon(launch(), &endpoint))
}

/// An owner as `skep run` is one.
fn own_without_daemon(folder: &Path) -> ExitCode {
    wait_for_death(&Guardian::of_process(launch(), &endpoint(folder)).unwrap())
}

fn wait_for_death(guardian: &Guardian) -> ExitCode {
    change(guardian, &mut Netlink::open().unwrap(), "x0");
    let mut stdout = std::io::stdout();
    for _line in [Ok(String::new())]
        .into_iter()
        .chain(std::io::stdin().lines())
    {
        guardian.revive().unwrap();
        let GuardianStatus { pid, entries } = guardian.status().unwrap();
        writeln!(stdout, "{pid} {entries}").unwrap();
        stdout.flush().unwrap();
    }
    ExitCode::SUCCESS
}

/// A daemon that has nothing to do with interfaces.
fn serve(folder: &Path) -> ExitCode {
    let signals = TerminationSignals::block().unwrap();
    skep_daemon::drop_rights().unwrap();
    let endpoint = endpoint(folder);
    let log = Log::file(&endpoint.log_path()).unwrap();
    let mut options = Options::new(log, Some(signals));
    options.idle = Some(Duration::from_secs(5));
    run(&endpoint, Arc::new(Fake::default()), options).unwrap();
    ExitCode::SUCCESS
}

/// A namespace with a veth pair x0, x1, and owners in it.
struct Site {
    folder: PathBuf,
    endpoint: Endpoint,
}

struct Owner {
    child: Child,
    answers: BufReader<ChildStdout>,
    guardian: u32,
}

impl Site {
    fn new(folder: &Path) -> Self {
        let (x0, x1) = (new_link("x0"), new_link("x1"));
        Netlink::open().unwrap().create_veth(&x0, &x1).unwrap();
        Self {
            folder: folder.to_owned(),
            endpoint: endpoint(folder),
        }
    }

    fn child(&self, role: &str) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .env(ROLE, role)
            .env(FOLDER, &self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// An owner that has made its changes.
    fn owner(&self, role: &str) -> Owner {
        let mut child = self.child(role);
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut owner = Owner {
            child,
            answers,
            guardian: 0,
        };
        assert_eq!(owner.answer(), 3);
        let (clsact, filters) = Self::target();
        assert!(self.has_devices() && clsact && filters.len() == 1);
        owner
    }

    fn has_devices(&self) -> bool {
        index(&mut Netlink::open().unwrap(), "sk0a").is_some()
    }

    /// Whether x0 has a clsact, and its filters.
    fn target() -> (bool, Vec<FilterInfo>) {
        let mut netlink = Netlink::open().unwrap();
        let x0 = index(&mut netlink, "x0").unwrap();
        let filters = netlink.filters(x0, netlink::Direction::Ingress).unwrap();
        (netlink.clsact_exists(x0).unwrap(), filters)
    }

    fn is_clean(&self) -> bool {
        !self.has_devices() && Self::target() == (false, vec![])
    }

    fn wait_clean(&self, begin: Instant) {
        wait_for("the undoing", || self.is_clean());
        let journal = self.endpoint.journal().journal;
        wait_for("the journal's removal", || !journal.exists());
        assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.endpoint.log_path()).unwrap()
    }
}

impl Owner {
    /// Number of changes to undo, and as a side effect the guardian's.
    fn answer(&mut self) -> u32 {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let (guardian, entries) = line.trim().split_once(' ').unwrap();
        self.guardian = guardian.parse().unwrap();
        entries.parse().unwrap()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn signal(name: &str, pid: &str) {
    let status = Command::new("/bin/sh")
        .args(["-c", &format!("kill -{name} {pid}")])
        .status();
    assert!(status.unwrap().success());
}

fn lives(pid: u32) -> bool {
    // One that has ended and that nobody has waited for is dead enough.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
}

fn owner_killed(site: &Site) {
    let mut owner = site.owner("owner");
    // Descriptors of the owner's that would keep its place: none.
    let fds = std::fs::read_dir(format!("/proc/{}/fd", owner.guardian)).unwrap();
    let held: Vec<PathBuf> = fds
        .flatten()
        .filter_map(|fd| std::fs::read_link(fd.path()).ok())
        .collect();
    assert!(!held.contains(&site.endpoint.lock_path()), "{held:?}");
    let begin = Instant::now();
    owner.kill();
    site.wait_clean(begin);
    wait_for("the guardian's end", || !lives(owner.guardian));
    let log = site.log();
    for line in [
        "to undo: 3",
        "delete device sk0a: done",
        "delete clsact of interface",
    ] {
        assert!(log.contains(line), "{log}");
    }

    // What others have added stays, with what it needs.
    let mut owner = site.owner("owner");
    let mut netlink = Netlink::open().unwrap();
    let [x0, x1] = ["x0", "x1"].map(|name| index(&mut netlink, name).unwrap());
    add_filter(&mut netlink, x0, x1, 8, b"theirs");
    owner.kill();
    wait_for("the guardian's end", || !lives(owner.guardian));
    let (clsact, filters) = Site::target();
    assert!(clsact && !site.has_devices());
    let handles: Vec<u32> = filters.iter().map(|filter| filter.id.handle).collect();
    assert_eq!(handles, [8]);
    assert!(!site.endpoint.journal().journal.exists());
}

fn owner_killed_at_any_moment(site: &Site) {
    for round in 0..40 {
        let mut child = site.child("owner");
        thread::sleep(Duration::from_micros(1000 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        // A guardian that is being started has nothing to undo, and sees at once that nobody is there.
        let begin = Instant::now();
        let journal = site.endpoint.journal().journal;
        wait_for("the undoing", || site.is_clean() && !journal.exists());
        assert!(begin.elapsed() < SOON, "{round}: {:?}", begin.elapsed());
    }
}

fn group_terminated(site: &Site) {
    for name in ["TERM", "INT", "HUP"] {
        let mut owner = site.owner("owner");
        let guardian = owner.guardian.to_string();
        signal(name, &guardian);
        thread::sleep(Duration::from_millis(20));
        assert!(lives(owner.guardian), "{name}");
        let begin = Instant::now();
        signal(name, &owner.child.id().to_string());
        owner.child.wait().unwrap();
        site.wait_clean(begin);
    }
}

/// Kills the guardian, then its owner; its changes are there still.
fn kill_both(site: &Site, owner: &mut Owner) {
    signal("KILL", &owner.guardian.to_string());
    wait_for("its death", || !lives(owner.guardian));
    owner.kill();
    thread::sleep(Duration::from_millis(50));
    assert!(site.has_devices() && site.endpoint.journal().journal.exists());
}

fn both_killed_then_repair(site: &Site) {
    let mut owner = site.owner("owner");
    let refused = repair(&site.endpoint).unwrap_err();
    assert!(
        matches!(refused, RepairError::DaemonRuns { .. }),
        "{refused}"
    );
    kill_both(site, &mut owner);
    let report = repair(&site.endpoint).unwrap();
    assert!(report.is_complete());
    let done = &report.journals[0].done;
    assert_eq!(done.len(), 3);
    assert!(
        done.iter().all(|(_, undone)| *undone == Undone::Done),
        "{done:?}"
    );
    assert!(site.is_clean());
    assert!(!site.endpoint.journal().journal.exists());
    assert!(repair(&site.endpoint).unwrap().journals.is_empty());
}

fn both_killed_then_the_next_daemon(site: &Site) {
    let mut owner = site.owner("owner");
    kill_both(site, &mut owner);
    let mut daemon = site.child("daemon");
    wait_for("the daemon", || Client::connect(&site.endpoint).is_ok());
    assert!(site.is_clean());
    let line = "left by a daemon before: delete device sk0a: done";
    assert!(site.log().contains(line), "{}", site.log());
    // It has given up what it does not need.
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().to_owned()
    };
    let kept = 1_u64 << 12 | 1 << 13 | 1 << 14 | 1 << 39;
    let held = u64::from_str_radix(&field("CapPrm:"), 16).unwrap();
    assert_eq!(held, kept);
    assert_eq!(field("NoNewPrivs:"), "1");
    let client = Client::connect(&site.endpoint).unwrap();
    assert_eq!(client.daemon_status().unwrap().guardian, None);
    client.shutdown().unwrap();
    drop(client);
    assert!(wait_until_ended(&site.endpoint, common::PATIENCE).unwrap());
    daemon.wait().unwrap();
}

fn guardian_killed(site: &Site) {
    let mut owner = site.owner("owner");
    let first = owner.guardian;
    signal("KILL", &first.to_string());
    wait_for("its death", || !lives(first));
    owner
        .child
        .stdin
        .as_ref()
        .unwrap()
        .write_all(b"\n")
        .unwrap();
    assert_eq!(owner.answer(), 3);
    assert_ne!(owner.guardian, first);
    assert!(site.has_devices());
    let begin = Instant::now();
    owner.kill();
    site.wait_clean(begin);
}

/// A silent one is replaced, and never comes to life again: it would undo what still works.
fn guardian_silent(site: &Site) {
    let guardian = Guardian::of_daemon(launch(), &site.endpoint);
    change(&guardian, &mut Netlink::open().unwrap(), "x0");
    let first = guardian.status().unwrap().pid;
    signal("STOP", &first.to_string());
    let promise = guardian.promise(&Undo::DeleteClsact { ifindex: 1 });
    let second = guardian.status().unwrap();
    assert_ne!(second.pid, first);
    assert_eq!(second.entries, 4);
    assert!(!lives(first) && site.has_devices());
    guardian.forget(promise.unwrap());
    drop(guardian);
    site.wait_clean(Instant::now());
}

fn no_guardian_no_change(site: &Site) {
    for (program, text) in [
        ("/nonexistent", "No such file"),
        ("/bin/true", "does not answer"),
    ] {
        let launch = Launch {
            program: program.into(),
            args: vec![],
        };
        let guardian = Guardian::of_daemon(launch, &site.endpoint);
        let undo = Undo::DeleteClsact { ifindex: 1 };
        let error = guardian.promise(&undo).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
        assert_eq!(guardian.status(), None);
    }
    // A journal that is not to be believed is named.
    let journal = site.endpoint.journal().journal;
    std::fs::write(&journal, "junk\n").unwrap();
    let guardian = Guardian::of_daemon(launch(), &site.endpoint);
    let error = guardian
        .promise(&Undo::DeleteClsact { ifindex: 1 })
        .unwrap_err();
    assert!(
        error.to_string().contains(&journal.display().to_string()),
        "{error}"
    );
    // This text is what somebody sees who types the command.
    let output = Command::new(std::env::current_exe().unwrap())
        .env(ROLE, "guard")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("is started by skep itself"), "{text}");
}

fn nothing_left_nothing_runs(site: &Site) {
    let guardian = Guardian::of_daemon(launch(), &site.endpoint);
    let undo = Undo::DeleteLink {
        name: "sk0a".to_owned(),
    };
    let journal = site.endpoint.journal().journal;
    let mut times = Vec::new();
    for _ in 0..20 {
        let begin = Instant::now();
        let promises = [0; 3].map(|_| guardian.promise(&undo).unwrap());
        let GuardianStatus { pid, entries } = guardian.status().unwrap();
        assert_eq!(entries, 3);
        assert!(lives(pid) && journal.exists());
        for promise in promises {
            guardian.forget(promise);
        }
        times.push(begin.elapsed());
        assert_eq!(guardian.status(), None);
        assert!(!lives(pid) && !journal.exists());
    }
    times.sort();
    assert!(times[0] < Duration::from_millis(100), "{times:?}");
    assert!(
        !site.endpoint.log_path().exists() || site.log().is_empty(),
        "{}",
        site.log()
    );
}

fn process_without_daemon(site: &Site) {
    let mut owner = site.owner("process");
    let place = site.endpoint.process_journal(owner.child.id());
    assert!(place.journal.exists() && place.owner_lock.exists());
    assert!(
        repair(&site.endpoint).unwrap().journals.is_empty(),
        "it lives"
    );
    owner.kill();
    wait_for("the undoing", || site.is_clean());
    wait_for("the files' removal", || {
        !place.journal.exists() && !place.owner_lock.exists()
    });

    // Its guardian killed alone leaves the owner's lock; both killed leave it to repair.
    let mut owner = site.owner("process");
    signal("KILL", &owner.guardian.to_string());
    wait_for("its death", || !lives(owner.guardian));
    assert!(
        repair(&site.endpoint).unwrap().journals.is_empty(),
        "it lives"
    );
    owner.kill();
    assert!(site.has_devices());
    assert_eq!(repair(&site.endpoint).unwrap().journals.len(), 1);
    assert!(site.is_clean());
    assert!(site.endpoint.process_journals().unwrap().is_empty());

    // One that ends by itself with its changes undone leaves nothing.
    let guardian = Guardian::of_process(launch(), &site.endpoint).unwrap();
    let place = site.endpoint.process_journal(skep_sys::pid());
    let promise = guardian
        .promise(&Undo::DeleteClsact { ifindex: 1 })
        .unwrap();
    guardian.forget(promise);
    assert!(place.owner_lock.exists());
    drop(guardian);
    assert!(!place.owner_lock.exists() && !place.journal.exists());
}

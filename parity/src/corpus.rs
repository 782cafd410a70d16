//! Making the corpus: the kernel's selftests, compiled.
//!
//! | In the folder | Holds |
//! |---|---|
//! | `linux-source-6.12/` | of Debian's kernel source, the selftests, libbpf's headers and the system-call headers |
//! | `include/` | `vmlinux.h` of the running kernel, and libbpf's headers |
//! | `v3/`, `v4/` | an object for each source that compiles; the compiler's messages for each that does not |
//!
//! Every step is left out where its result exists. Nothing of the kernel itself is unpacked.

use crate::options::Corpus;
use skep_btf::{Btf, dump::c};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const SOURCE: &str = "linux-source-6.12";
const SELFTESTS: &str = "tools/testing/selftests/bpf";
/// What is unpacked.
const PARTS: [&str; 5] = [
    SELFTESTS,
    "tools/lib/bpf",
    "tools/include",
    "scripts/bpf_doc.py",
    "include/uapi",
];
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
const CLANG: &str = "clang-19";
/// Sources that read one object as of several types.
const NO_STRICT_ALIASING: [&str; 11] = [
    "bind4_prog",
    "bind6_prog",
    "dynptr_fail",
    "linked_list_fail",
    "map_kptr_fail",
    "syscall",
    "test_global_func9",
    "test_pkt_md_access",
    "test_sk_lookup",
    "timer_crash",
    "verifier_nocsr",
];
/// Sources whose functions must stay functions.
const NO_INLINE: [&str; 2] = ["test_l4lb_noinline", "test_xdp_noinline"];
/// Sources between two lines of progress.
const PROGRESS: usize = 50;

/// Makes what is missing.
///
/// # Errors
/// What cannot be had: the source package, a tool, the kernel's BTF. Sources that do not compile are told and are none.
pub(crate) fn run(options: &Corpus) -> Result<(), String> {
    let folder = &options.folder;
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let folder = folder.canonicalize().map_err(|error| error.to_string())?;
    let tree = folder.join(SOURCE);
    if !tree.join(SELFTESTS).exists() {
        unpack(&folder)?;
    }
    headers(&folder, &tree)?;
    compile_all(&folder, &tree, &options.cpu)
}

fn unpack(folder: &Path) -> Result<(), String> {
    let archive = PathBuf::from(format!("/usr/src/{SOURCE}.tar.xz"));
    if !archive.exists() {
        eprintln!("installing {SOURCE}");
        let mut command = Command::new("apt-get");
        command.args(["-qq", "install", "--yes", "--no-install-recommends", SOURCE]);
        run_command(&mut command).map_err(|error| format!("{}: {error}", archive.display()))?;
    }
    eprintln!("unpacking the selftests of {}", archive.display());
    // Renamed when it is whole.
    let fresh = folder.join("unpacking");
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh).map_err(|error| error.to_string())?;
    let mut command = Command::new("tar");
    command.arg("-xJf").arg(&archive).arg("-C").arg(&fresh);
    run_command(command.args(PARTS.map(|part| format!("{SOURCE}/{part}"))))?;
    fs::rename(fresh.join(SOURCE), folder.join(SOURCE)).map_err(|error| error.to_string())?;
    let _ = fs::remove_dir_all(&fresh);
    Ok(())
}

fn run_command(command: &mut Command) -> Result<Vec<u8>, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(format!(
            "{name}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// Puts the headers together that programs include.
fn headers(folder: &Path, tree: &Path) -> Result<(), String> {
    let include = folder.join("include");
    let bpf = include.join("bpf");
    fs::create_dir_all(&bpf).map_err(|error| error.to_string())?;
    let vmlinux = include.join("vmlinux.h");
    if !vmlinux.exists() {
        eprintln!("{} from {VMLINUX}", vmlinux.display());
        let data = fs::read(VMLINUX).map_err(|error| format!("{VMLINUX}: {error}"))?;
        let btf = Btf::parse(&data).map_err(|error| error.to_string())?;
        let options = c::Options {
            roots: Vec::new(),
            order: c::Order::Sorted,
            frame: c::Frame::Header,
        };
        let text = c(&btf, &options).map_err(|error| error.to_string())?;
        write_whole(&vmlinux, text.as_bytes())?;
    }
    let definitions = bpf.join("bpf_helper_defs.h");
    if definitions.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(tree.join("tools/lib/bpf")).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.extension().is_some_and(|extension| extension == "h")
            && let Some(name) = path.file_name()
        {
            fs::copy(&path, bpf.join(name)).map_err(|error| error.to_string())?;
        }
    }
    let mut command = Command::new("python3");
    command.arg(tree.join("scripts/bpf_doc.py"));
    command.arg("--header").arg("--filename");
    let text = run_command(command.arg(tree.join("include/uapi/linux/bpf.h")))?;
    write_whole(&definitions, &text)
}

/// Writes a file so that it exists only when it is whole.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let part = path.with_extension("part");
    fs::write(&part, bytes)
        .and_then(|()| fs::rename(&part, path))
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn compile_all(folder: &Path, tree: &Path, cpu: &str) -> Result<(), String> {
    let out = folder.join(cpu);
    fs::create_dir_all(&out).map_err(|error| error.to_string())?;
    let mut names = Vec::new();
    let sources = tree.join(SELFTESTS).join("progs");
    for entry in fs::read_dir(&sources).map_err(|error| error.to_string())? {
        let name = entry.map_err(|error| error.to_string())?.file_name();
        names.extend(name.to_string_lossy().strip_suffix(".c").map(str::to_owned));
    }
    names.sort();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let build = Build { folder, tree, cpu };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = build.source(name)
                        && let Ok(mut failed) = failed.lock()
                    {
                        failed.push(format!("{name}: {error}"));
                    }
                    let done = next.load(Ordering::Relaxed).min(names.len());
                    if done.is_multiple_of(PROGRESS) {
                        eprintln!("{done} of {} sources", names.len());
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_default();
    println!(
        "{}: {} of {} sources compiled",
        out.display(),
        names.len() - failed.len(),
        names.len()
    );
    for failure in failed {
        println!("  not compiled: {failure}");
    }
    Ok(())
}

struct Build<'b> {
    folder: &'b Path,
    tree: &'b Path,
    cpu: &'b str,
}

impl Build<'_> {
    /// Compiles a source, unless its object exists. Some declare kernel functions as the header does, others otherwise.
    fn source(&self, name: &str) -> Result<(), String> {
        let object = self.folder.join(self.cpu).join(format!("{name}.bpf.o"));
        if object.exists() {
            return Ok(());
        }
        let part = object.with_extension("part");
        let first = run_command(self.command(name).arg(&part));
        let made = first.or_else(|_| {
            let mut command = self.command(name);
            run_command(command.arg(&part).arg("-DBPF_NO_KFUNC_PROTOTYPES"))
        });
        let log = object.with_extension("log");
        match made {
            Ok(_) => {
                let _ = fs::remove_file(&log);
                fs::rename(&part, &object).map_err(|error| error.to_string())
            }
            Err(error) => {
                fs::write(&log, &error).map_err(|error| error.to_string())?;
                let line = error.lines().find(|line| line.contains(" error: "));
                Err(line.unwrap_or(&error).to_owned())
            }
        }
    }

    /// The compiler's command line but for the output's path.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(CLANG);
        command.current_dir(self.tree.join(SELFTESTS));
        command.args([
            "-g",
            "-O2",
            "-Wall",
            "-D__TARGET_ARCH_x86",
            "-mlittle-endian",
        ]);
        command.args(["-Wno-compare-distinct-pointer-types", "--target=bpf"]);
        command.arg(format!("-mcpu={}", self.cpu));
        if NO_STRICT_ALIASING.contains(&name) {
            command.arg("-fno-strict-aliasing");
        }
        if NO_INLINE.contains(&name) {
            command.arg("-fno-inline");
        }
        command.arg("-I").arg(self.folder.join("include"));
        command.args(["-I", "."]);
        command.arg("-I").arg(self.tree.join("tools/include/uapi"));
        for folder in [
            "/usr/lib/llvm-19/lib/clang/19/include",
            "/usr/local/include",
            "/usr/include/x86_64-linux-gnu",
            "/usr/include",
        ] {
            command.args(["-idirafter", folder]);
        }
        command.args(["-c", &format!("progs/{name}.c"), "-o"]);
        command
    }
}

//! Loading programs and BTF, with their logs, and test runs.

use crate::handles::{Handles, Object};
use crate::{Outcome, errno, insns};
use skep_sys::bpf::{self, Log, Name};
use skep_uapi::{
    Engine, Errno, Handle, ObjectKind, ProgLoad, ProgType, Reply, TestRun, TestRunResult, Value,
};
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

/// Space for a log. Untouched pages of it cost nothing; above this the kernel keeps the log's end.
const LOG_BYTES: usize = 16 << 20;

pub(crate) fn prog_load(handles: &Handles, load: &ProgLoad) -> Reply {
    with_log(handles, ObjectKind::Prog, load.log_level, |log| {
        let btf = handles.optional(load.btf, ObjectKind::Btf)?;
        let resolved = insns::resolve(handles, &load.insns, &load.fd_array)?;
        let license = CString::new(load.license.as_str()).map_err(|_| Errno::EINVAL)?;
        bpf::prog_load(bpf::ProgLoad {
            prog_type: load.prog_type.0,
            insns: &resolved.insns,
            license: &license,
            prog_flags: load.prog_flags,
            name: Name::new(&load.name).ok_or(Errno::EINVAL)?,
            ifindex: load.ifindex,
            expected_attach_type: load.expected_attach_type.0,
            btf: btf.as_ref().map(|object| object.as_fd()),
            func_info: &load.func_info,
            func_info_rec_size: load.func_info_rec_size,
            line_info: &load.line_info,
            line_info_rec_size: load.line_info_rec_size,
            attach_btf_id: load.attach_btf_id.0,
            fd_array: &resolved.fd_array,
            log,
        })
        .map_err(errno)
    })
}

pub(crate) fn btf_load(handles: &Handles, data: &[u8], log_level: u32) -> Reply {
    with_log(handles, ObjectKind::Btf, log_level, |log| {
        bpf::btf_load(data, log).map_err(errno)
    })
}

/// Runs a load with a log buffer if a log is wanted, and gives its text beside the outcome.
fn with_log(
    handles: &Handles,
    kind: ObjectKind,
    level: u32,
    load: impl FnOnce(Log<'_>) -> Result<OwnedFd, Errno>,
) -> Reply {
    let mut buffer = vec![0; if level == 0 { 0 } else { LOG_BYTES }];
    let loaded = load(Log {
        level,
        buffer: &mut buffer,
    });
    let end = buffer
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(buffer.len());
    Reply {
        result: loaded
            .and_then(|fd| Object::new(kind, fd))
            .and_then(|object| handles.insert(object))
            .map(Value::Handle),
        log: String::from_utf8_lossy(&buffer[..end]).into_owned(),
    }
}

pub(crate) fn test_run(handles: &Handles, run: TestRun) -> Outcome {
    let prog = handles.of_kind(run.prog, ObjectKind::Prog)?;
    let info = bpf::prog_info(prog.as_fd()).map_err(errno)?;
    match run.engine {
        Engine::Auto => {}
        Engine::Jit if info.jited_prog_len != 0 => {}
        Engine::Jit | Engine::Interp | Engine::Checked => return Err(Errno::EOPNOTSUPP),
    }
    let mut ctx = run.ctx_in;
    let output = bpf::test_run(bpf::TestRun {
        prog: prog.as_fd(),
        data_in: &run.data_in,
        data_size_out: run.data_size_out,
        ctx_in: &mut ctx,
        ctx_size_out: run.ctx_size_out,
        repeat: run.repeat,
        flags: run.flags,
        cpu: run.cpu,
    })
    .map_err(errno)?;
    // Syscall programs take no room for a context that comes out: theirs is written back where it came in.
    let written_back = bpf::prog_info(prog.as_fd())
        .is_ok_and(|info| ProgType(info.prog_type) == ProgType::SYSCALL);
    Ok(Value::TestRun(TestRunResult {
        retval: output.retval,
        duration_ps: u64::from(output.duration_ns) * 1000,
        data_out: output.data_out,
        data_size: output.data_size,
        ctx_out: if written_back { ctx } else { output.ctx_out },
    }))
}

pub(crate) fn bind_map(handles: &Handles, prog: Handle, map: Handle) -> Outcome {
    let prog = handles.of_kind(prog, ObjectKind::Prog)?;
    let map = handles.of_kind(map, ObjectKind::Map)?;
    bpf::prog_bind_map(prog.as_fd(), map.as_fd()).map_err(errno)?;
    Ok(Value::Unit)
}

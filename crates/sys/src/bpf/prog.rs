//! Loading and running programs.

use super::attr::{Attr, Command, call, call_fd, invalid, len_u32};
use super::object::{Log, Name};
use std::ffi::CStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Most bytes of output that a test run gets: above any packet or context that the kernel makes.
const TEST_OUTPUT_MAX: u32 = 16 << 20;

/// A program to load. Descriptors inside `insns` are numbers that the caller keeps open.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields of bpf_attr, by their names there")]
pub struct ProgLoad<'a> {
    pub prog_type: u32,
    pub insns: &'a [u8],
    pub license: &'a CStr,
    pub prog_flags: u32,
    pub name: Name,
    pub ifindex: u32,
    pub expected_attach_type: u32,
    pub btf: Option<BorrowedFd<'a>>,
    pub func_info: &'a [u8],
    pub func_info_rec_size: u32,
    pub line_info: &'a [u8],
    pub line_info_rec_size: u32,
    pub attach_btf_id: u32,
    pub fd_array: &'a [i32],
    pub log: Log<'a>,
}

impl<'a> ProgLoad<'a> {
    /// A program without BTF, flags or log, for nothing in particular to be attached to.
    #[must_use]
    pub fn new(prog_type: u32, insns: &'a [u8], license: &'a CStr, name: Name) -> Self {
        Self {
            prog_type,
            insns,
            license,
            prog_flags: 0,
            name,
            ifindex: 0,
            expected_attach_type: 0,
            btf: None,
            func_info: &[],
            func_info_rec_size: 0,
            line_info: &[],
            line_info_rec_size: 0,
            attach_btf_id: 0,
            fd_array: &[],
            log: Log {
                level: 0,
                buffer: &mut [],
            },
        }
    }
}

/// Records in `bytes`; the kernel multiplies the count by the size again, so that only whole records may be passed.
fn record_count(bytes: &[u8], record_bytes: u32) -> io::Result<u32> {
    let len = len_u32(bytes.len())?;
    if len == 0 {
        return Ok(0);
    }
    if record_bytes == 0 || len % record_bytes != 0 {
        return Err(invalid());
    }
    Ok(len / record_bytes)
}

/// Loads a program; the log is written on success too.
///
/// # Errors
/// The verifier's verdict (`EACCES`, `EINVAL`, `E2BIG` …), `EPERM` without the right to load.
pub fn prog_load(load: ProgLoad<'_>) -> io::Result<OwnedFd> {
    let fd_array: Vec<u8> = load
        .fd_array
        .iter()
        .flat_map(|fd| fd.to_ne_bytes())
        .collect();
    let mut attr = Attr::new();
    attr.set_u32(0, load.prog_type)
        .set_u32(4, record_count(load.insns, 8)?)
        .set_input(8, load.insns)
        .set_input(16, load.license.to_bytes_with_nul())
        .set_u32(24, load.log.level)
        .set_u32(28, len_u32(load.log.buffer.len())?)
        .set_output(32, load.log.buffer)
        .set_u32(44, load.prog_flags)
        .set_bytes(48, load.name.bytes())
        .set_u32(64, load.ifindex)
        .set_u32(68, load.expected_attach_type)
        .set_u32(76, load.func_info_rec_size)
        .set_input(80, load.func_info)
        .set_u32(88, record_count(load.func_info, load.func_info_rec_size)?)
        .set_u32(92, load.line_info_rec_size)
        .set_input(96, load.line_info)
        .set_u32(104, record_count(load.line_info, load.line_info_rec_size)?)
        .set_u32(108, load.attach_btf_id)
        .set_input(120, &fd_array);
    if let Some(btf) = load.btf {
        attr.set_fd(72, btf);
    }
    // SAFETY: instructions and records are passed with counts computed from their slices, the licence ends in a zero,
    // the kernel only reads them and `fd_array` (an index beyond it is at worst a bad descriptor: nothing is written),
    // and writes at most `log_size` bytes of the log, its slice's length. The command returns a new descriptor.
    unsafe { call_fd(Command::ProgLoad, &mut attr) }
}

/// A test run.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields of bpf_attr, by their names there")]
pub struct TestRun<'a> {
    pub prog: BorrowedFd<'a>,
    pub data_in: &'a [u8],
    pub data_size_out: u32,
    /// Syscall programs write their context back here.
    pub ctx_in: &'a mut [u8],
    pub ctx_size_out: u32,
    pub repeat: u32,
    pub flags: u32,
    pub cpu: u32,
}

/// What a test run gave.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TestRunOutput {
    /// r0.
    pub retval: u32,
    /// Average nanoseconds of a run.
    pub duration_ns: u32,
    /// Packet, cut to the size asked for.
    pub data_out: Vec<u8>,
    /// Full size of the packet.
    pub data_size: u32,
    /// Context, cut to the size asked for.
    pub ctx_out: Vec<u8>,
}

/// Runs a program on a packet or context.
///
/// # Errors
/// `ENOTSUPP` for types without test run, `EINVAL` for input that the type does not take, `ENOSPC` if the packet or
/// context is larger than the size asked for.
pub fn test_run(run: TestRun<'_>) -> io::Result<TestRunOutput> {
    let space = |size: u32| vec![0; usize::try_from(size.min(TEST_OUTPUT_MAX)).unwrap_or(0)];
    let mut data_out = space(run.data_size_out);
    let mut ctx_out = space(run.ctx_size_out);
    let mut attr = Attr::new();
    attr.set_fd(0, run.prog)
        .set_u32(8, len_u32(run.data_in.len())?)
        .set_u32(12, len_u32(data_out.len())?)
        .set_input(16, run.data_in)
        // Null if the size is 0: the kernel takes a size of 0 beside a pointer for "all of it".
        .set_output(24, &mut data_out)
        .set_u32(32, run.repeat)
        .set_u32(40, len_u32(run.ctx_in.len())?)
        .set_u32(44, len_u32(ctx_out.len())?)
        .set_output(48, run.ctx_in)
        .set_output(56, &mut ctx_out)
        .set_u32(64, run.flags)
        .set_u32(68, run.cpu);
    // SAFETY: each buffer is passed with its slice's length, or null when empty; the context that comes in is
    // writable, because syscall programs have theirs written back there.
    unsafe { call(Command::TestRun, &mut attr) }?;
    let data_size = attr.u32(12);
    let cut = |mut bytes: Vec<u8>, size: u32| {
        bytes.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        bytes
    };
    Ok(TestRunOutput {
        retval: attr.u32(4),
        duration_ns: attr.u32(36),
        data_out: cut(data_out, data_size),
        data_size,
        ctx_out: cut(ctx_out, attr.u32(44)),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_whole_records() {
        assert_eq!(record_count(&[], 0).unwrap(), 0);
        assert_eq!(record_count(&[0; 16], 8).unwrap(), 2);
        assert!(record_count(&[0; 7], 8).is_err());
        assert!(record_count(&[0; 7], 0).is_err());
    }
}

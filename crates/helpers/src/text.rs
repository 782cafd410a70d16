//! Printing: to the trace pipe and into memory.

use crate::env::{copy_in, failed, length, low};
use crate::format::{Format, TEXT_BYTES_MAX};
use crate::{Args, Env};
use skep_memory::{Fault, Memory};
use skep_uapi::Errno;

/// Arguments of `bpf_trace_printk`.
const PRINTK_ARGS: usize = 3;
/// Largest argument array, in bytes (kernel `MAX_BPRINTF_VARARGS`, 12 of them).
const VARARGS_BYTES_MAX: u32 = 12 * 8;

/// `long bpf_trace_printk(fmt, fmt_size, ...)`: up to three arguments. Gives the length of the text.
pub fn trace_printk<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    let fmt = copy_in(env, args[0], low(args[1]))?;
    Ok(match Format::parse(&fmt, PRINTK_ARGS) {
        Ok(format) => trace(env, &format, &args[2..]),
        Err(errno) => failed(errno),
    })
}

/// `long bpf_trace_vprintk(fmt, fmt_size, data, data_len)`: arguments in an array.
pub fn trace_vprintk<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    let Some(values) = varargs(env, args[2], low(args[3]))? else {
        return Ok(failed(Errno::EINVAL));
    };
    let fmt = copy_in(env, args[0], low(args[1]))?;
    Ok(match Format::parse(&fmt, values.len()) {
        Ok(format) => trace(env, &format, &values),
        Err(errno) => failed(errno),
    })
}

/// `long bpf_snprintf(str, str_size, fmt, data, data_len)`: gives the length of the whole text, its zero byte included.
pub fn snprintf<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    let Some(values) = varargs(env, args[3], low(args[4]))? else {
        return Ok(failed(Errno::EINVAL));
    };
    let fmt = constant_string(env, args[2])?;
    let format = match Format::parse(&fmt, values.len()) {
        Ok(format) => format,
        Err(errno) => return Ok(failed(errno)),
    };
    let text = format.print(env, &values);
    let room = length(low(args[1]));
    if room > 0 {
        let kept = text.len().min(room - 1);
        let mut out = text[..kept].to_vec();
        out.push(0);
        env.memory().write(args[0], &out)?;
    }
    Ok(text.len() as u64 + 1)
}

fn trace<E: Env>(env: &E, format: &Format, args: &[u64]) -> u64 {
    let mut text = format.print(env, args);
    text.truncate(TEXT_BYTES_MAX - 1);
    env.services().trace(env.cpu(), &text);
    text.len() as u64
}

/// The argument array, or `None` if its size is not allowed.
fn varargs<E: Env>(env: &E, data: u64, bytes: u32) -> Result<Option<Vec<u64>>, Fault> {
    if !bytes.is_multiple_of(8) || bytes > VARARGS_BYTES_MAX || (bytes > 0 && data == 0) {
        return Ok(None);
    }
    let bytes = copy_in(env, data, bytes)?;
    Ok(Some(
        bytes
            .as_chunks::<8>()
            .0
            .iter()
            .map(|word| u64::from_ne_bytes(*word))
            .collect(),
    ))
}

/// A zero-terminated string that the verifier found in a read-only map.
fn constant_string<E: Env>(env: &E, addr: u64) -> Result<Vec<u8>, Fault> {
    let mut text = Vec::new();
    loop {
        let mut byte = [0];
        env.memory().read(addr + text.len() as u64, &mut byte)?;
        text.extend(byte);
        if byte == [0] {
            return Ok(text);
        }
    }
}

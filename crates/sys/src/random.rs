//! Random bytes from the kernel.

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use std::io;

/// Fills `bytes` from `getrandom(2)`, waiting for the pool at early boot.
///
/// # Errors
/// `ENOSYS` where a sandbox refuses the call.
pub fn fill_random(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        match getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn fills_more_than_one_call_gives() {
        let mut bytes = [0; 1000];
        fill_random(&mut bytes).unwrap();
        assert!(bytes.iter().any(|&byte| byte != 0));
    }
}

//! Object names: at most 15 bytes of letters, digits, `_` and `.` (bpf(2)).

use skep_uapi::{Errno, OBJ_NAME_LEN};

/// Refuses a name that Linux refuses.
pub(crate) fn check(name: &str) -> Result<(), Errno> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    if name.len() < OBJ_NAME_LEN && name.bytes().all(good) {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

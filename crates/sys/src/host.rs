//! Facts about the host that do not change while it runs.

use std::sync::OnceLock;
use std::{fs, io};

/// Bytes of a page of memory.
#[must_use]
pub fn page_bytes() -> usize {
    rustix::param::page_size()
}

/// CPUs that could ever be online: what per-CPU maps are sized by (`/sys/devices/system/cpu/possible`).
///
/// # Errors
/// Where sysfs is not mounted or its text is not a CPU list.
pub fn possible_cpus() -> io::Result<u32> {
    static COUNT: OnceLock<u32> = OnceLock::new();
    if let Some(&count) = COUNT.get() {
        return Ok(count);
    }
    let text = fs::read_to_string("/sys/devices/system/cpu/possible")?;
    let count = count_cpu_list(text.trim()).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("not a CPU list: {text:?}"),
        )
    })?;
    Ok(*COUNT.get_or_init(|| count))
}

/// Highest CPU of a list such as `0-3,5`, plus one: the kernel's per-CPU values are one per number up to the highest.
fn count_cpu_list(text: &str) -> Option<u32> {
    let mut count = 0;
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if last < first {
            return None;
        }
        count = count.max(last.checked_add(1)?);
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn cpu_lists() {
        for (text, count) in [
            ("0", Some(1)),
            ("0-1", Some(2)),
            ("0-3,8-11", Some(12)),
            ("", None),
            ("3-1", None),
            ("0-", None),
            ("0-4294967295", None),
        ] {
            assert_eq!(count_cpu_list(text), count, "{text:?}");
        }
    }

    #[test]
    fn this_host() {
        assert!(possible_cpus().unwrap() >= 1);
        assert!(page_bytes().is_power_of_two());
    }
}

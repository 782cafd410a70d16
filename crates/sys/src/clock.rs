//! Clocks, in nanoseconds. Does not know which clock a program should see: that is the machine's choice.

use std::mem::MaybeUninit;

use rustix::time::{ClockId, DynamicClockId, clock_gettime, clock_gettime_dynamic};

/// The kernel's clocks that skep reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    /// `CLOCK_MONOTONIC`: stops during suspend (`bpf_ktime_get_ns`).
    Monotonic,
    /// `CLOCK_BOOTTIME`: counts suspend (`bpf_ktime_get_boot_ns`, load times).
    Boottime,
    /// `CLOCK_REALTIME`: since 1970, may jump.
    Realtime,
    /// `CLOCK_TAI`: international atomic time (`bpf_ktime_get_tai_ns`); real time where the kernel lacks it.
    Tai,
    /// `CLOCK_MONOTONIC_COARSE`: the last tick's time (`bpf_ktime_get_coarse_ns`).
    MonotonicCoarse,
    /// `CLOCK_THREAD_CPUTIME_ID`: processor time of the calling thread.
    ThreadCpu,
}

/// Nanoseconds that `clock` shows. Zero for times before its origin, which only a mis-set real-time clock has.
#[must_use]
pub fn now_ns(clock: Clock) -> u64 {
    let time = match clock {
        Clock::Monotonic => clock_gettime(ClockId::Monotonic),
        Clock::Boottime => clock_gettime(ClockId::Boottime),
        Clock::Realtime => clock_gettime(ClockId::Realtime),
        Clock::Tai => clock_gettime_dynamic(DynamicClockId::Tai)
            .unwrap_or_else(|_| clock_gettime(ClockId::Realtime)),
        Clock::MonotonicCoarse => clock_gettime(ClockId::MonotonicCoarse),
        Clock::ThreadCpu => clock_gettime(ClockId::ThreadCPUTime),
    };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

/// Seconds that local time is ahead of UTC at `seconds` since 1970, by the user's time zone; 0 if it is unknown.
#[must_use]
pub fn utc_offset_seconds(seconds: i64) -> i64 {
    let mut local = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: `seconds` is a readable time and `local` a writable broken-down time; both live through the call.
    let done = unsafe { libc::localtime_r(&raw const seconds, local.as_mut_ptr()) };
    if done.is_null() {
        return 0;
    }
    // SAFETY: `localtime_r` has filled `local`, which was zeroed before.
    unsafe { local.assume_init() }.tm_gmtoff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_move_forward() {
        for clock in [Clock::Monotonic, Clock::Boottime, Clock::ThreadCpu] {
            let first = now_ns(clock);
            assert!(first > 0, "{clock:?}");
            assert!(now_ns(clock) >= first, "{clock:?}");
        }
        assert!(now_ns(Clock::Boottime) >= now_ns(Clock::MonotonicCoarse));
    }
}

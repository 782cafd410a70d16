//! Every bound of the daemon, with its reason.

use std::time::Duration;

/// Time without sessions, pins and links after which a daemon ends. Starting one takes milliseconds, so that nothing is
/// won by staying; a minute spares a script that works command by command the starts in between, and leaves time to
/// read what the last run traced.
pub const IDLE_TIME: Duration = Duration::from_secs(60);

/// Sessions at once. Each is a thread and two descriptors, and 1,024 descriptors are a usual limit of a process.
pub const SESSIONS_MAX: usize = 256;

/// Connections that are being told at once that there are too many; further ones are closed without a word.
pub const REFUSALS_MAX: usize = 8;

/// Time that a connection which is to be refused has for its greeting.
pub const REFUSAL_TIME: Duration = Duration::from_millis(500);

/// Silence after which a session without handles may be closed to make room. It loses nothing by it but the connection.
pub const EVICTION_SILENCE: Duration = Duration::from_secs(60);

/// Longest wait of a new session for the end of those whose clients have gone; they need microseconds.
pub const DEPARTURE_TIME: Duration = Duration::from_millis(200);

/// Longest wait for trace lines in one piece: how late a session notices that its client is gone or the daemon ends.
pub const TRACE_WAIT: Duration = Duration::from_millis(200);

/// At the end, time for sessions to finish their command and send its answer.
pub const FINISH_TIME: Duration = Duration::from_millis(750);

/// After [`FINISH_TIME`], time for sessions to notice that their connection is shut; those that do not (a long run)
/// die with the process.
pub const CLOSE_TIME: Duration = Duration::from_millis(250);

/// Pause after a failed `accept`, which would fail again at once (no descriptor left).
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Stack of a session's thread, in bytes: as much as a main thread usually has, because verification and runs happen
/// on it.
pub const SESSION_STACK_BYTES: usize = 8 << 20;

/// Most bytes of the log; the older half goes when it is full.
pub const LOG_BYTES_MAX: u64 = 256 << 10;

/// Most bytes of one line of the log; longer ones are cut.
pub const LOG_LINE_BYTES_MAX: usize = 1 << 10;

/// Longest wait for a daemon that is being started, or that has agreed to end.
pub const START_TIME: Duration = Duration::from_secs(5);

/// First pause between attempts to connect to a daemon that is being started; doubled each time.
pub const CONNECT_PAUSE_FIRST: Duration = Duration::from_millis(1);

/// Longest pause between such attempts.
pub const CONNECT_PAUSE_MAX: Duration = Duration::from_millis(50);

/// Bytes of a thread's name that the trace pipe shows (`TASK_COMM_LEN` without its zero).
pub const COMM_BYTES_MAX: usize = 15;

/// Most bytes of a message between owner and guardian: an entry is some hundred.
pub const GUARDIAN_LINE_BYTES_MAX: usize = 8 << 10;

/// Longest wait for a guardian's answer, which is there in milliseconds. One that is silent longer is killed, and another
/// takes its place.
pub const GUARDIAN_ANSWER_TIME: Duration = Duration::from_secs(5);

/// Times that an entry is tried to be carried out.
pub const UNDO_ATTEMPTS: u32 = 6;

/// Pause after the first attempt; doubled each time, so that a device that stays busy delays the end by a third of a
/// second.
pub const UNDO_PAUSE_FIRST: Duration = Duration::from_millis(10);

/// Entries that may wait to be undone at once: a hundred interfaces with ten each.
pub const UNDO_ENTRIES_MAX: usize = 1024;

/// Most bytes of a journal; a bigger one is not skep's.
pub const JOURNAL_BYTES_MAX: u64 = 1 << 20;

/// Bytes from which on a journal is written anew when less than half of it is still wanted.
pub const JOURNAL_COMPACT_BYTES: u64 = 64 << 10;

/// Longest wait for the journal of a guardian that is at its work.
pub const JOURNAL_WAIT: Duration = Duration::from_secs(3);

/// Pause between two looks whether anybody else is in the network namespace, and whether the guardian lives, while
/// something is attached. A look at a thousand processes takes some milliseconds at worst, and microseconds while the
/// one seen last is still there.
pub const DESERTED_PAUSE: Duration = Duration::from_millis(300);

/// Looks in a row that see nobody before the namespace is given up.
pub const DESERTED_LOOKS: u32 = 2;

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

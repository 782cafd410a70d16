//! A line of progress on standard error while a verification takes long, on a terminal only.

use skep::verify::VerifyOptions;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Time after which a verification takes long, and between two lines.
const PATIENCE: Duration = Duration::from_millis(400);

/// Does `work`, which sets the progress of its options, and shows how far it is.
pub(super) fn during<R>(
    name: &str,
    options: &mut VerifyOptions,
    work: impl FnOnce(&VerifyOptions) -> R,
) -> R {
    if !io::stderr().is_terminal() {
        return work(options);
    }
    let processed = Arc::new(AtomicU32::new(0));
    options.processed = Some(Arc::clone(&processed));
    let (done, wait) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || show(name, &processed, &wait));
        let result = work(options);
        // The other side ends when this does.
        drop(done);
        result
    })
}

fn show(name: &str, processed: &AtomicU32, done: &mpsc::Receiver<()>) {
    let begun = Instant::now();
    let mut shown = false;
    while done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
        shown = true;
        let count = processed.load(Ordering::Relaxed);
        let seconds = begun.elapsed().as_secs();
        // Progress that cannot be shown is no loss.
        let _ = write!(
            io::stderr(),
            "\r\x1b[Kverifying {}: {count} instructions processed, {seconds} s",
            crate::output::escape(name)
        );
    }
    if shown {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

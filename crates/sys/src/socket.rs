//! Unix sockets for one owner: who may connect is decided by the file's mode, who did by the kernel's word.
//!
//! Reading and writing are std's; this file has what std lacks.

use rustix::fs::{Mode, chmod};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
    sockopt,
};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// Connections that may wait for `accept`.
const BACKLOG: i32 = 128;

/// Pause between attempts while a listener's queue is full.
const RETRY: Duration = Duration::from_millis(5);

/// The process at the other end, as it was when it connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Number of the process, 0 if it is invisible from here.
    pub pid: u32,
    /// Its effective user, as seen in this user namespace.
    pub uid: u32,
}

/// Binds and listens at `path`, which only the owner may use (mode 0600 before the first connection is possible).
///
/// # Errors
/// `EADDRINUSE` if the name is taken, also by a dead listener; `ENAMETOOLONG` above 107 bytes.
pub fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let socket = new_socket(SocketFlags::CLOEXEC)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    // Until `listen`, connecting is refused, so that the umask's mode is never in force.
    chmod(path, Mode::RUSR | Mode::WUSR)?;
    listen(&socket, BACKLOG)?;
    Ok(UnixListener::from(socket))
}

/// Connects to `path`, retrying for at most `timeout` while the listener's queue is full.
///
/// # Errors
/// `ENOENT` without the file, `ECONNREFUSED` without a listener, `ETIMEDOUT` after `timeout`.
pub fn connect_within(path: &Path, timeout: Duration) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let begin = Instant::now();
    let socket = new_socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    loop {
        match connect(&socket, &address) {
            Ok(()) => break,
            Err(Errno::AGAIN | Errno::INTR) => {
                if begin.elapsed() >= timeout {
                    return Err(Errno::TIMEDOUT.into());
                }
                std::thread::sleep(RETRY);
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn new_socket(flags: SocketFlags) -> io::Result<OwnedFd> {
    Ok(socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        flags,
        None,
    )?)
}

/// Who is at the other end (`SO_PEERCRED`): for an accepted connection the process that called `connect`.
///
/// # Errors
/// Those of `getsockopt(2)`.
pub fn peer(stream: &UnixStream) -> io::Result<Peer> {
    let credentials = sockopt::socket_peercred(stream)?;
    Ok(Peer {
        pid: u32::try_from(credentials.pid.as_raw_nonzero().get()).unwrap_or(0),
        uid: credentials.uid.as_raw(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::{Readiness, effective_uid, pid, wait_readable};
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn owner_only_and_peer_known() {
        let path = std::env::temp_dir().join(format!("skep-socket-test-{}", pid()));
        assert!(connect_within(&path, Duration::ZERO).is_err());
        let listener = bind_private(&path).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            bind_private(&path).unwrap_err().raw_os_error(),
            Some(libc::EADDRINUSE)
        );

        let mut client = connect_within(&path, Duration::from_secs(2)).unwrap();
        let (server, _) = listener.accept().unwrap();
        let expected = Peer {
            pid: pid(),
            uid: effective_uid(),
        };
        assert_eq!(peer(&server).unwrap(), expected);
        assert_eq!(
            wait_readable(server.as_fd(), Some(Duration::ZERO)).unwrap(),
            Readiness::TimedOut
        );
        client.write_all(b"x").unwrap();
        assert_eq!(
            wait_readable(server.as_fd(), None).unwrap(),
            Readiness::Ready
        );

        drop(listener);
        let refused = connect_within(&path, Duration::ZERO).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ECONNREFUSED));
        std::fs::remove_file(&path).unwrap();
    }
}

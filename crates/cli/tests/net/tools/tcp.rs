//! One TCP connection that carries many bytes, and a checksum of them at each end.

use super::{Receiver, command, printed};
use crate::world::Space;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;

/// Bytes that one transfer carries.
pub(crate) const BYTES: usize = 64 << 20;
/// Bytes that are written or read at once; a multiple of eight.
const CHUNK: usize = 1 << 18;

/// Sends [`BYTES`] to `address` (`10.1.0.1:7100`) and checks that the same arrived.
pub(crate) fn transfer(from: &Space, to: &Space, address: &str, program: &Path) {
    let (_, port) = address.rsplit_once(':').unwrap();
    let receiver = Receiver::start(command(to, program, "tcp-recv", &[port]));
    let sent = printed(command(from, program, "tcp-send", &[address]));
    assert_eq!(receiver.wait(), sent);
    assert!(sent.starts_with(&format!("{BYTES} ")), "{sent}");
}

/// `ADDRESS`
pub(super) fn send_main(args: &[String]) {
    let mut stream = TcpStream::connect(&args[0]).unwrap();
    let (mut sum, mut state) = (Sum::default(), 0x9e37_79b9_7f4a_7c15_u64);
    let mut chunk = vec![0; CHUNK];
    for _ in 0..BYTES / CHUNK {
        for word in chunk.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        sum.add(&chunk);
        stream.write_all(&chunk).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    // The other end closes when it has read everything: an error up to then is not lost.
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    std::io::stdout().write_all(sum.text().as_bytes()).unwrap();
}

/// `PORT`
pub(super) fn recv_main(args: &[String]) {
    let port: u16 = args[0].parse().unwrap();
    let listener = TcpListener::bind(("::", port))
        .or_else(|_| TcpListener::bind(("0.0.0.0", port)))
        .unwrap();
    let mut out = std::io::stdout();
    out.write_all(b"ready\n").unwrap();
    out.flush().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let (mut sum, mut chunk, mut held) = (Sum::default(), vec![0; CHUNK], 0);
    loop {
        let len = stream.read(&mut chunk[held..]).unwrap();
        held += len;
        let whole = if len == 0 { held } else { held / 8 * 8 };
        sum.add(&chunk[..whole]);
        chunk.copy_within(whole..held, 0);
        held -= whole;
        if len == 0 {
            break;
        }
    }
    out.write_all(sum.text().as_bytes()).unwrap();
}

/// A sum over words in their order (FNV's step, on eight bytes at once), cheap without optimisation.
#[derive(Default)]
struct Sum {
    bytes: usize,
    state: u64,
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        for word in bytes.chunks(8) {
            let mut padded = [0; 8];
            padded[..word.len()].copy_from_slice(word);
            self.state = (self.state ^ u64::from_le_bytes(padded))
                .wrapping_mul(0x0100_0000_01b3)
                .rotate_left(5);
        }
    }

    fn text(&self) -> String {
        format!("{} {:016x}\n", self.bytes, self.state)
    }
}

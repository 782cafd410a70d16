//! Frames from a capture file (pcap or pcapng), and a file for each verdict.

use crate::{Frame, Port, PortError, Verdict, VerdictFiles};
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use pcap_file::{DataLink, PcapError};
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// First bytes of a pcapng section.
const PCAPNG_MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// A capture file as a port.
pub struct PcapPort {
    path: PathBuf,
    reader: Reader,
    number: u64,
    files: Option<VerdictFiles>,
}

enum Reader {
    Pcap(PcapReader<BufReader<File>>),
    PcapNg(PcapNgReader<BufReader<File>>),
}

impl fmt::Debug for PcapPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PcapPort")
            .field("path", &self.path)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl PcapPort {
    /// Opens a capture. With `files`, each frame is written to its verdict's file.
    ///
    /// # Errors
    /// If the file cannot be read, is no capture, or is not of Ethernet.
    pub fn open(path: &Path, files: Option<VerdictFiles>) -> Result<Self, PortError> {
        let unreadable = |source: io::Error| PortError::Read {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let mut magic = [0; 4];
        match file.read_exact(&mut magic) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(PortError::NoCapture {
                    path: path.to_owned(),
                    why: "the file is too short".to_owned(),
                });
            }
            read => read.map_err(unreadable)?,
        }
        file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        let malformed = |error: PcapError| PortError::NoCapture {
            path: path.to_owned(),
            why: text(&error),
        };
        let file = BufReader::new(file);
        let reader = if magic == PCAPNG_MAGIC {
            Reader::PcapNg(PcapNgReader::new(file).map_err(malformed)?)
        } else {
            let reader = PcapReader::new(file).map_err(malformed)?;
            check_ethernet(path, reader.header().datalink)?;
            Reader::Pcap(reader)
        };
        Ok(Self {
            path: path.to_owned(),
            reader,
            number: 0,
            files,
        })
    }

    fn next(&mut self) -> Result<Option<Frame>, PortError> {
        let (path, number) = (&self.path, self.number);
        let malformed = |error: PcapError| PortError::Malformed {
            path: path.clone(),
            number,
            why: text(&error),
        };
        match &mut self.reader {
            Reader::Pcap(reader) => {
                let packet = reader.next_packet().transpose().map_err(malformed)?;
                Ok(packet.map(|packet| frame(packet.data.into_owned(), packet.timestamp)))
            }
            Reader::PcapNg(reader) => loop {
                let Some(block) = reader.next_block().transpose().map_err(malformed)? else {
                    return Ok(None);
                };
                let Some(packet) = Captured::of(block) else {
                    continue;
                };
                let at = usize::try_from(packet.interface).ok();
                let interface = at
                    .and_then(|at| reader.interfaces().get(at))
                    .ok_or_else(|| malformed(PcapError::InvalidInterfaceId(packet.interface)))?;
                check_ethernet(path, interface.linktype)?;
                let time = packet
                    .stamp
                    .map_or(Duration::ZERO, |units| time(units, &interface.options));
                return Ok(Some(frame(packet.bytes, time)));
            },
        }
    }
}

fn frame(bytes: Vec<u8>, time: Duration) -> Frame {
    Frame {
        bytes,
        time,
        rx_queue: 0,
    }
}

/// A packet of pcapng, of which its interface says more.
struct Captured {
    interface: u32,
    bytes: Vec<u8>,
    /// When, in the interface's unit.
    stamp: Option<Duration>,
}

impl Captured {
    /// The packet in a block, if that is what it holds.
    fn of(block: Block<'_>) -> Option<Self> {
        match block {
            Block::EnhancedPacket(packet) => Some(Self {
                interface: packet.interface_id,
                stamp: Some(packet.timestamp),
                bytes: packet.data.into_owned(),
            }),
            // Always of the first interface. The reader leaves the padding of the block behind the packet.
            Block::SimplePacket(packet) => {
                let mut bytes = packet.data.into_owned();
                bytes.truncate(usize::try_from(packet.original_len).unwrap_or(usize::MAX));
                Some(Self {
                    interface: 0,
                    stamp: None,
                    bytes,
                })
            }
            _ => None,
        }
    }
}

/// What the reader met. An end within something is the commonest, and its own words for that tell nothing.
fn text(error: &PcapError) -> String {
    match error {
        PcapError::IncompleteBuffer => "the file ends within it".to_owned(),
        PcapError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the file ends within it".to_owned()
        }
        PcapError::InvalidInterfaceId(interface) => {
            format!("it comes from interface {interface}, which the file does not describe")
        }
        PcapError::InvalidField(what) => (*what).to_owned(),
        other => other.to_string(),
    }
}

/// The time of a packet of pcapng. Its interface says what the unit is (`if_tsresol`: a power of ten, or with the highest bit
/// of two; microseconds if it does not say) and what to add (`if_tsoffset`, in seconds). The reader takes the number for
/// nanoseconds.
fn time(units: Duration, options: &[InterfaceDescriptionOption<'_>]) -> Duration {
    const MICROSECONDS: u8 = 6;
    const POWER_OF_TWO: u8 = 0x80;
    let (mut resolution, mut offset) = (MICROSECONDS, 0);
    for option in options {
        match option {
            InterfaceDescriptionOption::IfTsResol(value) => resolution = *value,
            InterfaceDescriptionOption::IfTsOffset(seconds) => offset = *seconds,
            _ => {}
        }
    }
    let base: u128 = if resolution & POWER_OF_TWO == 0 {
        10
    } else {
        2
    };
    let Some(per_second) = base.checked_pow(u32::from(resolution & !POWER_OF_TWO)) else {
        // Finer than any time that fits into the field.
        return Duration::from_secs(offset);
    };
    let units = units.as_nanos();
    let seconds = u64::try_from(units / per_second).unwrap_or(u64::MAX);
    let part = (units % per_second).saturating_mul(1_000_000_000) / per_second;
    let part = Duration::from_nanos(u64::try_from(part).unwrap_or(0));
    Duration::from_secs(seconds.saturating_add(offset)).saturating_add(part)
}

fn check_ethernet(path: &Path, link: DataLink) -> Result<(), PortError> {
    if link == DataLink::ETHERNET {
        return Ok(());
    }
    Err(PortError::NotEthernet {
        path: path.to_owned(),
        link_type: link.into(),
    })
}

impl Port for PcapPort {
    fn receive(&mut self) -> Result<Option<Frame>, PortError> {
        self.number += 1;
        self.next()
    }

    fn carry_out(&mut self, verdict: Verdict, frame: Frame) -> Result<(), PortError> {
        match &mut self.files {
            Some(files) => files.write(verdict, &frame),
            None => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), PortError> {
        self.files.as_mut().map_or(Ok(()), VerdictFiles::finish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use InterfaceDescriptionOption::{IfTsOffset, IfTsResol};

    #[test]
    fn units_of_time() {
        let time = |units, options: &[_]| time(Duration::from_nanos(units), options);
        assert_eq!(time(2_000_003, &[]), Duration::new(2, 3_000));
        assert_eq!(time(2_000_000_003, &[IfTsResol(9)]), Duration::new(2, 3));
        assert_eq!(time(3, &[IfTsResol(0x81)]), Duration::new(1, 500_000_000));
        assert_eq!(time(3, &[IfTsResol(0), IfTsOffset(5)]), Duration::new(8, 0));
        assert_eq!(time(u64::MAX, &[IfTsResol(127)]), Duration::ZERO);
        assert_eq!(time(u64::MAX, &[IfTsResol(0xff)]), Duration::ZERO);
    }
}

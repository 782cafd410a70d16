//! Frames from a capture file (pcap or pcapng), and a file for each verdict.

use crate::{Frame, Port, PortError, Verdict, VerdictFiles};
use pcap_file::DataLink;
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::{Block, PcapNgReader};
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

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
        let unreadable = |source| PortError::Read {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let mut magic = [0; 4];
        file.read_exact(&mut magic).map_err(unreadable)?;
        file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        let malformed = |error: pcap_file::PcapError| PortError::Malformed {
            path: path.to_owned(),
            number: 0,
            why: error.to_string(),
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

    fn next(&mut self) -> Option<Result<Frame, pcap_file::PcapError>> {
        match &mut self.reader {
            Reader::Pcap(reader) => Some(reader.next_packet()?.map(|packet| Frame {
                bytes: packet.data.into_owned(),
                time: packet.timestamp,
                rx_queue: 0,
            })),
            Reader::PcapNg(reader) => loop {
                let (bytes, time) = match reader.next_block()? {
                    Ok(Block::EnhancedPacket(packet)) => {
                        (packet.data.into_owned(), packet.timestamp)
                    }
                    Ok(Block::SimplePacket(packet)) => {
                        (packet.data.into_owned(), std::time::Duration::ZERO)
                    }
                    Ok(_) => continue,
                    Err(error) => return Some(Err(error)),
                };
                return Some(Ok(Frame {
                    bytes,
                    time,
                    rx_queue: 0,
                }));
            },
        }
    }
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
        let frame = self.next().transpose();
        let frame = frame.map_err(|error| PortError::Malformed {
            path: self.path.clone(),
            number: self.number,
            why: error.to_string(),
        })?;
        if let Reader::PcapNg(reader) = &self.reader
            && let Some(other) = reader
                .interfaces()
                .iter()
                .find(|interface| interface.linktype != DataLink::ETHERNET)
        {
            check_ethernet(&self.path, other.linktype)?;
        }
        Ok(frame)
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

//! One capture file for each verdict that occurs.

use crate::{Frame, PortError, Verdict};
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, TsResolution};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// Longest frame that is written whole.
const SNAP_BYTES: u32 = 256 << 10;

/// Files named after a capture: `trace.pcap` gives `trace.pass.pcap`, `trace.drop.pcap` and so on, as verdicts occur.
pub struct VerdictFiles {
    folder: PathBuf,
    stem: String,
    open: BTreeMap<&'static str, PcapWriter<BufWriter<File>>>,
}

impl fmt::Debug for VerdictFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerdictFiles")
            .field("folder", &self.folder)
            .field("stem", &self.stem)
            .finish_non_exhaustive()
    }
}

impl VerdictFiles {
    /// Files in `folder`, named after `capture`.
    #[must_use]
    pub fn new(folder: &Path, capture: &Path) -> Self {
        let stem = capture.file_stem().map_or_else(
            || "packets".into(),
            |stem| stem.to_string_lossy().into_owned(),
        );
        Self {
            folder: folder.to_owned(),
            stem,
            open: BTreeMap::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{}.{name}.pcap", self.stem))
    }

    /// Writes a frame to its verdict's file.
    ///
    /// # Errors
    /// If the file cannot be made or written.
    pub fn write(&mut self, verdict: Verdict, frame: &Frame) -> Result<(), PortError> {
        let name = verdict.file_name();
        let path = self.path(name);
        let failed = |why: String| PortError::Write {
            path: path.clone(),
            why,
        };
        if !self.open.contains_key(name) {
            let header = PcapHeader {
                snaplen: SNAP_BYTES,
                datalink: DataLink::ETHERNET,
                ts_resolution: TsResolution::NanoSecond,
                ..PcapHeader::default()
            };
            let file = File::create(&path).map_err(|error| failed(error.to_string()))?;
            let writer = PcapWriter::with_header(BufWriter::new(file), header);
            self.open
                .insert(name, writer.map_err(|error| failed(error.to_string()))?);
        }
        let len = u32::try_from(frame.bytes.len())
            .map_err(|_| failed("the frame is too long".to_owned()))?;
        let packet = PcapPacket::new(frame.time, len, &frame.bytes);
        let writer = self.open.get_mut(name).expect("opened above");
        writer
            .write_packet(&packet)
            .map(drop)
            .map_err(|error| failed(error.to_string()))
    }

    /// Ends all files.
    ///
    /// # Errors
    /// If buffered bytes cannot be written.
    pub fn finish(&mut self) -> Result<(), PortError> {
        for (name, writer) in std::mem::take(&mut self.open) {
            let ended = writer.into_writer().into_inner();
            ended.map_err(|error| PortError::Write {
                path: self.path(name),
                why: error.error().to_string(),
            })?;
        }
        Ok(())
    }

    /// Paths of the files that are being written.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.open.keys().map(|name| self.path(name)).collect()
    }
}

//! What the running kernel said, kept in a file beside the corpus: asking it of everything takes minutes.
//!
//! A line is known by the kernel's release and a hash of the job with the object's bytes, so that neither a new kernel nor a new
//! object meets old answers.

use crate::job::{Job, Subject, Verdict};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Changed when what is kept changes its meaning.
const VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    verdict: Verdict,
}

/// The answers of one kernel.
#[derive(Debug)]
pub(crate) struct Cache {
    known: HashMap<String, Verdict>,
    file: Mutex<File>,
}

impl Cache {
    /// Opens the running kernel's file, made if missing.
    pub(crate) fn open(corpus: &Path) -> Result<Self, String> {
        fs::create_dir_all(corpus).map_err(|error| format!("{}: {error}", corpus.display()))?;
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let path = corpus.join(format!("linux-{}-{VERSION}.jsonl", release.trim()));
        let told = |error: std::io::Error| format!("{}: {error}", path.display());
        let text = fs::read_to_string(&path).unwrap_or_default();
        // A line that was cut off by the end of an earlier run is asked again.
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let known = lines.map(|line| (line.key, line.verdict)).collect();
        let file = OpenOptions::new().append(true).create(true).open(&path);
        Ok(Self {
            known,
            file: Mutex::new(file.map_err(told)?),
        })
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Verdict> {
        self.known.get(key)
    }

    /// Keeps an answer. One that cannot be written is asked again the next time.
    pub(crate) fn keep(&self, key: &str, verdict: &Verdict) {
        let line = Line {
            key: key.to_owned(),
            verdict: verdict.clone(),
        };
        if let Ok(text) = serde_json::to_string(&line) {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = writeln!(file, "{text}");
        }
    }
}

/// Makes keys; reads each object once.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    objects: HashMap<PathBuf, Vec<u8>>,
}

impl Keys {
    /// The key of a job.
    pub(crate) fn of(&mut self, job: &Job) -> String {
        let mut hash = Sha256::new();
        if let Subject::Program { object, .. } = &job.subject {
            let bytes = self.objects.entry(object.clone()).or_insert_with(|| {
                let bytes = fs::read(object).unwrap_or_default();
                Sha256::digest(&bytes).to_vec()
            });
            hash.update(bytes);
        }
        // The path would tie the answer to the folder; the name is what matters besides the bytes.
        let mut job = job.clone();
        if let Subject::Program { object, .. } = &mut job.subject {
            *object = object.file_name().map(PathBuf::from).unwrap_or_default();
        }
        hash.update(serde_json::to_vec(&job).unwrap_or_default());
        hash.finalize()
            .iter()
            .fold(String::new(), |mut text, byte| {
                // Writing to a string cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
    }
}

#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;
use crate::guardian::fake::link;
use skep_testkit::TempDir;
use std::fs::{Permissions, hard_link, set_permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

fn scope() -> Scope {
    Scope {
        boot: "b".to_owned(),
        namespace: 5,
    }
}

fn entry(id: u64) -> Entry {
    let undo = link(&format!("sk{id}"));
    Entry { id, undo }
}

fn open(path: &Path, missing: Missing) -> Result<Option<Journal>, JournalError> {
    Journal::open(path, missing, scope(), Duration::ZERO)
}

fn ids(path: &Path) -> Vec<u64> {
    let journal = open(path, Missing::Leave).unwrap().unwrap();
    journal.entries().keys().copied().collect()
}

struct Site {
    _folder: TempDir,
    path: PathBuf,
}

impl Site {
    fn new() -> Self {
        let folder = TempDir::new("journal");
        let path = folder.path().join("x.journal");
        Self {
            _folder: folder,
            path,
        }
    }

    fn write(&self, text: impl AsRef<[u8]>) {
        fs::write(&self.path, text).unwrap();
        set_permissions(&self.path, Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn promises_outlive_the_writer() {
    let site = Site::new();
    assert!(open(&site.path, Missing::Leave).unwrap().is_none());
    let mut journal = open(&site.path, Missing::Make).unwrap().unwrap();
    for id in [7, 8, 9] {
        journal.promise(&entry(id)).unwrap();
    }
    journal.forget(8).unwrap();
    journal.forget(80).unwrap();
    let error = open(&site.path, Missing::Leave).unwrap_err();
    assert!(matches!(error, JournalError::InUse { .. }), "{error}");
    drop(journal);
    assert_eq!(ids(&site.path), [7, 9]);

    let mut journal = open(&site.path, Missing::Make).unwrap().unwrap();
    assert_eq!(journal.entries()[&9], link("sk9"));
    journal.forget(7).unwrap();
    journal.close().unwrap();
    assert_eq!(ids(&site.path), [9]);
    let mut journal = open(&site.path, Missing::Make).unwrap().unwrap();
    journal.forget(9).unwrap();
    journal.close().unwrap();
    assert!(!site.path.exists());
}

#[test]
fn cut_off_anywhere() {
    let site = Site::new();
    let mut journal = open(&site.path, Missing::Make).unwrap().unwrap();
    journal.promise(&entry(1)).unwrap();
    journal.promise(&entry(2)).unwrap();
    drop(journal);
    let text = fs::read(&site.path).unwrap();
    for end in 0..=text.len() {
        site.write(&text[..end]);
        let whole = text[..end].iter().filter(|&&byte| byte == b'\n').count();
        let expected: Vec<u64> = (1..).take(whole.saturating_sub(1)).collect();
        assert_eq!(ids(&site.path), expected, "{end}");
        // And it goes on from there.
        let mut journal = open(&site.path, Missing::Make).unwrap().unwrap();
        journal.promise(&entry(3)).unwrap();
        drop(journal);
        assert_eq!(ids(&site.path).last(), Some(&3));
    }
}

#[test]
fn another_boot_or_namespace() {
    let site = Site::new();
    let other = |boot: &str, namespace| Scope {
        boot: boot.to_owned(),
        namespace,
    };
    for scope in [other("a", 5), other("b", 6)] {
        let open_there = Journal::open(&site.path, Missing::Make, scope, Duration::ZERO);
        let mut journal = open_there.unwrap().unwrap();
        journal.promise(&entry(1)).unwrap();
        drop(journal);
        let journal = open(&site.path, Missing::Leave).unwrap().unwrap();
        assert_eq!((journal.entries().len(), journal.foreign()), (0, 1));
        drop(journal);
        assert!(ids(&site.path).is_empty());
    }
    assert_ne!(Scope::current().unwrap(), scope());
}

#[test]
fn hostile_contents() {
    let site = Site::new();
    let head = r#"{"skep_journal":1,"boot":"b","namespace":5}"#;
    let promise = r#"{"promise":{"id":1,"undo":{"DeleteLink":{"name":"x"}}}}"#;
    for (line, text) in [
        (1, "\n".to_owned()),
        (1, "junk\n".to_owned()),
        (1, format!("{promise}\n")),
        (1, format!("{}\n", head.replace("l\":1", "l\":2"))),
        (1, format!("{}\n", head.replace('5', "-5"))),
        (1, "\0".repeat(100) + "\n"),
        (
            1,
            "x".repeat(usize::try_from(JOURNAL_BYTES_MAX).unwrap()) + "\n",
        ),
        (2, format!("{head}\n\n")),
        (2, format!("{head}\n{}\n", promise.replace('}', ""))),
        (2, format!("{head}\n{}\n", promise.replace("Link", "Disk"))),
        (2, format!("{head}\n{}\n", "[".repeat(100_000))),
        (3, format!("{head}\n{promise}\n{promise}\n")),
        (3, format!("{head}\n{promise}\n{{\"forget\":1.5}}\n")),
    ] {
        site.write(&text);
        let error = open(&site.path, Missing::Make).unwrap_err();
        let start = format!("{}: line {line}: ", site.path.display());
        assert!(error.to_string().starts_with(&start), "{error}");
        assert_eq!(error.to_string().lines().count(), 1);
        // It stays as it was, for whoever looks at it.
        assert_eq!(fs::read(&site.path).unwrap(), text.as_bytes());
    }
    let many: String = (0..=UNDO_ENTRIES_MAX)
        .map(|id| promise.replace(":1", &format!(":{id}")) + "\n")
        .collect();
    site.write(format!("{head}\n{many}"));
    assert!(open(&site.path, Missing::Make).is_err());
    // Bytes at random.
    let mut seed = 1_u64;
    for length in 0..500 {
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                seed.to_be_bytes()[0]
            })
            .collect();
        site.write(&bytes);
        let _ = open(&site.path, Missing::Make);
        let mut text = format!("{head}\n{promise}\n").into_bytes();
        let at = length % text.len();
        text[at] = seed.to_be_bytes()[0];
        site.write(&text);
        let _ = open(&site.path, Missing::Make);
    }
}

#[test]
fn files_that_are_not_believed() {
    let site = Site::new();
    let reason = || match open(&site.path, Missing::Make).unwrap_err() {
        JournalError::Untrusted { reason, .. } => reason,
        other => panic!("{other}"),
    };
    let target = site.path.with_extension("target");
    fs::write(&target, "").unwrap();
    symlink(&target, &site.path).unwrap();
    assert_eq!(reason(), "is not a plain file");
    remove_file(&site.path).unwrap();
    fs::create_dir(&site.path).unwrap();
    assert_eq!(reason(), "is not a plain file");
    fs::remove_dir(&site.path).unwrap();
    hard_link(&target, &site.path).unwrap();
    set_permissions(&site.path, Permissions::from_mode(0o640)).unwrap();
    assert_eq!(reason(), "must have mode 0600");
    let metadata = symlink_metadata(&site.path).unwrap();
    assert_eq!(
        fault(&metadata, effective_uid() + 1),
        Some("belongs to another user")
    );
}

#[test]
fn a_long_one_is_written_anew() {
    let site = Site::new();
    let mut journal = open(&site.path, Missing::Make).unwrap().unwrap();
    journal.promise(&entry(0)).unwrap();
    let mut longest = 0;
    for id in 1..3000 {
        journal.promise(&entry(id)).unwrap();
        journal.forget(id).unwrap();
        longest = longest.max(fs::metadata(&site.path).unwrap().len());
    }
    assert!(longest <= JOURNAL_COMPACT_BYTES + 200, "{longest}");
    // Still ours alone.
    assert!(open(&site.path, Missing::Leave).is_err());
    drop(journal);
    assert_eq!(ids(&site.path), [0]);
}

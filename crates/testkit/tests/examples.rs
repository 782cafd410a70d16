//! The committed objects of `examples/` are what clang 19 makes of their sources.
//!
//! Only programs are compared: debug information and types hold what the headers of the machine say.
#![allow(clippy::unwrap_used, reason = "tests")]

use object::{Object, ObjectSection, SectionKind};
use skep_testkit::oracle::make;
use skep_testkit::{Harness, Need, TempDir, root};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    Harness::from_args()
        .case("every_source_has_its_object", &[], pairs)
        .case("objects_name_no_folder_of_their_build", &[], no_paths)
        .case("rebuilt_programs_are_the_same", &[Need::Clang], rebuilt)
        .run();
}

fn with_extension(extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("examples")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.to_str().unwrap().ends_with(extension))
        .collect();
    paths.sort();
    paths
}

fn pairs() {
    let sources = with_extension(".bpf.c");
    let made: Vec<PathBuf> = sources
        .iter()
        .map(|source| source.with_extension("o"))
        .collect();
    assert!(!made.is_empty());
    assert_eq!(with_extension(".bpf.o"), made);
}

fn no_paths() {
    for path in with_extension(".bpf.o") {
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        for folder in ["/home/", "/root/", "/work/", "/tmp/"] {
            assert!(!text.contains(folder), "{}: {folder}", path.display());
        }
    }
}

/// The bytes of the sections that hold instructions, by name.
fn programs(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let sections = file
        .sections()
        .filter(|section| section.kind() == SectionKind::Text);
    sections
        .map(|section| {
            (
                section.name().unwrap().to_owned(),
                section.data().unwrap().to_vec(),
            )
        })
        .collect()
}

fn rebuilt() {
    let dir = TempDir::new("examples");
    for source in with_extension(".bpf.c") {
        fs::copy(&source, dir.join(source.file_name().unwrap())).unwrap();
    }
    make(&dir, "all");
    for committed in with_extension(".bpf.o") {
        let made = dir.join(committed.file_name().unwrap());
        let (committed_programs, made) = (programs(&committed), programs(&made));
        assert!(committed_programs.values().any(|bytes| !bytes.is_empty()));
        assert_eq!(committed_programs, made, "{}", committed.display());
    }
}

//! Source lines for places in the code.
//!
//! BTF.ext has a record where a line begins and the line's text; places between have none. DWARF covers every place and
//! has file and line number only; the text is read from the file. `llvm-objdump` prints a line when file or number
//! differ from those of the instruction before, and this is what [`Source::line_at`] decides.

use super::dwarf;
use super::elf::ObjectFile;
use super::sections;
use object::SectionIndex;
use skep_btf::{Btf, BtfExt};
use std::collections::{BTreeMap, HashMap};

/// A place in a source file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// Path as recorded.
    pub(super) file: String,
    /// Line, from 1; 0 if the compiler knew none.
    pub(super) line: u32,
}

/// Places and texts by offset in bytes, by section name.
type BtfLines = HashMap<String, BTreeMap<u64, (Place, String)>>;

/// Lines of one object file.
pub(super) struct Source {
    lines: Lines,
    /// Place of the instruction before.
    before: Option<Place>,
    missing: Vec<String>,
}

enum Lines {
    None,
    Btf(BtfLines),
    Dwarf {
        rows: dwarf::Rows,
        files: HashMap<String, Option<Vec<String>>>,
    },
}

impl Source {
    /// No lines.
    pub(super) fn none() -> Self {
        Self::new(Lines::None)
    }

    /// Lines from BTF.ext; none if the file has none, or broken ones.
    pub(super) fn from_btf(file: &[u8]) -> Self {
        Self::new(btf_lines(file).map_or(Lines::None, Lines::Btf))
    }

    /// Lines from DWARF.
    pub(super) fn from_dwarf(file: &[u8], object: &ObjectFile) -> Result<Self, String> {
        let rows = dwarf::rows(file, object)?;
        Ok(Self::new(Lines::Dwarf {
            rows,
            files: HashMap::new(),
        }))
    }

    fn new(lines: Lines) -> Self {
        Self {
            lines,
            before: None,
            missing: Vec::new(),
        }
    }

    /// Source files that could not be read.
    pub(super) fn missing_files(&self) -> &[String] {
        &self.missing
    }

    /// The line to print before the instruction at `offset`; instructions are asked for in order.
    pub(super) fn line_at(
        &mut self,
        index: SectionIndex,
        section: &str,
        offset: u64,
    ) -> Option<String> {
        let place = match &self.lines {
            Lines::None => None,
            Lines::Btf(sections) => sections
                .get(section)
                .and_then(|lines| lines.get(&offset))
                .map(|(place, _)| place.clone()),
            Lines::Dwarf { rows, .. } => rows.place(index, offset),
        };
        let unchanged = place == self.before;
        self.before.clone_from(&place);
        let place = place.filter(|place| !unchanged && place.line != 0)?;
        match &mut self.lines {
            Lines::None => None,
            Lines::Btf(sections) => sections
                .get(section)?
                .get(&offset)
                .map(|(_, text)| text.clone()),
            Lines::Dwarf { files, .. } => {
                let missing = &mut self.missing;
                let lines = files.entry(place.file.clone()).or_insert_with(|| {
                    let text = std::fs::read(&place.file).ok();
                    if text.is_none() {
                        missing.push(place.file.clone());
                    }
                    text.map(|bytes| {
                        String::from_utf8_lossy(&bytes)
                            .lines()
                            .map(str::to_owned)
                            .collect()
                    })
                });
                let number = usize::try_from(place.line).ok()?;
                lines.as_ref()?.get(number.checked_sub(1)?).cloned()
            }
        }
    }
}

/// Lines of an object file by DWARF, for places asked for in any order.
pub(crate) struct DwarfLines {
    object: ObjectFile,
    rows: dwarf::Rows,
}

impl DwarfLines {
    /// Reads them; `None` if there are none.
    pub(crate) fn read(file: &[u8]) -> Option<Self> {
        let object = ObjectFile::parse(file).ok()?;
        let rows = dwarf::rows(file, &object).ok()?;
        Some(Self { object, rows })
    }

    /// File, number and text of the line of an instruction, `offset` bytes from the start of its section. The text is empty if
    /// the file is not there.
    pub(crate) fn line(&self, section: &str, offset: u64) -> Option<(String, u32, String)> {
        let found = self
            .object
            .sections
            .iter()
            .find(|one| one.name == section)?;
        let place = self.rows.place(found.index, offset)?;
        let text = std::fs::read(&place.file).ok().and_then(|bytes| {
            let number = usize::try_from(place.line).ok()?.checked_sub(1)?;
            let text = String::from_utf8_lossy(&bytes);
            text.lines().nth(number).map(str::to_owned)
        });
        (place.line != 0).then(|| (place.file, place.line, text.unwrap_or_default()))
    }
}

fn btf_lines(file: &[u8]) -> Option<BtfLines> {
    let btf = Btf::parse(&sections::content(file, ".BTF").ok()?).ok()?;
    let ext = BtfExt::parse(&sections::content(file, ".BTF.ext").ok()?, &btf).ok()?;
    let text = |offset| btf.text(offset).unwrap_or_default().into_owned();
    let sections = ext.line_info.iter().map(|section| {
        let lines = section.records.iter().map(|record| {
            let place = Place {
                file: text(record.file_name_off),
                line: record.line,
            };
            (u64::from(record.insn_off), (place, text(record.line_off)))
        });
        (text(section.name), lines.collect())
    });
    Some(sections.collect())
}

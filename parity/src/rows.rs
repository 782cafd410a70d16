//! The rows of the comparison: which programs there are, what they are asked, and what is known of them beforehand.
//!
//! Objects give programs and annotations; the sheet gives tiers, features and Linux's verdicts. A program that the sheet does
//! not know is compared too, with what the running kernel says.

use crate::compare::{Compared, Reference};
use crate::expect::{self, Expect, RUN_BYTES, Wanted};
use crate::job::{Job, Run, Side, Subject};
use crate::options::{Parity, Tier};
use crate::sheet::{self, SheetRow};
use crate::struct_tests;
use skep_object::Object;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// What the target of a row is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Group {
    /// Annotated programs of the core tier.
    Core,
    /// Annotated programs of the ext tier.
    Ext,
    /// Annotated programs of the kernel tier.
    Kernel,
    /// The struct-array tests.
    Structs,
    /// Programs of the core tier without annotations.
    Plain,
    /// Programs of other tiers without annotations.
    Rest,
    /// Programs that the sheet does not know.
    Unknown,
}

impl Group {
    pub(crate) const ALL: [Self; 7] = [
        Self::Core,
        Self::Ext,
        Self::Kernel,
        Self::Structs,
        Self::Plain,
        Self::Rest,
        Self::Unknown,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Ext => "ext",
            Self::Kernel => "kernel",
            Self::Structs => "test_verifier",
            Self::Plain => "core, un-annotated",
            Self::Rest => "others, un-annotated",
            Self::Unknown => "not in the sheet",
        }
    }

    fn selected(self, tier: Tier) -> bool {
        match tier {
            Tier::All => true,
            Tier::Targets => self != Self::Rest,
            Tier::Core => {
                matches!(
                    self,
                    Self::Core | Self::Structs | Self::Plain | Self::Unknown
                )
            }
            Tier::Ext => matches!(self, Self::Ext | Self::Unknown),
            Tier::Kernel => matches!(self, Self::Kernel | Self::Unknown),
        }
    }
}

/// A program to compare.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Row {
    pub(crate) group: Group,
    /// Object and program.
    pub(crate) name: String,
    pub(crate) prog_type: String,
    pub(crate) features: Vec<String>,
    /// What its author expects.
    pub(crate) wanted: Option<Wanted>,
    /// Whether something is expected of it as an ordinary user's.
    pub(crate) unprivileged: bool,
    /// What is known of Linux's verdict without asking.
    pub(crate) reference: Option<Reference>,
    /// The question to skep; Linux is asked the same.
    pub(crate) job: Job,
}

/// The rows, and what the reader of the table should know of how they came about.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) rows: Vec<Row>,
    pub(crate) notes: Vec<String>,
}

/// Collects the rows that the options want.
pub(crate) fn collect(options: &Parity) -> Result<Rows, String> {
    let mut rows = Rows::default();
    let sheet = match sheet::read(&options.sheet) {
        Ok(sheet) => sheet,
        Err(error) => {
            rows.notes.push(format!("without sheet: {error}"));
            Vec::new()
        }
    };
    let objects = objects(&options.objects)?;
    let mut by_object: HashMap<&str, Vec<&SheetRow>> = HashMap::new();
    for row in &sheet {
        by_object.entry(&row.object).or_default().push(row);
    }
    for name in &objects {
        let known = by_object.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        of_object(&options.objects.join(name), name, known, &mut rows)?;
    }
    let absent = sheet
        .iter()
        .filter(|row| row.accepted().is_some() && !objects.contains(&row.object))
        .count();
    if absent > 0 {
        rows.notes.push(format!(
            "{absent} programs of the sheet have no object in {}",
            options.objects.display()
        ));
    }
    let structs = options.sheet.with_file_name("test_verifier.json.gz");
    if structs.exists() {
        rows.rows.extend(of_structs(&structs)?);
    } else {
        rows.notes.push(format!("no {}", structs.display()));
    }
    rows.rows
        .retain(|row| row.group.selected(options.tier) && row.name.contains(&options.filter));
    for row in &mut rows.rows {
        match (&mut row.job.subject, options.as_type) {
            (_, None) => {}
            (Subject::Program { as_type, .. }, wanted) => *as_type = wanted,
            (Subject::Case(case), Some(wanted)) => case.prog_type = wanted,
        }
    }
    Ok(rows)
}

fn objects(folder: &Path) -> Result<Vec<String>, String> {
    let told = |error| {
        format!(
            "{}: {error}; `cargo xtask corpus` makes it",
            folder.display()
        )
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(told)? {
        let name = entry.map_err(told)?.file_name();
        names.extend(
            name.to_str()
                .filter(|name| name.ends_with(".o"))
                .map(str::to_owned),
        );
    }
    names.sort();
    Ok(names)
}

fn of_object(path: &Path, name: &str, known: &[&SheetRow], rows: &mut Rows) -> Result<(), String> {
    let data = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let object = skep_object::parse(&data).ok();
    let mut programs: Vec<(String, String)> = object.iter().flat_map(named_programs).collect();
    // What skep cannot open, or sees no program in, is asked all the same.
    for row in known {
        if row.accepted().is_some() && !programs.iter().any(|(name, _)| *name == row.program) {
            programs.push((row.program.clone(), row.prog_type.clone()));
        }
    }
    for program in programs {
        let known = known.iter().find(|row| row.program == program.0);
        let expect = match object.as_ref().and_then(Object::btf) {
            Some(btf) => expect::read(btf, &program.0),
            None => Expect::default(),
        };
        for unknown in &expect.unknown {
            rows.notes
                .push(format!("{name}/{}: annotation {unknown}?", program.0));
        }
        rows.rows
            .push(of_program(path, name, program, known.copied(), expect));
    }
    Ok(())
}

/// Names and types of an object's programs.
fn named_programs(object: &Object) -> Vec<(String, String)> {
    let programs = object.programs();
    programs
        .map(|(_, function)| {
            let row = object.section_def(function);
            let prog_type = row.map_or_else(String::new, |row| row.prog_type.to_string());
            (function.name().to_owned(), prog_type)
        })
        .collect()
}

fn of_program(
    path: &Path,
    object: &str,
    (program, prog_type): (String, String),
    known: Option<&SheetRow>,
    expect: Expect,
) -> Row {
    let group = known.map_or(Group::Unknown, group);
    let want = expect.privileged.retval;
    let runs = match want {
        Some(_) if group != Group::Kernel => vec![Run {
            data: vec![0; usize::try_from(RUN_BYTES).unwrap_or(0)],
            want,
        }],
        _ => Vec::new(),
    };
    let modes = &expect.unprivileged;
    Row {
        group,
        name: format!("{object}/{program}"),
        prog_type: known.map_or(prog_type, |row| row.prog_type.clone()),
        features: known.map_or_else(Vec::new, |row| row.features.clone()),
        wanted: expect.privileged.verdict,
        unprivileged: modes.verdict.is_some() || !modes.messages.is_empty(),
        reference: reference(known, &expect),
        job: Job {
            side: Side::Skep,
            subject: Subject::Program {
                object: path.to_owned(),
                program,
                as_type: None,
            },
            flags: expect.flags,
            // At level 4 the log ends with figures.
            log_level: expect.log_level.max(1) | 4,
            patterns: expect.privileged.messages,
            runs,
        },
    }
}

/// The sheet's verdict, or the author's where the sheet does not know the program.
fn reference(known: Option<&SheetRow>, expect: &Expect) -> Option<Reference> {
    let (accepted, errno, line) = match known {
        Some(row) => (row.accepted()?, Some(row.errno), row.first_error.clone()),
        None => {
            let wanted = expect.privileged.verdict?;
            (wanted == Wanted::Success, None, String::new())
        }
    };
    Some(Reference {
        accepted,
        errno,
        line,
        compared: Compared::Patterns,
    })
}

fn group(row: &SheetRow) -> Group {
    match (row.tier.as_str(), row.annotated()) {
        ("core", true) => Group::Core,
        ("ext", true) => Group::Ext,
        ("kernel", true) => Group::Kernel,
        ("core", false) => Group::Plain,
        _ => Group::Rest,
    }
}

fn of_structs(path: &Path) -> Result<Vec<Row>, String> {
    let tests = struct_tests::read(path)?;
    let row = |test: struct_tests::StructTest| Row {
        group: Group::Structs,
        name: format!("test_verifier/{}", test.name),
        prog_type: match &test.job.subject {
            Subject::Case(case) => skep_uapi::ProgType(case.prog_type).to_string(),
            Subject::Program { .. } => String::new(),
        },
        features: Vec::new(),
        wanted: None,
        unprivileged: false,
        reference: test
            .accepted
            .map(|accepted| Reference::of_log(accepted, test.errno, &test.log, &test.job.patterns)),
        job: test.job,
    };
    Ok(tests.into_iter().map(row).collect())
}

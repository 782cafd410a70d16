//! The words of the command line.

use crate::folders;
use std::path::PathBuf;

/// How to call it.
pub(crate) const USAGE: &str = "\
usage: cargo xtask corpus [--cpu v3|v4] [--corpus FOLDER]
       cargo xtask parity [OPTION...]
       cargo xtask bench verify [OPTION...]
  --tier core|ext|kernel|all  which programs (default: those with a target; all: also un-annotated ones of every tier)
  --filter TEXT               programs with TEXT in OBJECT/PROGRAM
  --list                      name each difference, with both sides' verdicts and messages
  --reasons                   refusals of what Linux accepts, and the other differences, by message, commonest first
  --json FILE                 write every row
  --cpu v3|v4                 which compilation (default v3)
  --as-type NUMBER            let skep load every program as one of this type (6: xdp), to see other rules than its type's
  --no-linux                  do not ask the running kernel, nor use what it said before
  --objects FOLDER            object files to use in place of the corpus's
  --corpus FOLDER             the corpus (default: ~/.cache/skep/corpus)
  --sheet FILE                what Linux said of each (default: ../shared/corpus/selftests.tsv, or in $SKEP_SHARED_CORPUS)";

/// What `corpus` is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Corpus {
    pub(crate) folder: PathBuf,
    pub(crate) cpu: String,
}

/// What `parity` is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Parity {
    pub(crate) tier: Tier,
    pub(crate) filter: String,
    pub(crate) parts: Vec<Part>,
    pub(crate) json: Option<PathBuf>,
    pub(crate) as_type: Option<u32>,
    pub(crate) kernel: Kernel,
    pub(crate) corpus: PathBuf,
    pub(crate) objects: PathBuf,
    pub(crate) sheet: PathBuf,
}

/// Which programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tier {
    /// All that have a target.
    Targets,
    Core,
    Ext,
    Kernel,
    All,
}

/// What is printed besides the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    List,
    Reasons,
}

/// Whether the running kernel is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kernel {
    Ask,
    Leave,
}

fn cpu(word: &str) -> Result<String, String> {
    match word {
        "v3" | "v4" => Ok(word.to_owned()),
        other => Err(format!("--cpu {other}: v3 or v4")),
    }
}

/// Takes the value of an option from the words behind it.
fn value<'w>(option: &str, words: &mut impl Iterator<Item = &'w str>) -> Result<&'w str, String> {
    words
        .next()
        .ok_or_else(|| format!("{option} needs a value\n{USAGE}"))
}

fn unknown(word: &str) -> String {
    match word {
        "--help" => USAGE.to_owned(),
        other => format!("`{other}`?\n{USAGE}"),
    }
}

impl Corpus {
    pub(crate) fn read(words: &[&str]) -> Result<Self, String> {
        let mut words = words.iter().copied();
        let mut options = Self {
            folder: folders::corpus()?,
            cpu: "v3".to_owned(),
        };
        while let Some(option) = words.next() {
            match option {
                "--cpu" => options.cpu = cpu(value(option, &mut words)?)?,
                "--corpus" => options.folder = value(option, &mut words)?.into(),
                other => return Err(unknown(other)),
            }
        }
        Ok(options)
    }
}

impl Parity {
    pub(crate) fn read(words: &[&str]) -> Result<Self, String> {
        let mut words = words.iter().copied();
        let mut cpu_word = "v3".to_owned();
        let mut objects = None;
        let mut options = Self {
            tier: Tier::Targets,
            filter: String::new(),
            parts: Vec::new(),
            json: None,
            as_type: None,
            kernel: Kernel::Ask,
            corpus: folders::corpus()?,
            objects: PathBuf::new(),
            sheet: folders::shared().join("selftests.tsv"),
        };
        while let Some(option) = words.next() {
            match option {
                "--tier" => options.tier = tier(value(option, &mut words)?)?,
                "--filter" => options.filter = value(option, &mut words)?.to_owned(),
                "--list" => options.parts.push(Part::List),
                "--reasons" => options.parts.push(Part::Reasons),
                "--json" => options.json = Some(value(option, &mut words)?.into()),
                "--cpu" => cpu_word = cpu(value(option, &mut words)?)?,
                "--as-type" => {
                    let number = value(option, &mut words)?.parse();
                    options.as_type = Some(number.map_err(|error| format!("{option}: {error}"))?);
                }
                "--no-linux" => options.kernel = Kernel::Leave,
                "--objects" => objects = Some(PathBuf::from(value(option, &mut words)?)),
                "--corpus" => options.corpus = value(option, &mut words)?.into(),
                "--sheet" => options.sheet = value(option, &mut words)?.into(),
                other => return Err(unknown(other)),
            }
        }
        options.objects = objects.unwrap_or_else(|| options.corpus.join(cpu_word));
        Ok(options)
    }
}

fn tier(word: &str) -> Result<Tier, String> {
    match word {
        "core" => Ok(Tier::Core),
        "ext" => Ok(Tier::Ext),
        "kernel" => Ok(Tier::Kernel),
        "all" => Ok(Tier::All),
        other => Err(format!("--tier {other}: core, ext, kernel or all")),
    }
}

//! What the commands say: bpftool's words and exit codes for `net attach`, `net detach` and `net show`.
//!
//! `command.txt` holds each command line with what bpftool prints on Linux, errors behind results, and its exit code.
//! `{K}` stands for the type of the attachment (`xdpgeneric`), `{M}` for the mode that is shown (`generic`), `{P}` for the
//! folder of pins, `<one>` for the program's id. The exit code of a failed attach or detach is the error's number, negated,
//! in eight bits (240 is EBUSY, 234 EINVAL); that of a failed show is 255.
//!
//! bpftool's lines `libbpf: Kernel error message: …` come from its library, and are not expected of skep.

use crate::attach::{Attacher, Mode, Site, Way};
use crate::common::Said;
use skep_testkit::{blessing, golden};
use std::fmt::Write as _;

/// Texts for every attacher; the type and the mode are the attacher's own.
pub(crate) fn words(site: &Site) {
    let lines = commands("tests/net/command.txt");
    prepare(site);
    let mode = site.attacher.mode();
    let kind = match mode {
        "generic" => "xdpgeneric",
        _ => "xdpdrv",
    };
    let said = general(&transcript(site, &lines, kind), kind, mode);
    compare(site, "tests/net/command.txt", &said);
}

/// Where Linux's two modes meet on one interface: each refuses to be attached beside the other (EEXIST), and `xdp` chooses
/// the driver where it can. `detach` of a mode that is not attached succeeds and leaves the other where it is.
pub(crate) fn modes(site: &Site) {
    let file = match site.attacher {
        Attacher::Kernel(Mode::Generic) => "tests/net/modes_generic.txt",
        Attacher::Kernel(Mode::Native) => "tests/net/modes_driver.txt",
        Attacher::Skep(_) => unreachable!("skep has one mode"),
    };
    prepare(site);
    let said = transcript(site, &commands(file), "");
    compare(site, file, &said);
}

fn prepare(site: &Site) {
    site.load_as("pass", "one");
    site.load_as("pass", "two");
    site.load("for_devmap");
}

/// The command lines of a file.
fn commands(file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .map(str::to_owned)
        .collect()
}

/// Command lines with `kind` for their `{K}`, and what they said, with names in place of what differs from run to run.
fn transcript(site: &Site, lines: &[String], kind: &str) -> String {
    let ids = ["one", "two"].map(|name| (site.id(name), format!("<{name}>")));
    let mut said = String::new();
    for line in lines {
        let mut words = line.replace("{K}", kind);
        if let (Attacher::Skep(way), true) = (site.attacher, line.contains("net attach {K} ")) {
            write!(words, " {}", way.option()).unwrap();
        }
        let Said { code, out, err } = site.said(&words);
        let text = format!("{out}{err}");
        let text = text.replace(&site.pins(), "{P}");
        let text = match site.attacher {
            Attacher::Kernel(_) => text,
            Attacher::Skep(way) => linuxs_part(&text, way),
        };
        let named = |text: String, (id, name): &(String, String)| {
            // Elsewhere the same number may be an interface's.
            ["id ", "\"id\":", "\"id\": "]
                .iter()
                .fold(text, |text, head| {
                    let ends = ["\n", "}", ",", ")"];
                    ends.iter().fold(text, |text, end| {
                        text.replace(&format!("{head}{id}{end}"), &format!("{head}{name}{end}"))
                    })
                })
        };
        let text = ids.iter().fold(text, named);
        writeln!(said, "$ {line}\n{text}[{}]", code.expect("no signal")).unwrap();
    }
    said
}

/// A transcript with signs in place of what the attacher itself is.
fn general(said: &str, kind: &str, mode: &str) -> String {
    let said = said.replace(kind, "{K}");
    let said = said.replace(&format!(" {mode} "), " {M} ");
    said.replace(&format!("\"{mode}\""), "\"{M}\"")
}

/// Compares with the file, which Linux alone writes.
fn compare(site: &Site, file: &str, said: &str) {
    if let Attacher::Kernel(_) = site.attacher {
        return golden(file, said);
    }
    assert!(!blessing(), "{file} is what Linux says");
    let is_librarys = |line: &&str| line.starts_with("libbpf: ");
    let expected = std::fs::read_to_string(file).unwrap();
    let expected: String = expected
        .split_inclusive('\n')
        .filter(|line| !is_librarys(line))
        .collect();
    let (said, expected): (Vec<_>, Vec<_>) = (said.lines().collect(), expected.lines().collect());
    let pairs = said.iter().zip(&expected);
    let same = pairs
        .take_while(|(said, expected)| said == expected)
        .count();
    let from = same.saturating_sub(5);
    assert!(
        said == expected,
        "line {same}:\n{}\nand not\n{}",
        said[from..said.len().min(same + 3)].join("\n"),
        expected[from..expected.len().min(same + 3)].join("\n")
    );
}

/// What skep shows, without what it shows beside Linux's: its way, its link, what became of the packets; why it refuses.
fn linuxs_part(text: &str, way: Way) -> String {
    let text = text.replace(&format!(" via {}\n", way.word()), "\n");
    let lines = text.split_inclusive('\n');
    let lines = lines.filter(|line| !line.starts_with("\tpackets "));
    let text: String = lines.map(without_reason).collect();
    // In JSON these are the last members of an entry.
    let Some(via) = text.find("\"via\":") else {
        return text;
    };
    let from = text[..via].rfind(',').expect("there are members before");
    let (_, behind) = text[via..]
        .split_once("\"undelivered\":")
        .expect("the last of them");
    let rest = behind
        .trim_start()
        .trim_start_matches(|digit: char| digit.is_ascii_digit());
    format!("{}{rest}", &text[..from])
}

/// An error's line without the reason, which skep puts in parentheses at its end; the libraries of Linux have a line for it.
fn without_reason(line: &str) -> String {
    for end in [")\n", ")\"}\n"] {
        if let Some(line) = line.strip_suffix(end)
            && line.contains("attach failed: ")
        {
            let (said, _) = line.rsplit_once(" (").expect("where it begins");
            return format!("{said}{}", &end[1..]);
        }
    }
    line.to_owned()
}

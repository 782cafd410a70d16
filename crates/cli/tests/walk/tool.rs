//! The tools whose words are compared: skep on a machine of its own, skep on Linux, bpftool on Linux.

use crate::common::{Said, World, json_value};
use skep_testkit::oracle::BpfFs;
use std::path::Path;
use std::process::{Command, Stdio};

/// A tool, what it works on, and how it is told which object is meant.
pub(crate) trait Tool {
    /// Runs a command line in which nothing is left to replace.
    fn say(&self, words: &str) -> Said;
    /// The folder of pins.
    fn pins(&self) -> String;
    /// The words that stand for a placeholder.
    fn selector(&self, placeholder: &str) -> String;
}

/// skep on its own machine; programs and maps by id or by name.
pub(crate) struct Own<'a> {
    pub(crate) world: &'a World,
    pub(crate) by: By,
}

#[derive(Clone, Copy)]
pub(crate) enum By {
    Pin,
    Name,
    Id,
}

impl Tool for Own<'_> {
    fn say(&self, words: &str) -> Said {
        self.world.run(words)
    }

    fn pins(&self) -> String {
        "/sys/fs/bpf".to_owned()
    }

    fn selector(&self, placeholder: &str) -> String {
        match (placeholder, self.by) {
            ("{HELLO}", By::Pin) => "pinned /sys/fs/bpf/hello".to_owned(),
            ("{HELLO}", By::Name) => "name hello".to_owned(),
            ("{BSS}", By::Name) => "name hello.bss".to_owned(),
            ("{RODATA}", By::Name) => "name hello.rodata".to_owned(),
            (other, By::Pin | By::Name | By::Id) => id_of(
                other,
                &self.world.results("prog show pinned /sys/fs/bpf/hello -j"),
            ),
        }
    }
}

/// A tool on Linux, with a bpffs of its own. Linux may hold other programs named hello, so ids name everything.
pub(crate) struct Kernel<'a> {
    pub(crate) world: &'a World,
    pub(crate) pins: BpfFs,
    pub(crate) program: &'a Path,
    pub(crate) before: &'a [&'a str],
}

impl Tool for Kernel<'_> {
    fn say(&self, words: &str) -> Said {
        let mut command = Command::new(self.program);
        command
            .args(self.before)
            .args(words.split_whitespace())
            .current_dir(self.world.dir())
            .stdin(Stdio::null());
        Said::of(&command.output().unwrap())
    }

    fn pins(&self) -> String {
        self.pins.display().to_string()
    }

    fn selector(&self, placeholder: &str) -> String {
        let shown = self.say(&format!("prog show pinned {}/hello -j", self.pins()));
        id_of(placeholder, &shown.out)
    }
}

/// `id N` of what a placeholder stands for, from the JSON of hello.
fn id_of(placeholder: &str, shown: &str) -> String {
    let maps = shown
        .split_once("\"map_ids\":[")
        .and_then(|(_, rest)| rest.split_once(']'))
        .unwrap()
        .0;
    let (bss, rodata) = maps.split_once(',').unwrap();
    let id = match placeholder {
        "{HELLO}" => json_value(shown, "id").unwrap(),
        "{BTF}" => json_value(shown, "btf_id").unwrap(),
        "{BSS}" => bss.to_owned(),
        "{RODATA}" => rodata.to_owned(),
        other => panic!("no placeholder: {other}"),
    };
    format!("id {id}")
}

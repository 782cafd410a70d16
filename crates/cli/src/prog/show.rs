//! `skep prog show`: what is known of programs.

use crate::app::Session;
use crate::args::Args;
use crate::calls;
use crate::failure::{Failure, Outcome};
use crate::output::{Record, escape, object, plain};
use crate::select::{self, full_name, tag_text};
use skep_btf::json::Node;
use skep_sys::clock::{Clock, now_ns, utc_offset_seconds};
use skep_uapi::{Bpf, Errno, Handle, ObjectKind, PinInfo, ProgInfo};
use std::io::{self, Write};

const NANOSECONDS: i64 = 1_000_000_000;

/// A program and what is known of it from elsewhere.
pub(crate) struct ProgRecord {
    info: ProgInfo,
    /// Name in full.
    name: String,
    /// Seconds since the epoch at load; `None` if the kernel does not know.
    loaded_at: Option<i64>,
    /// Paths, if asked for.
    pins: Vec<String>,
}

/// Shows all programs or those of a selector.
pub(crate) fn run(session: &mut Session, args: &mut Args) -> Outcome {
    let bpf = session.bpf()?;
    let bpf = &*bpf;
    let pins = pins(session, bpf)?;
    if args.is_empty() {
        return session.out.list(&all(bpf, &pins)?);
    }
    if args.len() != 2 {
        return Err(args.unknown());
    }
    let records: Outcome<Vec<ProgRecord>> = select::progs(bpf, args)?
        .iter()
        .map(|held| {
            record(bpf, held.handle(), &pins)
                .map_err(|errno| Failure::message(format!("can't get prog info: {errno}")))
        })
        .collect();
    session.out.found(&records?)
}

/// All pins, if the options ask for paths.
pub(crate) fn pins(session: &Session, bpf: &dyn Bpf) -> Outcome<Vec<PinInfo>> {
    if !session.options.show_pins {
        return Ok(Vec::new());
    }
    calls::pins(bpf, "").map_err(|errno| Failure::message(format!("can't list pins: {errno}")))
}

/// The paths at which an object is pinned.
pub(crate) fn paths(pins: &[PinInfo], kind: ObjectKind, id: u32) -> Vec<String> {
    pins.iter()
        .filter(|pin| pin.kind == kind && pin.id == id)
        .map(|pin| pin.path.clone())
        .collect()
}

fn all(bpf: &dyn Bpf, pins: &[PinInfo]) -> Outcome<Vec<ProgRecord>> {
    let mut records = Vec::new();
    let ids = calls::ids(bpf, ObjectKind::Prog)
        .map_err(|errno| Failure::message(format!("can't get next program: {errno}")))?;
    for id in ids {
        let opened = calls::open_id(bpf, ObjectKind::Prog, id);
        match opened.and_then(|held| record(bpf, held.handle(), pins)) {
            Ok(record) => records.push(record),
            Err(Errno::ENOENT) => {}
            Err(errno) => {
                return Err(Failure::message(format!(
                    "can't get prog by id ({id}): {errno}"
                )));
            }
        }
    }
    Ok(records)
}

/// What is known of one program.
pub(crate) fn record(bpf: &dyn Bpf, prog: Handle, pins: &[PinInfo]) -> Result<ProgRecord, Errno> {
    let info = calls::prog_info(bpf, prog)?;
    let name = escape(&full_name(bpf, prog, &info));
    let pins = paths(pins, ObjectKind::Prog, info.id.0);
    Ok(ProgRecord {
        loaded_at: epoch_seconds(info.load_time_ns),
        info,
        name,
        pins,
    })
}

/// Boot time as seconds since the epoch, by the distance of the two clocks now.
fn epoch_seconds(boot_ns: u64) -> Option<i64> {
    if boot_ns == 0 {
        return None;
    }
    let started = now_ns(Clock::Realtime).wrapping_sub(now_ns(Clock::Boottime));
    Some(
        started
            .wrapping_add(boot_ns)
            .cast_signed()
            .div_euclid(NANOSECONDS),
    )
}

/// Local time as `2026-11-24T13:49:47+0000`.
fn local_time(seconds: i64) -> String {
    let offset = utc_offset_seconds(seconds);
    let local = seconds.saturating_add(offset);
    let (days, clock) = (local.div_euclid(86_400), local.rem_euclid(86_400));
    let (year, month, day) = civil_date(days);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    let (sign, ahead) = if offset < 0 {
        ('-', -offset)
    } else {
        ('+', offset)
    };
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{sign}{:02}{:02}",
        ahead / 3600,
        ahead / 60 % 60
    )
}

/// Year, month and day of a number of days since 1970 in the Gregorian calendar. Years are counted from March, so that
/// the leap day is a year's last, in eras of 400 years.
fn civil_date(days: i64) -> (i64, i64, i64) {
    const ERA_DAYS: i64 = 146_097;
    let from_march_0000 = days + 719_468;
    let (era, day_of_era) = (
        from_march_0000.div_euclid(ERA_DAYS),
        from_march_0000.rem_euclid(ERA_DAYS),
    );
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Ids separated by commas.
pub(crate) fn id_list(ids: impl IntoIterator<Item = u32>) -> String {
    ids.into_iter()
        .map(|id| id.to_string())
        .collect::<Vec<_>>()
        .join(",")
}

/// Ids as a JSON array.
pub(crate) fn id_array(ids: impl IntoIterator<Item = u32>) -> Node {
    Node::Array(ids.into_iter().map(|id| Node::Plain(id.into())).collect())
}

/// Texts as a JSON array, `None` if there are none.
pub(crate) fn text_array(texts: &[String]) -> Option<Node> {
    (!texts.is_empty()).then(|| Node::Array(texts.iter().map(Node::string).collect()))
}

impl ProgRecord {
    /// The first line of the text form.
    pub(crate) fn header(&self, out: &mut dyn Write) -> io::Result<()> {
        let info = &self.info;
        match info.prog_type.name() {
            Some(name) => write!(out, "{}: {name}  ", info.id)?,
            None => write!(out, "{}: type {}  ", info.id, info.prog_type.0)?,
        }
        if !self.name.is_empty() {
            write!(out, "name {}  ", self.name)?;
        }
        write!(out, "tag {}", tag_text(&info.tag))?;
        if info.gpl_compatible {
            write!(out, "  gpl")?;
        }
        if info.run_cnt != 0 || info.run_time_ns != 0 {
            write!(
                out,
                " run_time_ns {} run_cnt {}",
                info.run_time_ns, info.run_cnt
            )?;
        }
        if info.recursion_misses != 0 {
            write!(out, " recursion_misses {}", info.recursion_misses)?;
        }
        if info.orphaned {
            write!(out, "  orphaned")?;
        }
        writeln!(out)
    }

    /// The members that head the JSON form.
    pub(crate) fn json_header(&self) -> Vec<(String, Node)> {
        let info = &self.info;
        let ran = info.run_cnt != 0 || info.run_time_ns != 0;
        let node = object([
            ("id", plain(info.id.0)),
            (
                "type",
                info.prog_type
                    .name()
                    .map_or_else(|| plain(info.prog_type.0), plain),
            ),
            (
                "name",
                (!self.name.is_empty()).then(|| Node::string(&self.name)),
            ),
            ("tag", plain(tag_text(&info.tag))),
            ("gpl_compatible", plain(info.gpl_compatible)),
            ("run_time_ns", plain(info.run_time_ns).filter(|_| ran)),
            ("run_cnt", plain(info.run_cnt).filter(|_| ran)),
            (
                "recursion_misses",
                plain(info.recursion_misses).filter(|_| info.recursion_misses != 0),
            ),
        ]);
        members(node)
    }
}

/// The members of an object.
pub(crate) fn members(node: Node) -> Vec<(String, Node)> {
    match node {
        Node::Object(members) => members,
        Node::Plain(_) | Node::Bare(_) | Node::Array(_) => Vec::new(),
    }
}

impl Record for ProgRecord {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let info = &self.info;
        self.header(out)?;
        if let Some(seconds) = self.loaded_at {
            writeln!(out, "\tloaded_at {}  uid {}", local_time(seconds), info.uid)?;
        }
        write!(out, "\txlated {}B", info.bytes_xlated)?;
        match info.bytes_jited {
            0 => write!(out, "  not jited")?,
            bytes => write!(out, "  jited {bytes}B")?,
        }
        if let Some(bytes) = info.bytes_memlock {
            write!(out, "  memlock {bytes}B")?;
        }
        if !info.map_ids.is_empty() {
            write!(
                out,
                "  map_ids {}",
                id_list(info.map_ids.iter().map(|id| id.0))
            )?;
        }
        for pin in &self.pins {
            write!(out, "\n\tpinned {}", escape(pin))?;
        }
        if info.btf_id.0 != 0 {
            write!(out, "\n\tbtf_id {}", info.btf_id)?;
        }
        writeln!(out)
    }

    fn json(&self) -> Node {
        let info = &self.info;
        let mut all = self.json_header();
        all.extend(members(object([
            ("loaded_at", self.loaded_at.and_then(plain)),
            ("uid", self.loaded_at.and_then(|_| plain(info.uid))),
            ("orphaned", plain(info.orphaned)),
            ("bytes_xlated", plain(info.bytes_xlated)),
            ("jited", plain(info.bytes_jited != 0)),
            (
                "bytes_jited",
                plain(info.bytes_jited).filter(|_| info.bytes_jited != 0),
            ),
            ("bytes_memlock", info.bytes_memlock.and_then(plain)),
            (
                "map_ids",
                (!info.map_ids.is_empty()).then(|| id_array(info.map_ids.iter().map(|id| id.0))),
            ),
            (
                "btf_id",
                plain(info.btf_id.0).filter(|_| info.btf_id.0 != 0),
            ),
            ("pinned", text_array(&self.pins)),
        ])));
        Node::Object(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(civil_date(0), (1970, 1, 1));
        assert_eq!(civil_date(11_016), (2000, 2, 29));
        assert_eq!(civil_date(20_781), (2026, 11, 24));
        assert_eq!(civil_date(-1), (1969, 12, 31));
    }
}

//! The verifier: a program to a proof ([`Verified`]) or a reasoned rejection ([`Reject`]).
//!
//! Path-sensitive like Linux's, because the verdict must be Linux's. Written from RFC 9669, the kernel's documents and
//! observed verdicts. It does not know map bodies, helper bodies, engines or the operating system: maps come as
//! descriptions ([`MapDesc`]), helpers as rows of `contracts`.
//!
//! Module order (imports only downwards): `explore` → `step` → `call` → `mem` → `path` → `state` → `domain`; `program`
//! holds what needs no path, `log` renders.
#![forbid(unsafe_code)]

mod call;
pub mod domain;
mod env;
pub mod explain;
mod explore;
mod limits;
mod log;
mod mem;
mod path;
mod program;
mod reject;
mod state;
mod step;
mod trail;
mod verified;

pub use env::{Env, FuncInfo, LineInfo, MapDesc};
pub use explain::Explanation;
pub use log::{Log, LogLevel};
pub use reject::{Bound, Dir, R, Reject};
pub use trail::Watch;
pub use verified::{Access, InsnInfo, Stats, Subprog, UsedMap, Verified};

use explore::Explorer;
use path::Path;
use program::Checked;
use skep_contracts::{ProgTypeRow, Sleeping, prog_type};
use skep_isa::Program;
use skep_uapi::{BPF_F_SLEEPABLE, MapType};
use state::SubprogIdx;
use std::time::Instant;

/// Map types that programs which may sleep can use.
const SLEEPABLE_MAPS: [MapType; 17] = [
    MapType::HASH,
    MapType::PERCPU_HASH,
    MapType::ARRAY,
    MapType::PERCPU_ARRAY,
    MapType::LRU_HASH,
    MapType::LRU_PERCPU_HASH,
    MapType::ARRAY_OF_MAPS,
    MapType::HASH_OF_MAPS,
    MapType::RINGBUF,
    MapType::USER_RINGBUF,
    MapType::INODE_STORAGE,
    MapType::SK_STORAGE,
    MapType::TASK_STORAGE,
    MapType::CGRP_STORAGE,
    MapType::QUEUE,
    MapType::STACK,
    MapType::ARENA,
];

/// Verifies a program in its environment. The log gets what Linux would print at its level.
///
/// # Errors
/// The first thing that is wrong with the program, in Linux's order of checking.
pub fn verify(program: Program, env: &Env<'_>, log: &mut Log) -> Result<Verified, Reject> {
    verify_watched(program, env, log, &mut Watch::default())
}

/// As [`verify`], watched: whoever waits sees how far it is, and is left the figures of a refused program too.
///
/// # Errors
/// As [`verify`].
pub fn verify_watched(
    program: Program,
    env: &Env<'_>,
    log: &mut Log,
    watch: &mut Watch,
) -> Result<Verified, Reject> {
    let started = Instant::now();
    let mut stats = Stats::default();
    let result = verify_with(&program, env, log, &mut stats, watch);
    stats.usec = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    watch.stats = stats;
    if let Err(Reject::AttachType { .. }) = &result {
        // Linux says nothing of it.
        return result;
    }
    if let Err(reject) = &result {
        log.reject(reject);
    }
    if log.is_on() {
        if log.level().has(LogLevel::STATS) {
            let depth = result.as_ref().map(|verified| verified.stack_depths());
            log.figures(&stats, depth.ok());
        }
        log.write(format_args!("{}\n", log::trace::figures(&stats)));
    }
    result.map(|verified| Verified { stats, ..verified })
}

fn verify_with(
    program: &Program,
    env: &Env<'_>,
    log: &mut Log,
    stats: &mut Stats,
    watch: &mut Watch,
) -> Result<Verified, Reject> {
    let row = supported(env)?;
    check_sleeping(env, row)?;
    let checked = program::check(program, env, row)?;
    check_sleepable_maps(env, &checked)?;
    let start = checked.extent(SubprogIdx(0)).start;
    log.start(&checked);
    let placeholder = state::State::new(state::Frame::new(
        0,
        SubprogIdx(0),
        start,
        state::LiveStack::default().root(start, start),
    ));
    let mut path = Path::new(env, &checked, row, log, placeholder);
    path.trail = watch.trail();
    if let Err(reject) = explore_all(&mut path, stats) {
        if watch.explains() {
            watch.explanation = Some(explain::of_path(&path, &reject));
        }
        return Err(reject);
    }
    let (infos, stack_bytes, later) = (path.infos, path.stack_bytes, path.later);
    let used = program::stack_depth::Used {
        env,
        bytes: &stack_bytes,
        later: &later,
    };
    program::stack_depth::check(&checked, &used)?;
    Ok(verified(checked, env, infos, &stack_bytes))
}

/// Why a program is refused, for its author: `None` if it is not. Verifies the program once more, with its path kept.
#[must_use]
pub fn explain(program: Program, env: &Env<'_>) -> Option<Explanation> {
    let mut watch = Watch::for_explanation();
    let insns = program.insns().to_vec();
    let verdict = verify_watched(program, env, &mut Log::default(), &mut watch);
    let reject = verdict.err()?;
    let explained = watch.explanation.take();
    Some(explained.unwrap_or_else(|| explain::without_path(&insns, env, &reject)))
}

/// The main function, then the global functions that it calls, and that those call.
fn explore_all(path: &mut Path<'_>, stats: &mut Stats) -> Result<(), Reject> {
    explore_one(path, stats, SubprogIdx(0))?;
    let mut done = vec![false; path.called.len()];
    let next = |path: &Path<'_>, done: &[bool]| {
        path.checked
            .global_subprogs()
            .find(|subprog| path.called[subprog.index()] && !done[subprog.index()])
    };
    while let Some(subprog) = next(path, &done) {
        done[subprog.index()] = true;
        path.checked.decl(subprog).check_global()?;
        explore_one(path, stats, subprog)?;
    }
    Ok(())
}

fn explore_one(path: &mut Path<'_>, stats: &mut Stats, subprog: SubprogIdx) -> Result<(), Reject> {
    path.state = explore::entry(path, subprog);
    path.at = path.checked.extent(subprog).start;
    path.global = (subprog != SubprogIdx(0)).then_some(subprog);
    path.trail.cut(0);
    path.print_validating();
    Explorer::new(path, stats).run()?;
    path.print_validated();
    Ok(())
}

/// Whether a program of the type may be loaded as one that sleeps, or not.
fn check_sleeping(env: &Env<'_>, row: &ProgTypeRow) -> Result<(), Reject> {
    let sleeps = env.prog_flags & BPF_F_SLEEPABLE != 0;
    match row.sleeping {
        Sleeping::Never if sleeps => Err(Reject::Sleepable {}),
        Sleeping::Must if !sleeps => Err(Reject::MustSleep {}),
        Sleeping::Never | Sleeping::May | Sleeping::Must => Ok(()),
    }
}

/// Programs that may sleep only use maps whose values outlive a sleep.
fn check_sleepable_maps(env: &Env<'_>, checked: &Checked) -> Result<(), Reject> {
    if env.prog_flags & BPF_F_SLEEPABLE == 0 {
        return Ok(());
    }
    let mut maps = checked.used_maps.iter().map(|&index| &env.maps[index]);
    match maps.all(|map| SLEEPABLE_MAPS.contains(&map.map_type)) {
        true => Ok(()),
        false => Err(Reject::SleepableMap {}),
    }
}

/// The program types whose rules skep has.
fn supported(env: &Env<'_>) -> Result<&'static ProgTypeRow, Reject> {
    let row = prog_type(env.prog_type)
        .filter(|row| row.ctx.is_some())
        .ok_or_else(|| Reject::Unsupported {
            what: format!("program type {}", env.prog_type),
        })?;
    if !row.accepts(env.expected_attach_type) {
        let attach = env.expected_attach_type.0;
        return Err(Reject::AttachType { attach });
    }
    Ok(row)
}

fn verified(
    checked: Checked,
    env: &Env<'_>,
    infos: Vec<InsnInfo>,
    stack_bytes: &[u32],
) -> Verified {
    let subprogs = checked.subprogs.iter().enumerate().map(|(index, extent)| {
        let decl = &checked.decls[index];
        Subprog {
            start: extent.start,
            end: extent.end,
            stack_bytes: stack_bytes[index],
            name: decl.name.clone(),
        }
    });
    let used_maps = checked.used_maps.iter().map(|&index| {
        let map = &env.maps[index];
        UsedMap {
            index,
            id: map.id,
            map_type: map.map_type,
            key_size: map.key_size,
            value_size: map.value_size,
            max_entries: map.max_entries,
        }
    });
    Verified {
        subprogs: subprogs.collect(),
        insns: infos.into_boxed_slice(),
        used_maps: used_maps.collect(),
        program: Program::new(checked.insns)
            .expect("only the sources of wide immediates differ from the decoded program"),
        prog_type: env.prog_type,
        expected_attach_type: env.expected_attach_type,
        stats: Stats::default(),
    }
}

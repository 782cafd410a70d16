//! How long a load takes, split into its stages, beside Linux's.

use crate::linux::linux;
use crate::sample::Sample;
use crate::{Outcome, root};
use skep::{Machine, Object};
use skep_linux::LinuxBpf;
use skep_loader::{Options, load};
use skep_object::ObjectName;
use skep_uapi::{Bpf, Command};
use std::time::Instant;

const ROUNDS: u32 = 200;

pub(crate) fn run() -> Outcome {
    let linux = linux();
    println!("{ROUNDS} fresh loads each, microseconds: minimum (median)");
    for path in ["examples/hello.bpf.o", "benches/progs/parseonly.o"] {
        let bytes = std::fs::read(root().join(path))?;
        println!("\n{path}");
        skep_loads(&bytes, path)?;
        if let Some(linux) = &linux {
            linux_loads(linux, &bytes, path)?;
        }
    }
    Ok(())
}

fn skep_loads(bytes: &[u8], path: &str) -> Outcome {
    let names = [
        "parse",
        "verify",
        "translate",
        "JIT",
        "whole load (maps, BTF, program)",
    ];
    let mut samples: [Sample; 5] = Default::default();
    for _ in 0..ROUNDS {
        let object = Object::parse(bytes, path)?;
        let machine = Machine::new();
        let begun = Instant::now();
        let loaded = machine.load(&object)?;
        let whole = begun.elapsed();
        let programs = loaded.programs()?;
        let (_, program) = programs.first().ok_or("no program")?;
        let stages = program.inner().stages;
        let us = |ns: u64| std::time::Duration::from_nanos(ns).as_secs_f64() * 1e6;
        let figures = [
            object.parse_time().as_secs_f64() * 1e6,
            us(stages.verify_ns),
            us(stages.translate_ns),
            us(stages.compile_ns),
            whole.as_secs_f64() * 1e6,
        ];
        for (sample, figure) in samples.iter_mut().zip(figures) {
            sample.add(figure);
        }
    }
    for (name, sample) in names.iter().zip(&samples) {
        println!("  skep   {name:<32} {}", sample.show(1));
    }
    Ok(())
}

fn linux_loads(linux: &LinuxBpf, bytes: &[u8], path: &str) -> Outcome {
    let object = skep_object::parse(bytes)?;
    let mut options = Options::new(ObjectName::from_path(path));
    let mut whole = Sample::default();
    let mut verify = Sample::default();
    for round in 0..ROUNDS {
        // Every other load asks for the figures of the log, which is not timed as a whole.
        options.log_level = if round % 2 == 0 { 0 } else { 4 };
        let begun = Instant::now();
        let loaded = load(&object, linux, &options)?;
        let elapsed = begun.elapsed().as_secs_f64() * 1e6;
        if options.log_level == 0 {
            whole.add(elapsed);
        }
        for program in &loaded.programs {
            let usec = program
                .log
                .split("verification time ")
                .nth(1)
                .and_then(|rest| rest.split(' ').next());
            if let Some(usec) = usec.and_then(|usec| usec.parse().ok()) {
                verify.add(usec);
            }
            linux.call(Command::Close {
                handle: program.handle,
            });
        }
        let handles = loaded.maps.iter().map(|map| map.handle).chain(loaded.btf);
        for handle in handles {
            linux.call(Command::Close { handle });
        }
    }
    println!(
        "  Linux  {:<32} {}",
        "verify (its log's figure)",
        verify.show(1)
    );
    println!(
        "  Linux  {:<32} {}",
        "whole load (maps, BTF, program)",
        whole.show(1)
    );
    Ok(())
}

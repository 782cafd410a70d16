//! Words for the shape of programs, loops and limits.

use super::Words;
use crate::explain::Scene;
use crate::limits::PROCESSED_INSNS_MAX;
use crate::reject::Reject;

pub(super) fn of(scene: &Scene<'_>, reject: &Reject) -> Option<Words> {
    loops(reject)
        .or_else(|| shape(reject))
        .or_else(|| kinds(scene, reject))
}

fn loops(reject: &Reject) -> Option<Words> {
    match reject {
        Reject::InfiniteLoop { .. } => Some(
            Words::new("the loop comes back here with nothing changed: it may never end")
                .advise("count something that the condition compares with a constant bound, or use bpf_loop or bpf_for"),
        ),
        Reject::TooComplex { .. } => Some(
            Words::new(format!(
                "the program takes more than {PROCESSED_INSNS_MAX} instructions to check, over all of its paths"
            ))
            .advise("bound loops more tightly, use bpf_loop for long ones")
            .advise("split the program: global functions are checked once each, tail calls are programs of their own"),
        ),
        Reject::TooManyPaths { paths } => Some(
            Words::new(format!("{paths} branches in a row are still to be checked"))
                .advise("break up long sequences of conditions, for instance with a global function"),
        ),
        Reject::ProgramTooLong {} => Some(
            Words::new(format!("the program has more than {PROCESSED_INSNS_MAX} instructions"))
                .advise("split it with tail calls"),
        ),
        _ => None,
    }
}

fn shape(reject: &Reject) -> Option<Words> {
    match reject {
        Reject::UnreachableInsn { .. } => {
            Some(Words::new("no path leads to this instruction").advise("take it out"))
        }
        Reject::JumpOutOfRange { .. } => Some(
            Words::new("this jumps out of its function")
                .advise("jump within the function; was the code written or changed by hand?"),
        ),
        Reject::LastNotExit {} => Some(
            Words::new("a function does not end with a return or a jump")
                .advise("return at the end of each function"),
        ),
        Reject::CallOutOfRange { .. } => Some(Words::new("this calls no function")),
        Reject::TooManyMaps {} => Some(
            Words::new("the program uses more than 64 maps")
                .advise("split it, or put several values into one map"),
        ),
        Reject::BadMapFd { .. } => Some(
            Words::new("an instruction names a map that is not there")
                .advise("was the object linked and loaded whole?"),
        ),
        _ => None,
    }
}

fn kinds(scene: &Scene<'_>, reject: &Reject) -> Option<Words> {
    match reject {
        Reject::Unsupported { what } => Some(
            Words::new(format!(
                "{what} is not supported by skep yet; this says nothing about the program"
            ))
            .advise("ask Linux: skep --kernel prog load"),
        ),
        Reject::AttachType { attach } => Some(
            Words::new(format!(
                "{} programs have no attach type {attach}",
                scene.env.prog_type
            ))
            .advise("choose another section (SEC) or type"),
        ),
        Reject::Sleepable {} => Some(
            Words::new(format!("{} programs cannot sleep", scene.env.prog_type))
                .advise("take a section without '.s'"),
        ),
        Reject::SleepableMap {} => Some(
            Words::new(
                "a program that may sleep uses a map that does not keep values while it sleeps",
            )
            .advise("use array, hash, ring buffer or local storage maps"),
        ),
        _ => None,
    }
}

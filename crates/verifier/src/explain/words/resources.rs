//! Words for what a program holds: references, sections, iterators, dynamic pointers.

use super::Words;
use crate::explain::{Held, Origin, Scene};
use crate::reject::Reject;

pub(super) fn of(reject: &Reject) -> Option<Words> {
    held_things(reject)
        .or_else(|| iterators(reject))
        .or_else(|| dynptrs(reject))
}

fn held_things(reject: &Reject) -> Option<Words> {
    match *reject {
        Reject::ReferenceLeak { what, .. } => Some(
            Words::new(format!(
                "a reference is still held at {}, and would never be given up",
                match what {
                    "BPF_EXIT instruction in main prog" => "the end of the program",
                    other => other,
                }
            ))
            .advise(
                "release it on every path (bpf_sk_release, bpf_ringbuf_submit or bpf_ringbuf_discard, bpf_task_release ...), \
                 unless it was null",
            ),
        ),
        Reject::ReleasedOffset { reg, .. } => Some(
            Words::new(format!("{reg} is given up, but was moved since it was given"))
                .advise("give up the pointer that the call returned, unchanged"),
        ),
        Reject::InsideSection { what, section, .. } => Some(
            Words::new(format!("{what} within a section of {section}")).advise(format!(
                "end the section of {section} on every path before this"
            )),
        ),
        Reject::RcuNested { .. } => Some(
            Words::new("an RCU section is begun within another")
                .advise("end the first with bpf_rcu_read_unlock"),
        ),
        Reject::RcuUnmatched { .. } | Reject::PreemptUnmatched { .. } => Some(
            Words::new("a section is ended that was not begun on this path")
                .advise("begin and end sections in pairs on every path"),
        ),
        _ => None,
    }
}

fn iterators(reject: &Reject) -> Option<Words> {
    match *reject {
        Reject::IterNotOnStack { .. } | Reject::IterVariable { .. } | Reject::IterOffset { .. } => {
            Some(
                Words::new("the iterator is not a variable of its own on the stack")
                    .advise("declare it as a local variable and pass its address"),
            )
        }
        Reject::IterUninit { .. } => Some(
            Words::new("the iterator is in use already, or was not destroyed")
                .advise("call bpf_iter_*_destroy before it is used anew"),
        ),
        Reject::IterInit { .. } => Some(
            Words::new("the iterator was not begun on this path")
                .advise("call bpf_iter_*_new first; bpf_for and bpf_for_each do it by themselves"),
        ),
        _ => None,
    }
}

fn dynptrs(reject: &Reject) -> Option<Words> {
    match *reject {
        Reject::DynptrNotOnStack { .. }
        | Reject::DynptrVariable { .. }
        | Reject::DynptrOffset { .. } => Some(
            Words::new("the dynamic pointer is not a variable of its own on the stack")
                .advise("declare a local `struct bpf_dynptr` and pass its address"),
        ),
        Reject::DynptrInit { .. } => Some(
            Words::new("the dynamic pointer was not made on this path, or is no longer one").advise(
                "make it with bpf_dynptr_from_mem, bpf_ringbuf_reserve_dynptr and the like on every path, and do not write \
                 over it",
            ),
        ),
        Reject::DynptrType { source, .. } => Some(
            Words::new(format!("the dynamic pointer is not one of type {source}"))
                .advise("pass one that was made for this call"),
        ),
        Reject::DynptrOverwritten { .. } | Reject::DynptrHelperWrite { .. } => Some(
            Words::new("this would write over a dynamic pointer that is in use")
                .advise("give it up first (bpf_ringbuf_submit_dynptr or bpf_ringbuf_discard_dynptr)"),
        ),
        Reject::Unacquired { .. } => Some(
            Words::new("this gives up a reference that the program does not hold")
                .advise("give up each reference once, on the paths that took it"),
        ),
        Reject::SliceWrite { .. } => Some(
            Words::new("programs of this type may not write to the packet")
                .advise("use bpf_dynptr_slice in place of bpf_dynptr_slice_rdwr"),
        ),
        _ => None,
    }
}

/// What a refusal says is still held, and where it was taken.
pub(in crate::explain) fn held(scene: &Scene<'_>, reject: &Reject) -> Option<Held> {
    let Reject::ReferenceLeak { id, from, .. } = *reject else {
        return None;
    };
    Some(Held {
        register: "reference".to_owned(),
        state: format!("id={id}"),
        meaning: "held by the program".to_owned(),
        origins: vec![Origin {
            place: scene.places.at(from),
            how: "taken here".to_owned(),
        }],
    })
}

//! Words for what a program holds: references, sections, iterators.

use super::Words;
use crate::explain::{Held, Origin, Scene};
use crate::reject::Reject;

pub(super) fn of(reject: &Reject) -> Option<Words> {
    match *reject {
        Reject::ReferenceLeak { what, .. } => Some(
            Words::new(format!(
                "a reference is still held at {what}, and would never be given up"
            ))
            .advise(
                "release it on every path (bpf_sk_release, bpf_ringbuf_submit or bpf_ringbuf_discard, bpf_task_release ...), \
                 unless it was null",
            ),
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

//! Carrying out what is left, newest first.
//!
//! The order is that of taking a building down: what was put on top of something is taken off before it. What the
//! kernel refuses is tried again after the others, because it may be busy with one of them or for a moment; a clsact
//! waits for the filters that are still to go.

use crate::limits::{UNDO_ATTEMPTS, UNDO_PAUSE_FIRST};
use skep_net::live::{Kernel, KernelError, Undo, UndoError, Undone};
use std::collections::BTreeMap;
use std::time::Duration;

/// Carries the entries out, from the highest number down; calls `done` for each that is. Gives those that are not.
pub(crate) fn undo_all(
    entries: &BTreeMap<u64, Undo>,
    kernel: &mut impl Kernel,
    mut pause: impl FnMut(Duration),
    mut done: impl FnMut(u64, &Undo, Undone),
) -> BTreeMap<u64, UndoError> {
    let mut left: Vec<(u64, &Undo)> = entries.iter().map(|(id, undo)| (*id, undo)).collect();
    left.reverse();
    let mut failed = BTreeMap::new();
    let mut time = UNDO_PAUSE_FIRST;
    for attempt in 1..=UNDO_ATTEMPTS {
        failed.clear();
        for (id, undo) in &left {
            match attempt_one(undo, kernel, &failed) {
                Ok(undone) => done(*id, undo, undone),
                Err(error) => {
                    failed.insert(*id, error);
                }
            }
        }
        left.retain(|(id, _)| failed.contains_key(id));
        if left.is_empty() {
            break;
        }
        if attempt < UNDO_ATTEMPTS {
            pause(time);
            time *= 2;
        }
    }
    failed
}

fn attempt_one(
    undo: &Undo,
    kernel: &mut impl Kernel,
    failed: &BTreeMap<u64, UndoError>,
) -> Result<Undone, UndoError> {
    let undone = undo.carry_out(kernel)?;
    // The others that the clsact is left to may be filters of ours that are still there.
    let waits = undone == Undone::Foreign
        && matches!(undo, Undo::DeleteClsact { .. })
        && failed
            .values()
            .any(|error| error.undo.ifindex() == undo.ifindex());
    if waits {
        return Err(UndoError {
            undo: undo.clone(),
            error: KernelError {
                errno: None,
                text: "filters of ours are still in it".to_owned(),
            },
        });
    }
    Ok(undone)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::guardian::fake::{FakeKernel, filter, link};

    fn entries(undos: Vec<Undo>) -> BTreeMap<u64, Undo> {
        (10..).zip(undos).collect()
    }

    #[test]
    fn newest_first() {
        let clsact = Undo::DeleteClsact { ifindex: 3 };
        let mut kernel = FakeKernel::with(&["sk0a", "sk1a"], true, &[1, 2]);
        let all = entries(vec![
            link("sk0a"),
            clsact,
            filter(1),
            link("sk1a"),
            filter(2),
        ]);
        let mut order = Vec::new();
        let failed = undo_all(
            &all,
            &mut kernel,
            |_| panic!("nothing failed"),
            |id, _, undone| order.push((id, undone)),
        );
        assert!(failed.is_empty());
        assert_eq!(order, [14, 13, 12, 11, 10].map(|id| (id, Undone::Done)));
        let expected = ["filter 2", "link sk1a", "filter 1", "clsact", "link sk0a"];
        assert_eq!(kernel.deleted, expected);
    }

    #[test]
    fn what_is_busy_is_tried_again_and_named_in_the_end() {
        let clsact = Undo::DeleteClsact { ifindex: 3 };
        let all = entries(vec![clsact, filter(1), link("sk0a")]);
        // Busy twice: the clsact waits for the filter.
        let mut kernel = FakeKernel::with(&["sk0a"], true, &[1]);
        kernel.busy = vec![("filter 1".to_owned(), 2)];
        let mut pauses = Vec::new();
        let failed = undo_all(&all, &mut kernel, |time| pauses.push(time), |_, _, _| {});
        assert!(failed.is_empty());
        assert_eq!(kernel.deleted, ["link sk0a", "filter 1", "clsact"]);
        assert_eq!(pauses, [UNDO_PAUSE_FIRST, UNDO_PAUSE_FIRST * 2]);

        // For ever.
        let mut kernel = FakeKernel::with(&["sk0a"], true, &[1]);
        kernel.busy = vec![("filter 1".to_owned(), u32::MAX)];
        let failed = undo_all(&all, &mut kernel, |_| {}, |_, _, _| {});
        assert_eq!(kernel.deleted, ["link sk0a"]);
        let texts: Vec<_> = failed.values().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "delete clsact of interface 3: filters of ours are still in it",
                "delete ingress filter 0x1 of preference 1 on interface 3: busy"
            ]
        );
    }

    #[test]
    fn twice_does_no_harm() {
        let all = entries(vec![
            Undo::DeleteClsact { ifindex: 3 },
            filter(1),
            link("sk0a"),
        ]);
        let mut kernel = FakeKernel::with(&["sk0a"], true, &[1]);
        for expected in [Undone::Done, Undone::Absent] {
            let check = |_, _: &Undo, undone| assert_eq!(undone, expected);
            assert!(undo_all(&all, &mut kernel, |_| {}, check).is_empty());
        }
        assert_eq!(kernel.deleted.len(), 3);
    }
}

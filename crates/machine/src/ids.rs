//! Ids: numbers that count up from 1 and are never reused while the machine lives (kernel: an IDR that wraps at 2^31).

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Fewest entries worth a look for dead ones.
const SWEEP_MIN: usize = 64;

/// Objects of one kind by id. Holds none of them.
#[derive(Debug)]
pub(crate) struct IdTable<T> {
    inner: Mutex<Inner<T>>,
}

#[derive(Debug)]
struct Inner<T> {
    last: u32,
    live: BTreeMap<u32, Weak<T>>,
    /// Entries at which dead ones are looked for: twice what was alive the last time, so that this costs each object little.
    sweep_at: usize,
}

impl<T> Default for IdTable<T> {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                last: 0,
                live: BTreeMap::new(),
                sweep_at: SWEEP_MIN,
            }),
        }
    }
}

impl<T> IdTable<T> {
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an object that knows its id; `None` when 2^32 were made.
    pub(crate) fn insert<E>(
        &self,
        make: impl FnOnce(u32) -> Result<T, E>,
    ) -> Option<Result<Arc<T>, E>> {
        let id = {
            let mut inner = self.lock();
            inner.last = inner.last.checked_add(1)?;
            inner.last
        };
        let made = make(id).map(Arc::new);
        if let Ok(object) = &made {
            let mut inner = self.lock();
            if inner.live.len() >= inner.sweep_at {
                inner.live.retain(|_, object| object.strong_count() > 0);
                inner.sweep_at = (inner.live.len() * 2).max(SWEEP_MIN);
            }
            inner.live.insert(id, Arc::downgrade(object));
        }
        Some(made)
    }

    /// The object of an id.
    pub(crate) fn get(&self, id: u32) -> Option<Arc<T>> {
        self.lock().live.get(&id)?.upgrade()
    }

    /// The lowest id above `id` whose object lives.
    pub(crate) fn after(&self, id: u32) -> Option<u32> {
        let inner = self.lock();
        let mut above = inner.live.range((Bound::Excluded(id), Bound::Unbounded));
        above
            .find(|(_, object)| object.strong_count() > 0)
            .map(|(id, _)| *id)
    }

    /// All living objects in order of id.
    pub(crate) fn live(&self) -> Vec<Arc<T>> {
        self.lock()
            .live
            .values()
            .filter_map(Weak::upgrade)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_count_up_and_dead_objects_are_skipped() {
        let table: IdTable<u32> = IdTable::default();
        let mut objects: Vec<_> = (0..3)
            .filter_map(|_| table.insert(Ok::<_, ()>))
            .map(|made| made.expect("Ok"))
            .collect();
        assert_eq!(
            objects.iter().map(|object| **object).collect::<Vec<_>>(),
            [1, 2, 3]
        );
        objects.remove(1);
        assert_eq!(
            (table.after(0), table.after(1), table.after(3)),
            (Some(1), Some(3), None)
        );
        assert!(table.get(2).is_none() && table.get(3).is_some());
        assert_eq!(
            table.insert(|_| Err::<u32, _>("refused")),
            Some(Err("refused"))
        );
        assert_eq!(
            table.insert(Ok::<_, ()>).map(|made| *made.expect("Ok")),
            Some(5)
        );
        assert_eq!(table.live().len(), 2);
    }
}

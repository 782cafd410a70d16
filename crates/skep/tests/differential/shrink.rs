//! Making a program with a difference small.

use crate::code::Item;

/// Takes pieces out for as long as the difference stays.
pub(crate) fn shrink(items: &[Item], differs: &dyn Fn(&[Item]) -> bool) -> Vec<Item> {
    let mut items = items.to_vec();
    let mut chunk = items.len().div_ceil(2).max(1);
    loop {
        let mut removed = false;
        let mut at = 0;
        while at < items.len() {
            let mut shorter = items.clone();
            shorter.drain(at..(at + chunk).min(items.len()));
            if differs(&shorter) {
                items = shorter;
                removed = true;
            } else {
                at += chunk;
            }
        }
        if chunk == 1 && !removed {
            return items;
        }
        chunk = if removed { chunk } else { chunk / 2 }.max(1);
    }
}

//! Making a program with a difference small.

use crate::code::Item;

/// Takes pieces out for as long as the difference stays; those of `fixed` stay anyhow.
pub(crate) fn shrink(
    items: &[Item],
    fixed: &[std::ops::Range<usize>],
    differs: &dyn Fn(&[Item]) -> bool,
) -> Vec<Item> {
    let is_fixed = |at: usize| fixed.iter().any(|range| range.contains(&at));
    let mut kept: Vec<(usize, Item)> = items.iter().copied().enumerate().collect();
    let mut chunk = kept.len().div_ceil(2).max(1);
    loop {
        let mut removed = false;
        let mut at = 0;
        while at < kept.len() {
            let end = (at + chunk).min(kept.len());
            let mut shorter = kept.clone();
            let mut position = 0;
            shorter.retain(|&(original, _)| {
                position += 1;
                is_fixed(original) || !(at..end).contains(&(position - 1))
            });
            let candidate: Vec<Item> = shorter.iter().map(|&(_, item)| item).collect();
            if shorter.len() < kept.len() && differs(&candidate) {
                kept = shorter;
                removed = true;
            } else {
                at += chunk;
            }
        }
        if chunk == 1 && !removed {
            return kept.into_iter().map(|(_, item)| item).collect();
        }
        chunk = if removed { chunk } else { chunk / 2 }.max(1);
    }
}

pub(crate) fn frames_both_ways() {}
pub(crate) fn queues() {}
pub(crate) fn segments() {}

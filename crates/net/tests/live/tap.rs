//! Devices that the machine made.

pub(crate) fn pair() {}
pub(crate) fn verdicts() {}

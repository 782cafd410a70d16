//! Helper bodies, keyed by id.

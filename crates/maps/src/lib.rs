//! Map types.

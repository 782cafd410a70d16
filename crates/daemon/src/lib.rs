//! The daemon: listener and sessions.

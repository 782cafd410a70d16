//! Verified programs to what runs.

//! The run-time ABI shared by compiled code, helpers and maps.

//! The verifier: a program to a proof ([`Verified`]) or a reasoned rejection ([`Reject`]).
//!
//! Path-sensitive like Linux's, because the verdict must be Linux's. Written from RFC 9669, the kernel's documents and
//! observed verdicts. It does not know map bodies, helper bodies, engines or the operating system: maps come as
//! descriptions ([`MapDesc`]), helpers as rows of `contracts`.
//!
//! Module order (imports only downwards): `explore` → `step` → `call` → `mem` → `state` → `domain`.
#![forbid(unsafe_code)]

pub mod domain;
mod env;
mod log;
mod verified;

pub use env::{Env, FuncInfo, LineInfo, MapDesc};
pub use log::{Log, LogLevel};
pub use verified::{Access, InsnInfo, Stats, Subprog, Verified};

//! The verifier: a program to a proof or a reasoned rejection.
#![forbid(unsafe_code)]

pub mod domain;

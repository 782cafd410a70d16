//! The verifier: a program to a proof or a reasoned rejection.

//! The checkout is tidy, as `cargo xtask tidy` sees it.

use xtask::{root, tidy};

#[test]
fn checkout_is_tidy() {
    let complaints = tidy::check(&root(), tidy::Ratchet::Keep);
    let complaints = complaints.unwrap_or_else(|error| panic!("{error}"));
    let lines: Vec<String> = complaints.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "\n{}", lines.join("\n"));
}

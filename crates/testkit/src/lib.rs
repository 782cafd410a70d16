//! Case runner and oracles for the tests.

//! Commands on a fake.

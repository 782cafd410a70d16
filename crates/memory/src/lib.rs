//! Regions, value cells and checked access.

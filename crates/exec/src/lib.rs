//! Executable pages, entering compiled code, helper shims.

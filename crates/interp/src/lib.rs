//! The interpreter, over checked or trusted memory.

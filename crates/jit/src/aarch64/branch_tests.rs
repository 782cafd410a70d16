//! Every kind of branch in both forms, at the ends of its reach. The expected words are those of llvm-mc.

use super::{A64Branch, Bit, Cond, Gpr, Is, OpSize};
use crate::layout::{BranchShape, Form};

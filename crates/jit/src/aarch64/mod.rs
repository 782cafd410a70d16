//! 64-bit Arm. Not written yet: every program is refused.

use crate::{Code, CompileError, Options};
use skep_xlate::Xlated;

/// Compiles for aarch64.
///
/// # Errors
/// Always [`CompileError::UnsupportedTarget`].
pub(crate) fn compile(program: &Xlated, options: &Options) -> Result<Code, CompileError> {
    let _ = program;
    Err(CompileError::UnsupportedTarget {
        target: options.target,
    })
}

//! Text as in Linux's log.
use super::scalar::Scalar;
use std::fmt;

/// The ranges of a scalar as Linux's log prints them within parentheses (`smin=0,…,var_off=(0x0; 0xff)`), for a
/// printer that puts an id before or prints a pointer's variable offset. Empty if nothing is known.
#[derive(Clone, Copy, Debug)]
pub struct Ranges<'a>(pub &'a Scalar);

impl fmt::Display for Ranges<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "var_off={}", self.0.bits())
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "scalar({})", Ranges(self))
    }
}

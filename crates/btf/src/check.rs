//! stub
use crate::btf::Btf;
use crate::error::BtfError;
pub(crate) fn check(_btf: &Btf) -> Result<(), BtfError> { Ok(()) }

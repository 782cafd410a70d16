//! An object that programs know by the address of its header (a map).

use skep_abi::MapHeader;
use std::sync::Arc;

/// An object behind a header that compiled code reads. The address of the header is the address of the whole.
#[repr(C)]
#[derive(Debug)]
pub struct Shared<T> {
    header: MapHeader,
    object: T,
}

impl<T> Shared<T> {
    /// Puts an object behind its header.
    #[must_use]
    pub fn new(header: MapHeader, object: T) -> Arc<Self> {
        Arc::new(Self { header, object })
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &MapHeader {
        &self.header
    }

    /// The object.
    #[must_use]
    pub fn object(&self) -> &T {
        &self.object
    }

    /// The address that programs hold; good as long as the `Arc` lives.
    #[must_use]
    pub fn addr(self: &Arc<Self>) -> u64 {
        Arc::as_ptr(self).expose_provenance() as u64
    }
}

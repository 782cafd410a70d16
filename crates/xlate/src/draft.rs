//! Programs for show: those that were verified, but that nothing here can run.
//!
//! A [`Draft`] is translated as far as skep can: accesses for which the machine has no structure stand as they were loaded. It is
//! a type of its own, without a way to an [`Xlated`], so that no engine can be handed one. What a dump needs of either is
//! their [`Listing`].

use crate::{Function, WireNames, Xlated};
use skep_isa::{Insn, InsnIdx, RawInsn};

/// A verified program as far as it could be translated.
#[derive(Clone, Debug)]
pub struct Draft(pub(crate) Xlated);

impl Draft {
    /// What it looks like.
    #[must_use]
    pub fn listing(&self) -> Listing<'_> {
        Listing(&self.0)
    }
}

impl Xlated {
    /// What it looks like.
    #[must_use]
    pub fn listing(&self) -> Listing<'_> {
        Listing(self)
    }
}

/// Instructions to look at.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a>(&'a Xlated);

impl<'a> Listing<'a> {
    /// The slots.
    #[must_use]
    pub fn insns(self) -> &'a [Insn] {
        &self.0.insns
    }

    /// See [`Xlated::origin`].
    #[must_use]
    pub fn origin(self) -> &'a [InsnIdx] {
        &self.0.origin
    }

    /// See [`Xlated::functions`].
    #[must_use]
    pub fn functions(self) -> &'a [Function] {
        &self.0.functions
    }

    /// See [`Xlated::wire`].
    #[must_use]
    pub fn wire(self, names: &dyn WireNames) -> Vec<RawInsn> {
        self.0.wire(names)
    }

    /// See [`Xlated::wire_for_tags`].
    #[must_use]
    pub fn wire_for_tags(self, names: &dyn WireNames) -> Vec<RawInsn> {
        self.0.wire_for_tags(names)
    }
}

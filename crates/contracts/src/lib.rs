//! Program types, contexts, helper prototypes and map rules as data.

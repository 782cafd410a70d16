//! Names that do not clash: the second `struct foo` of an object becomes `struct foo___2`.
//!
//! C has one space of names for structures, unions and enumerations and one for typedefs and enumerators. A type keeps
//! the name that it first got. Forward declarations never get a number: they mean the first type of their name.

use crate::btf::Btf;
use crate::types::{Kind, Type};
use skep_uapi::TypeId;
use std::collections::HashMap;

pub(super) struct Names<'a> {
    btf: &'a Btf,
    tags: HashMap<&'a str, usize>,
    idents: HashMap<&'a str, usize>,
    given: HashMap<TypeId, String>,
}

impl<'a> Names<'a> {
    pub(super) fn new(btf: &'a Btf) -> Self {
        Self {
            btf,
            tags: HashMap::new(),
            idents: HashMap::new(),
            given: HashMap::new(),
        }
    }

    /// The name of a structure, union, enumeration, forward declaration or typedef.
    pub(super) fn of_type(&mut self, id: TypeId, ty: &Type) -> String {
        if let Some(name) = self.given.get(&id) {
            return name.clone();
        }
        let name = self.btf.name(id);
        let name = match &ty.kind {
            Kind::Typedef(_) => numbered(&mut self.idents, name),
            Kind::Fwd(_) => name.to_owned(),
            Kind::Enum(e) if e.values.is_empty() => name.to_owned(),
            Kind::Enum64(e) if e.values.is_empty() => name.to_owned(),
            _ => numbered(&mut self.tags, name),
        };
        self.given.insert(id, name.clone());
        name
    }

    /// A new enumerator.
    pub(super) fn of_enumerator(&mut self, name: &'a str) -> String {
        numbered(&mut self.idents, name)
    }
}

fn numbered<'a>(taken: &mut HashMap<&'a str, usize>, name: &'a str) -> String {
    let count = taken.entry(name).or_insert(0);
    *count += 1;
    if *count > 1 {
        format!("{name}___{count}")
    } else {
        name.to_owned()
    }
}

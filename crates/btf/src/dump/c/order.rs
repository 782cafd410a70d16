//! In which order definitions must come: what a type embeds by value precedes it.
//!
//! A depth-first walk that lists a type after what it needs complete. A pointer needs its target only declared, so a
//! named structure behind a pointer is not entered; an anonymous one is, because it is written out where it is used. A
//! typedef behind a pointer is listed only if its target is complete by then, else it waits until it is needed as such.
//! What embeds itself is an error; everything else ends, because a type is entered once.

use super::DumpError;
use crate::btf::Btf;
use crate::limits::PRINT_DEPTH_MAX;
use crate::types::{Composite, Kind, Type};
use skep_uapi::TypeId;

/// The definitions that `roots` need, each once, in order.
pub(super) fn definitions(btf: &Btf, roots: &[TypeId]) -> Result<Vec<TypeId>, DumpError> {
    let mut walk = Walk {
        btf,
        state: vec![State::New; btf.types().len() + 1],
        referenced: referenced(btf),
        listed: Vec::new(),
        depth: 0,
    };
    walk.set(TypeId(0), State::Placed);
    for root in roots {
        walk.place(*root, Via::Value)?;
    }
    Ok(walk.listed)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Entered,
    Placed,
}

/// How the type before leads to this one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Via {
    Value,
    Pointer,
}

/// Whether a typedef of the visited type may be listed at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Complete,
    /// Nothing says so yet.
    Loose,
}

struct Walk<'a> {
    btf: &'a Btf,
    /// By type id; index 0 is `void`.
    state: Vec<State>,
    referenced: Vec<bool>,
    listed: Vec<TypeId>,
    depth: usize,
}

/// Which types other types refer to, by id. Enumerations that nobody refers to are constants at file level.
fn referenced(btf: &Btf) -> Vec<bool> {
    let mut referenced = vec![false; btf.types().len() + 1];
    for ty in btf.types() {
        ty.kind.for_each_ref(|id| {
            if let Some(mark) = index(id).and_then(|index| referenced.get_mut(index)) {
                *mark = true;
            }
        });
    }
    referenced
}

fn index(id: TypeId) -> Option<usize> {
    usize::try_from(id.0).ok()
}

/// A type leads back to one that is being visited: harmless if it can be declared and only a pointer leads there.
fn entered(id: TypeId, ty: &Type, via: Via) -> Result<Known, DumpError> {
    let declarable = matches!(ty.kind, Kind::Struct(_) | Kind::Union(_)) && !ty.name.is_empty();
    if declarable && via == Via::Pointer {
        Ok(Known::Loose)
    } else {
        Err(DumpError::Loop(id))
    }
}

impl Walk<'_> {
    fn set(&mut self, id: TypeId, state: State) {
        if let Some(slot) = index(id).and_then(|index| self.state.get_mut(index)) {
            *slot = state;
        }
    }

    fn state(&self, id: TypeId) -> State {
        index(id)
            .and_then(|index| self.state.get(index))
            .copied()
            .unwrap_or(State::Placed)
    }

    fn place(&mut self, id: TypeId, via: Via) -> Result<Known, DumpError> {
        if self.depth >= PRINT_DEPTH_MAX {
            return Err(DumpError::TooDeep(id));
        }
        self.depth += 1;
        let known = self.place_at(id, via);
        self.depth -= 1;
        known
    }

    fn place_at(&mut self, id: TypeId, via: Via) -> Result<Known, DumpError> {
        let btf = self.btf;
        let Some(ty) = btf.get(id) else {
            return Ok(Known::Complete);
        };
        match self.state(id) {
            State::New => {}
            State::Placed => return Ok(Known::Complete),
            State::Entered => return entered(id, ty, via),
        }
        match &ty.kind {
            Kind::Struct(composite) | Kind::Union(composite) => {
                self.composite(id, ty, composite, via)
            }
            Kind::Typedef(target) => {
                let known = self.place(*target, via)?;
                if via == Via::Pointer && known == Known::Loose {
                    return Ok(Known::Loose);
                }
                self.list(id);
                Ok(Known::Complete)
            }
            Kind::Enum(_) | Kind::Enum64(_) | Kind::Fwd(_) => {
                let used = index(id)
                    .and_then(|index| self.referenced.get(index))
                    .copied()
                    .unwrap_or(false);
                if ty.name.is_empty() && used {
                    self.set(id, State::Placed);
                } else {
                    self.list(id);
                }
                Ok(Known::Complete)
            }
            Kind::Ptr(target) => {
                let known = self.place(*target, Via::Pointer);
                self.set(id, State::Placed);
                known
            }
            Kind::Array(array) => self.place(array.elem, Via::Value),
            Kind::Volatile(target) | Kind::Const(target) | Kind::Restrict(target) => {
                self.place(*target, via)
            }
            Kind::TypeTag(tag) => self.place(tag.target, via),
            Kind::FuncProto(proto) => {
                let mut known = self.place(proto.ret, via)?;
                for param in &proto.params {
                    if self.place(param.ty, via)? == Known::Complete {
                        known = Known::Complete;
                    }
                }
                Ok(known)
            }
            Kind::Int(_)
            | Kind::Float { .. }
            | Kind::Func(_)
            | Kind::Var(_)
            | Kind::Datasec(_)
            | Kind::DeclTag(_) => {
                self.set(id, State::Placed);
                Ok(Known::Loose)
            }
        }
    }

    fn composite(
        &mut self,
        id: TypeId,
        ty: &Type,
        composite: &Composite,
        via: Via,
    ) -> Result<Known, DumpError> {
        if via == Via::Pointer && !ty.name.is_empty() {
            return Ok(Known::Loose);
        }
        self.set(id, State::Entered);
        for member in &composite.members {
            self.place(member.ty, Via::Value)?;
        }
        if ty.name.is_empty() {
            self.set(id, State::Placed);
        } else {
            self.list(id);
        }
        Ok(Known::Complete)
    }

    fn list(&mut self, id: TypeId) {
        self.listed.push(id);
        self.set(id, State::Placed);
    }
}

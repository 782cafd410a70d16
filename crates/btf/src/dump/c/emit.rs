//! Forward declarations before their first use, definitions in the order given.
//!
//! Before a definition is written, [`Emitter::require`] walks what it mentions. What is complete already, or complete by
//! its order, needs nothing; a structure that is mentioned but not written out needs `struct X;` before; a typedef that is
//! being defined and mentioned within its own target is written early.

use super::DumpError;
use super::names::Names;
use crate::btf::Btf;
use crate::layout::Layout;
use crate::limits::{PRINT_BYTES_MAX, PRINT_DEPTH_MAX, PRINT_STEPS_MAX};
use crate::types::{Kind, Type};
use skep_uapi::TypeId;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    /// Its needs are being met.
    Open,
    Done,
}

#[derive(Clone, Copy)]
struct Progress {
    phase: Phase,
    /// A forward declaration (or an early typedef) was written.
    declared: bool,
}

/// On whose behalf a type is required.
#[derive(Clone, Copy, PartialEq, Eq)]
enum User {
    /// It is to be defined itself.
    Definition,
    /// It is mentioned within the definition of this type.
    Within(TypeId),
}

/// Writes declarations; see the module.
pub(super) struct Emitter<'a> {
    pub(super) btf: &'a Btf,
    pub(super) names: Names<'a>,
    pub(super) layout: Layout<'a>,
    progress: Vec<Progress>,
    depth: usize,
    steps_left: u32,
    out: String,
}

impl<'a> Emitter<'a> {
    pub(super) fn new(btf: &'a Btf) -> Self {
        let idle = Progress {
            phase: Phase::Idle,
            declared: false,
        };
        Self {
            btf,
            names: Names::new(btf),
            layout: Layout::new(btf),
            progress: vec![idle; btf.types().len()],
            depth: 0,
            steps_left: PRINT_STEPS_MAX,
            out: String::new(),
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    /// Writes the definition of a type and the declarations that it needs.
    pub(super) fn define(&mut self, id: TypeId) -> Result<(), DumpError> {
        self.require(id, User::Definition)
    }

    /// Runs `step` one level deeper, within the bounds of depth and length.
    pub(super) fn deeper<T>(
        &mut self,
        id: TypeId,
        step: impl FnOnce(&mut Self) -> Result<T, DumpError>,
    ) -> Result<T, DumpError> {
        if self.depth >= PRINT_DEPTH_MAX {
            return Err(DumpError::TooDeep(id));
        }
        if self.out.len() > PRINT_BYTES_MAX || self.steps_left == 0 {
            return Err(DumpError::TooLong);
        }
        self.steps_left -= 1;
        self.depth += 1;
        let done = step(self);
        self.depth -= 1;
        done
    }

    /// Refuses to print so many more lines when they cannot fit.
    pub(super) fn reserve(&self, lines: u32) -> Result<(), DumpError> {
        let lines = usize::try_from(lines).unwrap_or(usize::MAX);
        if lines > PRINT_BYTES_MAX.saturating_sub(self.out.len()) / 8 {
            Err(DumpError::TooLong)
        } else {
            Ok(())
        }
    }

    fn progress(&mut self, id: TypeId) -> Option<&mut Progress> {
        self.progress
            .get_mut(usize::try_from(id.0.checked_sub(1)?).ok()?)
    }

    fn set(&mut self, id: TypeId, phase: Phase) {
        if let Some(progress) = self.progress(id) {
            progress.phase = phase;
        }
    }

    /// Notes a forward declaration; `false` if there was one.
    fn declare_once(&mut self, id: TypeId) -> bool {
        self.progress(id)
            .is_some_and(|progress| !std::mem::replace(&mut progress.declared, true))
    }

    fn require(&mut self, id: TypeId, user: User) -> Result<(), DumpError> {
        let btf = self.btf;
        let Some(ty) = btf.get(id) else { return Ok(()) };
        match self
            .progress(id)
            .map_or(Phase::Done, |progress| progress.phase)
        {
            Phase::Done => Ok(()),
            Phase::Open => self.deeper(id, |emitter| emitter.mention_open(id, ty, user)),
            Phase::Idle => self.deeper(id, |emitter| emitter.require_idle(id, ty, user)),
        }
    }

    /// A type is mentioned while its own needs are being met.
    fn mention_open(&mut self, id: TypeId, ty: &Type, user: User) -> Result<(), DumpError> {
        match &ty.kind {
            Kind::Struct(_) | Kind::Union(_) => {
                // Within itself a structure's name is known.
                if user != User::Within(id) && !ty.name.is_empty() && self.declare_once(id) {
                    self.forward(id, ty);
                }
                Ok(())
            }
            Kind::Typedef(target) => {
                if self.declare_once(id) {
                    self.typedef(id, ty, *target)?;
                }
                Ok(())
            }
            Kind::Int(_)
            | Kind::Ptr(_)
            | Kind::Array(_)
            | Kind::Enum(_)
            | Kind::Enum64(_)
            | Kind::Fwd(_)
            | Kind::Volatile(_)
            | Kind::Const(_)
            | Kind::Restrict(_)
            | Kind::Func(_)
            | Kind::FuncProto(_)
            | Kind::Var(_)
            | Kind::Datasec(_)
            | Kind::Float { .. }
            | Kind::DeclTag(_)
            | Kind::TypeTag(_) => Ok(()),
        }
    }

    fn require_idle(&mut self, id: TypeId, ty: &Type, user: User) -> Result<(), DumpError> {
        match &ty.kind {
            Kind::Struct(_) | Kind::Union(_) => self.require_composite(id, ty, user),
            Kind::Typedef(target) => {
                self.set(id, Phase::Open);
                self.require(*target, User::Within(id))?;
                if self.declare_once(id) {
                    self.typedef(id, ty, *target)?;
                }
                self.set(id, Phase::Done);
                Ok(())
            }
            Kind::Enum(_) | Kind::Enum64(_) => {
                if user == User::Definition {
                    self.enumeration(id, ty, 0)?;
                    self.push(";\n\n");
                }
                self.set(id, Phase::Done);
                Ok(())
            }
            Kind::Fwd(_) => {
                self.forward(id, ty);
                self.set(id, Phase::Done);
                Ok(())
            }
            Kind::Ptr(t) | Kind::Volatile(t) | Kind::Const(t) | Kind::Restrict(t) => {
                self.require(*t, user)
            }
            Kind::TypeTag(tag) => self.require(tag.target, user),
            Kind::Array(array) => self.require(array.elem, user),
            Kind::FuncProto(proto) => {
                self.require(proto.ret, user)?;
                proto
                    .params
                    .iter()
                    .try_for_each(|param| self.require(param.ty, user))
            }
            Kind::Int(_)
            | Kind::Float { .. }
            | Kind::Func(_)
            | Kind::Var(_)
            | Kind::Datasec(_)
            | Kind::DeclTag(_) => {
                self.set(id, Phase::Done);
                Ok(())
            }
        }
    }

    fn require_composite(&mut self, id: TypeId, ty: &Type, user: User) -> Result<(), DumpError> {
        let btf = self.btf;
        let (Kind::Struct(composite) | Kind::Union(composite)) = &ty.kind else {
            return Ok(());
        };
        self.set(id, Phase::Open);
        if user == User::Definition || ty.name.is_empty() {
            // All members will be written out here.
            let within = if ty.name.is_empty() {
                user
            } else {
                User::Within(id)
            };
            for member in &composite.members {
                self.require(member.ty, within)?;
            }
        } else if user != User::Within(id) && self.declare_once(id) {
            self.forward(id, ty);
        }
        if user == User::Definition {
            debug_assert!(btf.get(id).is_some(), "`ty` came from this id");
            self.composite(id, ty, composite, 0)?;
            self.push(";\n\n");
            self.set(id, Phase::Done);
        } else {
            self.set(id, Phase::Idle);
        }
        Ok(())
    }

    fn forward(&mut self, id: TypeId, ty: &Type) {
        self.tag(id, ty);
        self.push(";\n\n");
    }

    fn typedef(&mut self, id: TypeId, ty: &Type, target: TypeId) -> Result<(), DumpError> {
        let name = self.names.of_type(id, ty);
        if name == "__builtin_va_list" {
            // The compiler has it.
            return Ok(());
        }
        if target.0 == 0 && name == "__gnuc_va_list" {
            // Old GCC describes it as void.
            self.push("typedef __builtin_va_list __gnuc_va_list");
        } else {
            self.push("typedef ");
            self.declare(target, &name, 0)?;
        }
        self.push(";\n\n");
        Ok(())
    }
}

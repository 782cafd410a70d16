//! One C declaration: base type, declarator, bodies of structures and enumerations.
//!
//! BTF stores a declaration from the outside in (`pointer to array of int`), C writes it from the inside out (`int
//! (*x)[3]`). A declaration is therefore flattened into its chain of types, and written from the base type towards the
//! name; arrays and functions wrap what is left of the chain in parentheses.

use super::DumpError;
use super::emit::Emitter;
use super::padding::{After, Filler, fillers};
use crate::limits::PRINT_DEPTH_MAX;
use crate::types::{Composite, FuncProto, FwdKind, Kind, Signedness, StrOff, Type};
use skep_uapi::TypeId;

/// What was written last, which decides on spaces.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// A word: a name or star must stand off.
    Word,
    /// A star, or nothing yet: what follows stands close.
    Star,
}

impl Emitter<'_> {
    /// `name` declared as of type `id`, without semicolon, at an indentation of `level` tabs for bodies.
    pub(super) fn declare(
        &mut self,
        id: TypeId,
        name: &str,
        level: usize,
    ) -> Result<(), DumpError> {
        let mut chain = self.flatten(id)?;
        self.deeper(id, |emitter| emitter.chain(&mut chain, name, level))
    }

    /// The types from the outermost to the base type.
    fn flatten(&self, mut id: TypeId) -> Result<Vec<TypeId>, DumpError> {
        let mut chain = vec![id];
        while let Some(ty) = self.btf.get(id) {
            id = match &ty.kind {
                Kind::Ptr(t) | Kind::Volatile(t) | Kind::Const(t) | Kind::Restrict(t) => *t,
                Kind::TypeTag(tag) => tag.target,
                Kind::Array(array) => array.elem,
                Kind::FuncProto(proto) => proto.ret,
                Kind::Int(_)
                | Kind::Struct(_)
                | Kind::Union(_)
                | Kind::Enum(_)
                | Kind::Enum64(_)
                | Kind::Fwd(_)
                | Kind::Typedef(_)
                | Kind::Float { .. }
                | Kind::Func(_)
                | Kind::Var(_)
                | Kind::Datasec(_)
                | Kind::DeclTag(_) => break,
            };
            chain.push(id);
            if chain.len() > PRINT_DEPTH_MAX {
                return Err(DumpError::TooDeep(id));
            }
        }
        Ok(chain)
    }

    /// Writes a chain from its end (the base type) to its start, then the name.
    fn chain(
        &mut self,
        chain: &mut Vec<TypeId>,
        name: &str,
        level: usize,
    ) -> Result<(), DumpError> {
        let btf = self.btf;
        let mut last = Last::Star;
        while let Some(id) = chain.pop() {
            let Some(ty) = btf.get(id) else {
                self.leading_qualifiers(chain);
                self.push("void");
                last = Last::Word;
                continue;
            };
            match &ty.kind {
                Kind::Ptr(_) => {
                    self.push(if last == Last::Star { "*" } else { " *" });
                    last = Last::Star;
                    continue;
                }
                Kind::Array(array) => return self.array(array.count, chain, name, level, last),
                Kind::FuncProto(proto) => return self.function(proto, chain, name, level, last),
                Kind::Volatile(_) => self.push(" volatile"),
                Kind::Const(_) => self.push(" const"),
                Kind::Restrict(_) => self.push(" restrict"),
                Kind::TypeTag(_) => {
                    let tag = btf.str(ty.name).unwrap_or_default();
                    self.push(&format!(" __attribute__((btf_type_tag(\"{tag}\")))"));
                }
                Kind::Int(_)
                | Kind::Struct(_)
                | Kind::Union(_)
                | Kind::Enum(_)
                | Kind::Enum64(_)
                | Kind::Fwd(_)
                | Kind::Typedef(_)
                | Kind::Float { .. }
                | Kind::Func(_)
                | Kind::Var(_)
                | Kind::Datasec(_)
                | Kind::DeclTag(_) => {
                    self.leading_qualifiers(chain);
                    self.base(id, ty, level)?;
                }
            }
            last = Last::Word;
        }
        self.name(name, last);
        Ok(())
    }

    fn name(&mut self, name: &str, last: Last) {
        if !name.is_empty() {
            if last == Last::Word {
                self.push(" ");
            }
            self.push(name);
        }
    }

    /// Qualifiers of the base type stand before it.
    fn leading_qualifiers(&mut self, chain: &mut Vec<TypeId>) {
        while let Some(id) = chain.last() {
            match self.btf.get(*id).map(|ty| &ty.kind) {
                Some(Kind::Volatile(_)) => self.push("volatile "),
                Some(Kind::Const(_)) => self.push("const "),
                Some(Kind::Restrict(_)) => self.push("restrict "),
                Some(_) | None => return,
            }
            chain.pop();
        }
    }

    /// Qualifiers of arrays and functions come from compilers' habits and mean nothing in C.
    fn drop_qualifiers(&self, chain: &mut Vec<TypeId>) {
        while let Some(id) = chain.last() {
            match self.btf.get(*id).map(|ty| &ty.kind) {
                Some(Kind::Volatile(_) | Kind::Const(_) | Kind::Restrict(_)) => {
                    chain.pop();
                }
                Some(_) | None => return,
            }
        }
    }

    fn array(
        &mut self,
        count: u32,
        chain: &mut Vec<TypeId>,
        name: &str,
        level: usize,
        last: Last,
    ) -> Result<(), DumpError> {
        self.drop_qualifiers(chain);
        match chain.last().copied() {
            None => self.name(name, last),
            Some(next) => {
                if !name.is_empty() && last == Last::Word {
                    self.push(" ");
                }
                let of_array =
                    matches!(self.btf.get(next).map(|ty| &ty.kind), Some(Kind::Array(_)));
                if !of_array {
                    self.push("(");
                }
                self.deeper(next, |emitter| emitter.chain(chain, name, level))?;
                if !of_array {
                    self.push(")");
                }
            }
        }
        self.push(&format!("[{count}]"));
        Ok(())
    }

    fn function(
        &mut self,
        proto: &FuncProto,
        chain: &mut Vec<TypeId>,
        name: &str,
        level: usize,
        last: Last,
    ) -> Result<(), DumpError> {
        self.drop_qualifiers(chain);
        match chain.last().copied() {
            None => self.name(name, last),
            Some(next) => {
                self.push(" (");
                self.deeper(next, |emitter| emitter.chain(chain, name, level))?;
                self.push(")");
            }
        }
        self.push("(");
        match proto.params.as_slice() {
            [] => self.push("void"),
            [only] if only.ty.0 == 0 => self.push("void"),
            params => {
                for (position, param) in params.iter().enumerate() {
                    if position > 0 {
                        self.push(", ");
                    }
                    if param.ty.0 == 0 && position + 1 == params.len() {
                        self.push("...");
                    } else {
                        let name = self.btf.str(param.name).unwrap_or_default();
                        self.declare(param.ty, name, level)?;
                    }
                }
            }
        }
        self.push(")");
        Ok(())
    }

    /// The base type: a word, or the body of an anonymous type.
    fn base(&mut self, id: TypeId, ty: &Type, level: usize) -> Result<(), DumpError> {
        match &ty.kind {
            Kind::Struct(composite) | Kind::Union(composite) if ty.name.is_empty() => {
                self.composite(id, ty, composite, level)?;
            }
            Kind::Enum(_) | Kind::Enum64(_) if ty.name.is_empty() => {
                self.enumeration(id, ty, level)?
            }
            Kind::Typedef(_) => {
                let name = self.names.of_type(id, ty);
                self.push(&name);
            }
            Kind::Int(_) | Kind::Float { .. } => self.push(self.btf.name(id)),
            Kind::Struct(_) | Kind::Union(_) | Kind::Enum(_) | Kind::Enum64(_) | Kind::Fwd(_) => {
                self.tag(id, ty)
            }
            // These are no types; an object that refers to them is not valid C.
            Kind::Func(_) | Kind::Var(_) | Kind::Datasec(_) | Kind::DeclTag(_) => self.push("void"),
            Kind::Ptr(_)
            | Kind::Array(_)
            | Kind::Volatile(_)
            | Kind::Const(_)
            | Kind::Restrict(_)
            | Kind::FuncProto(_)
            | Kind::TypeTag(_) => {}
        }
        Ok(())
    }

    /// `struct name`, `union name` or `enum name`.
    pub(super) fn tag(&mut self, id: TypeId, ty: &Type) {
        let word = match &ty.kind {
            Kind::Union(_) | Kind::Fwd(FwdKind::Union) => "union",
            Kind::Enum(_) | Kind::Enum64(_) => "enum",
            _ => "struct",
        };
        self.push(word);
        if !ty.name.is_empty() {
            let name = self.names.of_type(id, ty);
            self.push(" ");
            self.push(&name);
        }
    }

    /// A structure or union with its members.
    pub(super) fn composite(
        &mut self,
        id: TypeId,
        ty: &Type,
        composite: &Composite,
        level: usize,
    ) -> Result<(), DumpError> {
        let packed = self.layout.is_packed(composite);
        self.tag(id, ty);
        self.push(" {");
        let mut at = 0;
        let mut after = After::Other;
        for member in &composite.members {
            let is_bitfield = member.bitfield_bits != 0;
            let align = if packed {
                1
            } else {
                self.layout.align_of(member.ty).unwrap_or(1)
            };
            let gap = if is_bitfield { after } else { After::Other };
            self.pad(at, member.bit_offset, align, gap, level + 1)?;
            self.line(level + 1);
            let name = self.btf.str(member.name).unwrap_or_default();
            self.deeper(member.ty, |emitter| {
                emitter.declare(member.ty, name, level + 1)
            })?;
            let bits = if is_bitfield {
                self.push(&format!(": {}", member.bitfield_bits));
                after = After::Bitfield;
                u32::from(member.bitfield_bits)
            } else {
                after = After::Other;
                self.btf.size_of(member.ty).unwrap_or(0).saturating_mul(8)
            };
            at = member.bit_offset.saturating_add(bits);
            self.push(";");
        }
        if matches!(ty.kind, Kind::Struct(_)) {
            let align = if packed {
                1
            } else {
                self.layout.align_of(id).unwrap_or(1)
            };
            self.pad(
                at,
                composite.size.saturating_mul(8),
                align,
                After::Other,
                level + 1,
            )?;
        }
        if !composite.members.is_empty() || composite.size != 0 {
            self.line(level);
        }
        self.push("}");
        if packed {
            self.push(" __attribute__((packed))");
        }
        Ok(())
    }

    fn pad(
        &mut self,
        at: u32,
        to: u32,
        align: u32,
        after: After,
        level: usize,
    ) -> Result<(), DumpError> {
        for Filler { unit, bits, times } in fillers(at, to, align, after) {
            self.reserve(times)?;
            for _ in 0..times {
                self.line(level);
                self.push(&format!("{unit}: {bits};"));
            }
        }
        Ok(())
    }

    fn line(&mut self, level: usize) {
        self.push("\n");
        for _ in 0..level {
            self.push("\t");
        }
    }

    /// An enumeration with its values; without values only its name.
    pub(super) fn enumeration(
        &mut self,
        id: TypeId,
        ty: &Type,
        level: usize,
    ) -> Result<(), DumpError> {
        self.tag(id, ty);
        match &ty.kind {
            Kind::Enum(e) => {
                let wide = e.values.iter().map(|(name, value)| {
                    let value = match e.sign {
                        Signedness::Unsigned => value.to_string(),
                        Signedness::Signed => value.cast_signed().to_string(),
                    };
                    (*name, value)
                });
                self.enumerators(id, wide, level)?;
                let mode = match e.size {
                    1 => " __attribute__((mode(byte)))",
                    8 => " __attribute__((mode(word)))",
                    _ => "",
                };
                if !e.values.is_empty() {
                    self.push(mode);
                }
            }
            Kind::Enum64(e) => {
                let values = e.values.iter().map(|(name, value)| {
                    let value = match e.sign {
                        Signedness::Unsigned => format!("{value}ULL"),
                        Signedness::Signed => format!("{}LL", value.cast_signed()),
                    };
                    (*name, value)
                });
                self.enumerators(id, values, level)?;
                let needs_64_bits = e.values.iter().any(|(_, value)| match e.sign {
                    Signedness::Unsigned => u32::try_from(*value).is_err(),
                    Signedness::Signed => i32::try_from(value.cast_signed()).is_err(),
                });
                if e.size == 8 && !needs_64_bits && !e.values.is_empty() {
                    self.push(" __attribute__((mode(word)))");
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn enumerators(
        &mut self,
        id: TypeId,
        values: impl ExactSizeIterator<Item = (StrOff, String)>,
        level: usize,
    ) -> Result<(), DumpError> {
        if values.len() == 0 {
            return Ok(());
        }
        self.deeper(id, |emitter| {
            emitter.push(" {");
            for (name, value) in values {
                let name = emitter.btf.str(name).unwrap_or_default();
                let name = emitter.names.of_enumerator(name);
                emitter.line(level + 1);
                emitter.push(&format!("{name} = {value},"));
            }
            emitter.line(level);
            emitter.push("}");
            Ok(())
        })
    }
}

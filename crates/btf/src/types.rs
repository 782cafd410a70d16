//! The kinds of BTF types as data, one variant per kind of `Documentation/bpf/btf.rst` section 2.2.
//!
//! Names are offsets into the string section ([`StrOff`]), as on the wire, so that an unmodified object is written back
//! byte for byte; [`crate::Btf::str`] turns them into text. A variant holds exactly the information of the wire record:
//! what the format fixes (a zero `vlen`, an unused size) is checked when parsing and absent here.

use skep_uapi::TypeId;

/// Offset of a NUL-terminated string in the string section; 0 is the empty string.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct StrOff(pub u32);

impl StrOff {
    /// The empty string: an anonymous type or member.
    pub const EMPTY: Self = Self(0);

    /// Whether this is the empty string at offset 0.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// One type: its name and what it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Type {
    /// Name, or [`StrOff::EMPTY`].
    pub name: StrOff,
    /// The rest.
    pub kind: Kind,
}

/// What a type is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Integer, character or boolean.
    Int(Int),
    /// Pointer to a type; `TypeId(0)` is `void`.
    Ptr(TypeId),
    /// Array.
    Array(Array),
    /// Structure.
    Struct(Composite),
    /// Union.
    Union(Composite),
    /// Enumeration with values of up to 32 bits.
    Enum(Enum),
    /// Forward declaration of a structure or union.
    Fwd(FwdKind),
    /// Typedef.
    Typedef(TypeId),
    /// `volatile`.
    Volatile(TypeId),
    /// `const`.
    Const(TypeId),
    /// `restrict`.
    Restrict(TypeId),
    /// A function, named, with its prototype.
    Func(Func),
    /// Prototype of a function.
    FuncProto(FuncProto),
    /// A variable.
    Var(Var),
    /// An ELF section with its variables.
    Datasec(Datasec),
    /// Floating point.
    Float {
        /// Size in bytes.
        size: u32,
    },
    /// A tag on a declaration; the type's name is the tag's text.
    DeclTag(DeclTag),
    /// A tag on a type; the type's name is the tag's text.
    TypeTag(TypeTag),
    /// Enumeration with 64-bit values.
    Enum64(Enum64),
}

/// Integer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Int {
    /// Size in bytes.
    pub size: u32,
    /// `BTF_INT_ENCODING`: one of the constants of [`IntEncoding`].
    pub encoding: IntEncoding,
    /// First bit of the value within its storage; 0 in all that compilers write today.
    pub bit_offset: u8,
    /// Bits of the value.
    pub bits: u8,
}

/// `BTF_INT_ENCODING`, kept as it was on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IntEncoding(pub u8);

impl IntEncoding {
    /// Unsigned.
    pub const NONE: Self = Self(0);
    /// `BTF_INT_SIGNED`.
    pub const SIGNED: Self = Self(1);
    /// `BTF_INT_CHAR`.
    pub const CHAR: Self = Self(2);
    /// `BTF_INT_BOOL`.
    pub const BOOL: Self = Self(4);
}

/// Array.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Array {
    /// Element type.
    pub elem: TypeId,
    /// Type of the index; not used beyond checks.
    pub index: TypeId,
    /// Number of elements.
    pub count: u32,
}

/// Structure or union.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Composite {
    /// Size in bytes.
    pub size: u32,
    /// How member offsets were written.
    pub form: MemberForm,
    /// Members in order of the wire.
    pub members: Vec<Member>,
}

/// The two encodings of `btf_member.offset` (`kind_flag`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemberForm {
    /// The word is the bit offset.
    Offset,
    /// The upper 8 bits are the width of a bitfield.
    OffsetAndWidth,
}

/// Member of a structure or union.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// Name; empty for an anonymous structure or union.
    pub name: StrOff,
    /// Type.
    pub ty: TypeId,
    /// Offset in bits from the start of the structure.
    pub bit_offset: u32,
    /// Width in bits of a bitfield, 0 for a member that is none. Always 0 with [`MemberForm::Offset`], where an old
    /// bitfield shows only in its integer type.
    pub bitfield_bits: u8,
}

/// Whether values are signed (`kind_flag` of enumerations).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signedness {
    /// All values are unsigned.
    Unsigned,
    /// Values are signed.
    Signed,
}

/// Enumeration of 32-bit values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Enum {
    /// Size in bytes; 0 for a forward declaration.
    pub size: u32,
    /// Signedness of the values.
    pub sign: Signedness,
    /// Name and value.
    pub values: Vec<(StrOff, u32)>,
}

/// Enumeration of 64-bit values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Enum64 {
    /// Size in bytes.
    pub size: u32,
    /// Signedness of the values.
    pub sign: Signedness,
    /// Name and value.
    pub values: Vec<(StrOff, u64)>,
}

/// What a forward declaration declares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FwdKind {
    /// `struct X;`
    Struct,
    /// `union X;`
    Union,
}

/// Linkage of functions and variables, kept as it was on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Linkage(pub u32);

impl Linkage {
    /// Not visible outside its compilation unit.
    pub const STATIC: Self = Self(0);
    /// Visible outside.
    pub const GLOBAL: Self = Self(1);
    /// Declared here, defined elsewhere.
    pub const EXTERN: Self = Self(2);

    /// The word that bpftool prints, or `None` for an unknown number.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::STATIC => Some("static"),
            Self::GLOBAL => Some("global"),
            Self::EXTERN => Some("extern"),
            Self(_) => None,
        }
    }
}

/// A function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Func {
    /// Its [`FuncProto`].
    pub proto: TypeId,
    /// Linkage.
    pub linkage: Linkage,
}

/// Prototype.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FuncProto {
    /// Return type.
    pub ret: TypeId,
    /// Parameters; a last one without name and type stands for `...`.
    pub params: Vec<Param>,
}

/// Parameter of a prototype.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Param {
    /// Name, often empty in pointers to functions.
    pub name: StrOff,
    /// Type.
    pub ty: TypeId,
}

/// A variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Var {
    /// Type.
    pub ty: TypeId,
    /// Linkage.
    pub linkage: Linkage,
}

/// An ELF section with its variables.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datasec {
    /// Size of the section in bytes. Compilers write 0; the loader sets it.
    pub size: u32,
    /// Variables, in order of offset once the loader has set them.
    pub vars: Vec<SecVar>,
}

/// A variable's place in its section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SecVar {
    /// A [`Var`] (or an extern [`Func`]).
    pub ty: TypeId,
    /// Offset in bytes.
    pub offset: u32,
    /// Size in bytes.
    pub size: u32,
}

/// Whether a tag came from `btf_type_tag`/`btf_decl_tag` or stands for any attribute (`kind_flag`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TagForm {
    /// A BTF tag.
    Tag,
    /// Any other attribute, by its source text.
    Attribute,
}

/// Tag on a declaration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeclTag {
    /// What is tagged.
    pub target: TypeId,
    /// Member or parameter that is tagged, -1 for the target itself.
    pub component: i32,
    /// Kind of tag.
    pub form: TagForm,
}

/// Tag on a type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TypeTag {
    /// The tagged type.
    pub target: TypeId,
    /// Kind of tag.
    pub form: TagForm,
}

impl Kind {
    /// Number of the kind (`BTF_KIND_*`).
    #[must_use]
    pub const fn code(&self) -> u32 {
        match self {
            Self::Int(_) => 1,
            Self::Ptr(_) => 2,
            Self::Array(_) => 3,
            Self::Struct(_) => 4,
            Self::Union(_) => 5,
            Self::Enum(_) => 6,
            Self::Fwd(_) => 7,
            Self::Typedef(_) => 8,
            Self::Volatile(_) => 9,
            Self::Const(_) => 10,
            Self::Restrict(_) => 11,
            Self::Func(_) => 12,
            Self::FuncProto(_) => 13,
            Self::Var(_) => 14,
            Self::Datasec(_) => 15,
            Self::Float { .. } => 16,
            Self::DeclTag(_) => 17,
            Self::TypeTag(_) => 18,
            Self::Enum64(_) => 19,
        }
    }

    /// Name of the kind as bpftool prints it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Int(_) => "INT",
            Self::Ptr(_) => "PTR",
            Self::Array(_) => "ARRAY",
            Self::Struct(_) => "STRUCT",
            Self::Union(_) => "UNION",
            Self::Enum(_) => "ENUM",
            Self::Fwd(_) => "FWD",
            Self::Typedef(_) => "TYPEDEF",
            Self::Volatile(_) => "VOLATILE",
            Self::Const(_) => "CONST",
            Self::Restrict(_) => "RESTRICT",
            Self::Func(_) => "FUNC",
            Self::FuncProto(_) => "FUNC_PROTO",
            Self::Var(_) => "VAR",
            Self::Datasec(_) => "DATASEC",
            Self::Float { .. } => "FLOAT",
            Self::DeclTag(_) => "DECL_TAG",
            Self::TypeTag(_) => "TYPE_TAG",
            Self::Enum64(_) => "ENUM64",
        }
    }

    /// What a qualifier, type tag or typedef stands for: the type behind it.
    #[must_use]
    pub const fn alias_of(&self) -> Option<TypeId> {
        match self {
            Self::Typedef(target) => Some(*target),
            _ => self.qualified(),
        }
    }

    /// The type behind `const`, `volatile`, `restrict` or a type tag.
    #[must_use]
    pub const fn qualified(&self) -> Option<TypeId> {
        match self {
            Self::Volatile(target) | Self::Const(target) | Self::Restrict(target) => Some(*target),
            Self::TypeTag(tag) => Some(tag.target),
            _ => None,
        }
    }

    /// Calls `visit` with every type id in this type, in order of the wire; `TypeId(0)` included.
    pub fn for_each_ref(&self, mut visit: impl FnMut(TypeId)) {
        match self {
            Self::Int(_) | Self::Enum(_) | Self::Enum64(_) | Self::Fwd(_) | Self::Float { .. } => {}
            Self::Ptr(t)
            | Self::Typedef(t)
            | Self::Volatile(t)
            | Self::Const(t)
            | Self::Restrict(t) => visit(*t),
            Self::TypeTag(tag) => visit(tag.target),
            Self::DeclTag(tag) => visit(tag.target),
            Self::Func(func) => visit(func.proto),
            Self::Var(var) => visit(var.ty),
            Self::Array(array) => {
                visit(array.elem);
                visit(array.index);
            }
            Self::Struct(composite) | Self::Union(composite) => {
                composite.members.iter().for_each(|member| visit(member.ty));
            }
            Self::FuncProto(proto) => {
                visit(proto.ret);
                proto.params.iter().for_each(|param| visit(param.ty));
            }
            Self::Datasec(section) => section.vars.iter().for_each(|var| visit(var.ty)),
        }
    }

    /// Calls `visit` with every name in this type besides its own.
    pub fn for_each_inner_name(&self, mut visit: impl FnMut(StrOff)) {
        match self {
            Self::Struct(composite) | Self::Union(composite) => {
                composite
                    .members
                    .iter()
                    .for_each(|member| visit(member.name));
            }
            Self::Enum(values) => values.values.iter().for_each(|(name, _)| visit(*name)),
            Self::Enum64(values) => values.values.iter().for_each(|(name, _)| visit(*name)),
            Self::FuncProto(proto) => proto.params.iter().for_each(|param| visit(param.name)),
            Self::Int(_)
            | Self::Ptr(_)
            | Self::Array(_)
            | Self::Fwd(_)
            | Self::Typedef(_)
            | Self::Volatile(_)
            | Self::Const(_)
            | Self::Restrict(_)
            | Self::Func(_)
            | Self::Var(_)
            | Self::Datasec(_)
            | Self::Float { .. }
            | Self::DeclTag(_)
            | Self::TypeTag(_) => {}
        }
    }
}

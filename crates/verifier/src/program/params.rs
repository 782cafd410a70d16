//! Parameters of global functions: what callers must pass and the function may rely on, from its prototype and the tags on it
//! (`__arg_ctx`, `__arg_nonnull` and so on in libbpf's headers).

use skep_btf::{Btf, Kind};
use skep_uapi::{ProgType, TypeId};
use std::collections::{HashMap, HashSet};

/// What starts the tags of parameters.
const TAG: &str = "arg:";
/// What starts the tag of a function that names the one that catches its exceptions.
const EXCEPTION_TAG: &str = "exception_callback:";

/// Whether a pointer may be null.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Nullable {
    No,
    Yes,
}

/// What a global function's parameter may be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Param {
    /// A number.
    Scalar,
    /// The program's context.
    Ctx,
    /// Memory of so many bytes.
    Mem {
        /// Bytes.
        bytes: u32,
        /// Whether it may be null.
        null: Nullable,
    },
    /// A dynamic pointer, which the function neither gives up nor makes.
    Dynptr,
    /// Something that Linux refuses, for this reason.
    Refused(String),
    /// Something that skep does not check yet.
    Other,
}

/// Tags of parameters by function and index.
pub(crate) struct Tags<'a> {
    by_param: HashMap<(TypeId, i32), Vec<&'a str>>,
    catching: HashSet<TypeId>,
}

impl<'a> Tags<'a> {
    pub(crate) fn of(btf: &'a Btf) -> Self {
        let mut by_param: HashMap<_, Vec<_>> = HashMap::new();
        let mut catching = HashSet::new();
        for (id, ty) in btf.iter() {
            let Kind::DeclTag(tag) = &ty.kind else {
                continue;
            };
            if btf.name(id).starts_with(EXCEPTION_TAG) {
                catching.insert(tag.target);
            }
            if let Some(text) = btf.name(id).strip_prefix(TAG) {
                let param = (tag.target, tag.component);
                by_param.entry(param).or_default().push(text);
            }
        }
        Self { by_param, catching }
    }

    /// Whether a function names another that catches its exceptions.
    pub(crate) fn has_exception_callback(&self, func: TypeId) -> bool {
        self.catching.contains(&func)
    }

    fn get(&self, func: TypeId, index: usize) -> &[&'a str] {
        let index = i32::try_from(index).unwrap_or(i32::MAX);
        self.by_param.get(&(func, index)).map_or(&[], Vec::as_slice)
    }
}

/// A function as far as its parameters need it.
#[derive(Clone, Copy)]
pub(crate) struct Function<'a> {
    pub(crate) btf: &'a Btf,
    pub(crate) id: TypeId,
    pub(crate) prog_type: ProgType,
    /// Name of the context's structure.
    pub(crate) ctx_name: &'a str,
}

impl Function<'_> {
    /// Parameter `index`, of type `ty`.
    pub(crate) fn param(self, index: usize, ty: TypeId, tags: &Tags<'_>) -> Param {
        let tags = tags.get(self.id, index);
        let Some(resolved) = self.btf.resolve(ty) else {
            return Param::Other;
        };
        let kind = self.btf.get(resolved).map(|ty| &ty.kind);
        let Some(Kind::Ptr(target)) = kind else {
            if !tags.is_empty() {
                let why = format!("arg#{index} has pointer tag, but is not a pointer type");
                return Param::Refused(why);
            }
            return match kind {
                Some(Kind::Int(_) | Kind::Enum(_) | Kind::Enum64(_)) => Param::Scalar,
                kind => Param::Refused(format!(
                    "Arg#{index} type {} in {}() is not supported yet.",
                    kind_name(kind),
                    self.btf.name(self.id)
                )),
            };
        };
        self.pointer(index, *target, tags)
    }

    fn pointer(self, index: usize, target: TypeId, tags: &[&str]) -> Param {
        let names = self.names(target);
        let is = |name: &str| !name.is_empty() && names.iter().any(|other| other == name);
        if tags.contains(&"ctx") {
            let void = self.btf.resolve(target) == Some(TypeId(0));
            let named = is(self.ctx_name) || self.other_ctx(&names);
            // The context of these is whatever the caller gives.
            let any = self.prog_type == ProgType::SYSCALL;
            return match void || named || any {
                true => Param::Ctx,
                false if self.has_other_ctx() => Param::Other,
                false => Param::Refused(format!(
                    "arg#{index} should be `struct {} *`",
                    self.ctx_name
                )),
            };
        }
        let registers = self.prog_type == ProgType::KPROBE && is("pt_regs");
        if is(self.ctx_name) || registers {
            return Param::Ctx;
        }
        if is("bpf_dynptr") {
            return match tags.is_empty() {
                true => Param::Dynptr,
                false => Param::Other,
            };
        }
        let mut null = Nullable::Yes;
        for tag in tags {
            match *tag {
                "nonnull" => null = Nullable::No,
                "nullable" => {}
                _ => return Param::Other,
            }
        }
        match self.btf.resolve(target).and_then(|id| self.btf.size_of(id)) {
            Some(bytes) => Param::Mem { bytes, null },
            None => Param::Refused(format!(
                "arg#{index} reference type('{}') size cannot be determined: -22",
                self.described(target)
            )),
        }
    }

    /// The names that a type has on the way to what it stands for.
    fn names(self, target: TypeId) -> Vec<String> {
        let mut names = Vec::new();
        let mut next = self.btf.unqualified(target);
        while let Some(id) = next.filter(|_| names.len() < 32) {
            names.push(self.btf.name(id).to_owned());
            next = match self.btf.get(id).map(|ty| &ty.kind) {
                Some(Kind::Typedef(behind)) => self.btf.unqualified(*behind),
                _ => None,
            };
        }
        names
    }

    /// Whether a tagged context may have other types than the context's structure.
    fn has_other_ctx(self) -> bool {
        matches!(
            self.prog_type,
            ProgType::KPROBE
                | ProgType::PERF_EVENT
                | ProgType::TRACEPOINT
                | ProgType::RAW_TRACEPOINT
                | ProgType::RAW_TRACEPOINT_WRITABLE
        )
    }

    fn other_ctx(self, names: &[String]) -> bool {
        let others: &[&str] = match self.prog_type {
            ProgType::KPROBE => &["bpf_user_pt_regs_t", "pt_regs"],
            ProgType::PERF_EVENT => &["bpf_perf_event_data", "bpf_user_pt_regs_t", "pt_regs"],
            ProgType::TRACEPOINT => &["u64", "__u64", "unsigned long long", "long"],
            ProgType::RAW_TRACEPOINT | ProgType::RAW_TRACEPOINT_WRITABLE => &[
                "bpf_raw_tracepoint_args",
                "u64",
                "__u64",
                "unsigned long long",
            ],
            _ => &[],
        };
        names.iter().any(|name| others.contains(&name.as_str()))
    }

    /// `FWD S`, as the log describes a type.
    fn described(self, id: TypeId) -> String {
        let id = self.btf.resolve(id).unwrap_or(TypeId(0));
        let kind = self.btf.get(id).map(|ty| &ty.kind);
        format!("{} {}", kind_name(kind), self.btf.name(id))
    }
}

fn kind_name(kind: Option<&Kind>) -> &'static str {
    match kind {
        None => "UNKNOWN",
        Some(Kind::Int(_)) => "INT",
        Some(Kind::Ptr(_)) => "PTR",
        Some(Kind::Array(_)) => "ARRAY",
        Some(Kind::Struct(_)) => "STRUCT",
        Some(Kind::Union(_)) => "UNION",
        Some(Kind::Enum(_)) => "ENUM",
        Some(Kind::Fwd(_)) => "FWD",
        Some(Kind::Typedef(_)) => "TYPEDEF",
        Some(Kind::Volatile(_)) => "VOLATILE",
        Some(Kind::Const(_)) => "CONST",
        Some(Kind::Restrict(_)) => "RESTRICT",
        Some(Kind::Func(_)) => "FUNC",
        Some(Kind::FuncProto(_)) => "FUNC_PROTO",
        Some(Kind::Var(_)) => "VAR",
        Some(Kind::Datasec(_)) => "DATASEC",
        Some(Kind::Float { .. }) => "FLOAT",
        Some(Kind::DeclTag(_)) => "DECL_TAG",
        Some(Kind::TypeTag(_)) => "TYPE_TAG",
        Some(Kind::Enum64(_)) => "ENUM64",
    }
}

//! A function's prototype in one line, as it heads `bpftool prog dump xlated`.
//!
//! The line is not C: types are written from the inside out without parentheses (`int (int, char *)* fp`), every word and
//! star is followed by a space, qualifiers precede all of their type. bpftool 7.5 knows no type tags and prints no line
//! for a function that has one; the text is empty then.

use crate::btf::Btf;
use crate::limits::{PRINT_DEPTH_MAX, PROTO_BYTES_MAX};
use crate::types::{FuncProto, FwdKind, Kind, StrOff};
use skep_uapi::TypeId;

/// `int hello(struct xdp_md * ctx)` for a `FUNC` or `FUNC_PROTO`; empty for other types, for types nested too
/// deeply and for functions with a type tag in their signature.
#[must_use]
pub fn proto(btf: &Btf, func: TypeId) -> String {
    let mut printer = Printer {
        btf,
        out: String::new(),
        depth: 0,
    };
    let done = match btf.get(func).map(|ty| (&ty.kind, ty.name)) {
        Some((Kind::Func(func), name)) => match btf.get(func.proto).map(|ty| &ty.kind) {
            Some(Kind::FuncProto(proto)) => printer.prototype(proto, name),
            Some(_) | None => None,
        },
        Some((Kind::FuncProto(proto), _)) => printer.prototype(proto, StrOff::EMPTY),
        Some(_) | None => None,
    };
    done.map(|()| printer.out).unwrap_or_default()
}

struct Printer<'a> {
    btf: &'a Btf,
    out: String,
    depth: usize,
}

impl Printer<'_> {
    fn prototype(&mut self, proto: &FuncProto, name: StrOff) -> Option<()> {
        self.ty(proto.ret)?;
        self.push(self.btf.str(name)?);
        self.push("(");
        for (position, param) in proto.params.iter().enumerate() {
            if position > 0 {
                self.push(", ");
            }
            let name = self.btf.str(param.name)?;
            if param.ty.0 == 0 {
                self.push("...");
                continue;
            }
            self.ty(param.ty)?;
            if name.is_empty() {
                // Without a name the space behind the type is dropped.
                self.out.pop();
            }
            self.push(name);
        }
        self.push(")");
        Some(())
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// The type, followed by a space. `None` ends the line: too deep or too long.
    fn ty(&mut self, id: TypeId) -> Option<()> {
        if self.depth >= PRINT_DEPTH_MAX || self.out.len() > PROTO_BYTES_MAX {
            return None;
        }
        self.depth += 1;
        let done = self.kind(id);
        self.depth -= 1;
        done
    }

    fn kind(&mut self, id: TypeId) -> Option<()> {
        if id.0 == 0 {
            self.push("void ");
            return Some(());
        }
        let btf = self.btf;
        let ty = btf.get(id)?;
        let name = btf.str(ty.name)?;
        match &ty.kind {
            Kind::Int(_) | Kind::Typedef(_) | Kind::Float { .. } => self.word("", name),
            Kind::Struct(_) | Kind::Fwd(FwdKind::Struct) => self.word("struct ", name),
            Kind::Union(_) | Kind::Fwd(FwdKind::Union) => self.word("union ", name),
            Kind::Enum(_) | Kind::Enum64(_) => self.word("enum ", name),
            Kind::Ptr(target) => {
                self.ty(*target)?;
                self.push("* ");
            }
            Kind::Array(array) => {
                self.ty(array.elem)?;
                self.push(&format!("[{}]", array.count));
            }
            Kind::Volatile(target) => return self.qualified("volatile ", *target),
            Kind::Const(target) => return self.qualified("const ", *target),
            Kind::Restrict(target) => return self.qualified("restrict ", *target),
            Kind::FuncProto(proto) => return self.prototype(proto, StrOff::EMPTY),
            Kind::TypeTag(_)
            | Kind::Func(_)
            | Kind::Var(_)
            | Kind::Datasec(_)
            | Kind::DeclTag(_) => return None,
        }
        Some(())
    }

    fn word(&mut self, keyword: &str, name: &str) {
        self.push(keyword);
        self.push(name);
        self.push(" ");
    }

    fn qualified(&mut self, word: &str, target: TypeId) -> Option<()> {
        self.push(word);
        self.ty(target)
    }
}

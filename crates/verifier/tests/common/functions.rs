//! The BTF of a case: its functions, and the kernel functions that it calls.
//!
//! | Section | Holds |
//! |---|---|
//! | `functions` | a function a line, in order: name, `static` or `global`, then a parameter each: `int`, `ctx`, `mem8` (a pointer to 8 bytes), `some8` (one that is not null) |
//! | `kernel` | names of kernel functions; `kfunc[N]` is that on line N, from 1 |

use skep_btf::core::KernelBtf;
use skep_btf::{
    Btf, Composite, DeclTag, Func, FuncProto, Int, IntEncoding, Kind, Linkage, MemberForm, Param,
    StrOff, TagForm, Type,
};
use skep_contracts::{KfuncArg, kfunc};
use skep_isa::{CallTarget, Imm64, Insn, InsnIdx, Program};
use skep_testkit::Case;
use skep_uapi::TypeId;
use skep_verifier::FuncInfo;

/// What a case says about functions.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    pub(crate) btf: Option<Btf>,
    pub(crate) infos: Vec<FuncInfo>,
    pub(crate) kernel: Option<KernelBtf>,
}

impl Functions {
    pub(crate) fn read(case: &Case, program: &Program) -> Self {
        let mut functions = Self::default();
        if let Some(text) = case.optional("functions") {
            let (btf, ids) = btf_of(text);
            functions.infos = starts(program)
                .into_iter()
                .zip(ids)
                .map(|(at, type_id)| FuncInfo { at, type_id })
                .collect();
            functions.btf = Some(btf);
        }
        functions.kernel = case.optional("kernel").map(kernel_of);
        functions
    }
}

fn add(btf: &mut Btf, name: &str, kind: Kind) -> TypeId {
    let name = match name {
        "" => StrOff::EMPTY,
        name => btf.add_string(name),
    };
    btf.add_type(Type { name, kind })
}

fn signed(size: u32) -> Kind {
    Kind::Int(Int {
        size,
        encoding: IntEncoding::SIGNED,
        bit_offset: 0,
        bits: u8::try_from(size * 8).unwrap(),
    })
}

fn btf_of(text: &str) -> (Btf, Vec<TypeId>) {
    let mut btf = Btf::default();
    let int = add(&mut btf, "int", signed(4));
    let long = add(&mut btf, "long", signed(8));
    let mem = add(&mut btf, "", Kind::Ptr(long));
    let context = Composite {
        size: 0,
        form: MemberForm::Offset,
        members: Vec::new(),
    };
    let context = add(&mut btf, "xdp_md", Kind::Struct(context));
    let context = add(&mut btf, "", Kind::Ptr(context));
    let mut ids = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let name = words.next().expect("a name");
        let linkage = match words.next() {
            Some("static") => Linkage::STATIC,
            Some("global") => Linkage::GLOBAL,
            other => panic!("{other:?} is no linkage"),
        };
        let params: Vec<&str> = words.collect();
        let typed = params.iter().zip(0..).map(|(param, number)| {
            let ty = match *param {
                "int" => int,
                "ctx" => context,
                "mem8" | "some8" => mem,
                other => panic!("{other} is no parameter"),
            };
            (format!("p{number}"), ty)
        });
        let typed: Vec<_> = typed.collect();
        let named = typed.into_iter().map(|(name, ty)| Param {
            name: btf.add_string(&name),
            ty,
        });
        let params_of = named.collect();
        let proto = FuncProto {
            ret: int,
            params: params_of,
        };
        let proto = add(&mut btf, "", Kind::FuncProto(proto));
        let func = add(&mut btf, name, Kind::Func(Func { proto, linkage }));
        for (_, component) in params
            .iter()
            .zip(0..)
            .filter(|(param, _)| **param == "some8")
        {
            let tag = DeclTag {
                target: func,
                component,
                form: TagForm::Tag,
            };
            add(&mut btf, "arg:nonnull", Kind::DeclTag(tag));
        }
        ids.push(func);
    }
    (btf, ids)
}

/// Where functions start.
fn starts(program: &Program) -> Vec<InsnIdx> {
    let mut starts = vec![InsnIdx(0)];
    for (insn, at) in program.insns().iter().zip(0u32..) {
        if let Insn::Call(CallTarget::Local(off))
        | Insn::LoadImm64 {
            imm: Imm64::Func(off),
            ..
        } = insn
        {
            starts.push(InsnIdx((at + 1).wrapping_add_signed(*off)));
        }
    }
    starts.sort_unstable();
    starts.dedup();
    starts
}

/// A kernel's BTF with these functions as its first types.
fn kernel_of(text: &str) -> KernelBtf {
    let mut btf = Btf::default();
    let names: Vec<&str> = text.lines().map(str::trim).collect();
    for (name, number) in names.iter().zip(1u32..) {
        let proto = TypeId(u32::try_from(names.len()).expect("few") + number);
        let linkage = Linkage::STATIC;
        add(&mut btf, name, Kind::Func(Func { proto, linkage }));
    }
    for name in names {
        let row = kfunc(name).expect("a row");
        let args = row.args.iter().take_while(|arg| **arg != KfuncArg::None);
        let param = Param {
            name: StrOff::EMPTY,
            ty: TypeId(0),
        };
        let proto = FuncProto {
            ret: TypeId(0),
            params: vec![param; args.count()],
        };
        add(&mut btf, "", Kind::FuncProto(proto));
    }
    KernelBtf::new(btf)
}

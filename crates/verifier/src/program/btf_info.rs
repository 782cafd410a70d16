//! What BTF says about the program's functions and lines: names, linkage, prototypes, source.
//!
//! Records come from whoever loads the program and are checked like Linux checks them; the BTF itself was checked when
//! it was loaded, but nothing here relies on that.

use super::Extent;
use super::params::{Function, Param, Tags};
use crate::env::{Env, LineInfo};
use crate::reject::Reject;
use skep_btf::{Btf, Func, FuncProto, Kind, Linkage as BtfLinkage, StrOff};
use skep_isa::{CallTarget, Insn, InsnIdx};
use skep_uapi::{HelperId, TypeId};

/// Arguments that registers hold.
const PARAMS_MAX: usize = 5;
/// Bits of `line_col` that hold the column.
const COLUMN_BITS: u32 = 10;

/// Who may call a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Linkage {
    /// Only this program: verified along each path that calls it.
    #[default]
    Static,
    /// Anybody: verified by itself, from its prototype.
    Global,
}

/// What a function returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Returns {
    /// A number.
    #[default]
    Scalar,
    /// Nothing.
    Void,
    /// Something that global functions may not return.
    Other,
}

/// A function's declaration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct FuncDecl {
    pub(crate) name: String,
    pub(crate) linkage: Linkage,
    pub(crate) params: Vec<Param>,
    pub(crate) returns: Returns,
}

impl FuncDecl {
    pub(crate) fn is_global(&self) -> bool {
        self.linkage == Linkage::Global
    }

    /// Whether a function can be verified by itself from this declaration.
    pub(crate) fn check_global(&self) -> Result<(), Reject> {
        let name = self.name.clone();
        if self.params.len() > PARAMS_MAX {
            let count = self.params.len();
            return Err(Reject::GlobalParams { name, count });
        }
        if self.returns != Returns::Scalar {
            return Err(Reject::GlobalReturnType { name });
        }
        for param in &self.params {
            match param {
                Param::Scalar | Param::Ctx | Param::Dynptr | Param::Mem { .. } => {}
                Param::Refused(why) => return Err(Reject::GlobalParam { why: why.clone() }),
                Param::Other => {
                    let what = format!("global function {name}() with such pointer arguments");
                    return Err(Reject::Unsupported { what });
                }
            }
        }
        Ok(())
    }
}

/// Checks function and line records, and gives the declarations in order of the functions.
pub(crate) fn check(
    insns: &[Insn],
    subprogs: &[Extent],
    env: &Env<'_>,
    ctx_name: &str,
) -> Result<Vec<FuncDecl>, Reject> {
    let with_functions = env.btf.filter(|_| !env.func_info.is_empty());
    let decls = match with_functions {
        Some(btf) => functions(subprogs, env, btf, ctx_name)?,
        None => vec![FuncDecl::default(); subprogs.len()],
    };
    for (extent, decl) in subprogs.iter().zip(&decls).skip(1) {
        if !tail_calls(&insns[extent.start.index()..extent.end.index()]) {
            continue;
        }
        if with_functions.is_none() {
            return Err(Reject::TailCallWithoutBtf {});
        }
        if decl.returns != Returns::Scalar {
            return Err(Reject::TailCallReturn {});
        }
    }
    let Some(btf) = env.btf else {
        return Ok(decls);
    };
    lines(insns, subprogs, env, btf)?;
    Ok(decls)
}

fn functions(
    subprogs: &[Extent],
    env: &Env<'_>,
    btf: &Btf,
    ctx_name: &str,
) -> Result<Vec<FuncDecl>, Reject> {
    let mut previous: Option<InsnIdx> = None;
    for (index, record) in env.func_info.iter().enumerate() {
        let at = record.at;
        match previous {
            None if at != InsnIdx(0) => return Err(Reject::FuncInfoFirst { at }),
            Some(previous) if at <= previous => {
                return Err(Reject::FuncInfoOrder { at, previous });
            }
            None | Some(_) => previous = Some(at),
        }
        if func(btf, record.type_id).is_none() {
            let type_id = record.type_id.0;
            return Err(Reject::FuncInfoType { type_id, index });
        }
    }
    let tags = Tags::of(btf);
    let main = env.func_info.first().map(|record| record.type_id);
    if main.is_some_and(|main| tags.has_exception_callback(main)) {
        let what = "a function that catches exceptions".to_owned();
        return Err(Reject::Unsupported { what });
    }
    if env.func_info.len() != subprogs.len() {
        return Err(Reject::FuncInfoCount {});
    }
    let pairs = env.func_info.iter().zip(subprogs);
    pairs
        .map(|(record, extent)| {
            if record.at != extent.start {
                return Err(Reject::FuncInfoPlace {});
            }
            let function = Function {
                btf,
                id: record.type_id,
                prog_type: env.prog_type,
                ctx_name,
            };
            Ok(declaration(function, &tags))
        })
        .collect()
}

/// Whether a function makes tail calls: what then returns to its caller is another program's result.
pub(crate) fn tail_calls(body: &[Insn]) -> bool {
    body.iter().any(|insn| {
        matches!(*insn, Insn::Call(CallTarget::Helper(id)) if HelperId(id.cast_unsigned()) == HelperId::TAIL_CALL)
    })
}

/// A function type and its prototype.
fn func(btf: &Btf, id: TypeId) -> Option<(&Func, &FuncProto)> {
    let Kind::Func(func) = &btf.get(id)?.kind else {
        return None;
    };
    match &btf.get(func.proto)?.kind {
        Kind::FuncProto(proto) => Some((func, proto)),
        _ => None,
    }
}

fn declaration(function: Function<'_>, tags: &Tags<'_>) -> FuncDecl {
    let Function { btf, id, .. } = function;
    let Some((func, proto)) = func(btf, id) else {
        return FuncDecl::default();
    };
    FuncDecl {
        name: btf.name(id).to_owned(),
        linkage: if func.linkage == BtfLinkage::GLOBAL {
            Linkage::Global
        } else {
            Linkage::Static
        },
        params: proto
            .params
            .iter()
            .take(PARAMS_MAX + 1)
            .enumerate()
            .map(|(index, param)| function.param(index, param.ty, tags))
            .collect(),
        returns: match scalar_or_void(btf, proto.ret) {
            Some(returns) => returns,
            None => Returns::Other,
        },
    }
}

fn scalar_or_void(btf: &Btf, id: TypeId) -> Option<Returns> {
    let id = btf.resolve(id)?;
    if id == TypeId(0) {
        return Some(Returns::Void);
    }
    matches!(
        btf.get(id)?.kind,
        Kind::Int(_) | Kind::Enum(_) | Kind::Enum64(_)
    )
    .then_some(Returns::Scalar)
}

fn lines(insns: &[Insn], subprogs: &[Extent], env: &Env<'_>, btf: &Btf) -> Result<(), Reject> {
    let mut functions = subprogs.iter().enumerate().peekable();
    let mut previous: Option<InsnIdx> = None;
    for (index, record) in env.line_info.iter().enumerate() {
        let at = record.at;
        if previous.is_some_and(|previous| at <= previous) || at.index() >= insns.len() {
            return Err(Reject::LineInfoOffset {
                index,
                at,
                previous: previous.map_or(0, |previous| previous.0),
                length: insns.len(),
            });
        }
        previous = Some(at);
        if insns[at.index()] == Insn::Imm64High {
            return Err(Reject::LineInfoCode { index });
        }
        let has = |off| btf.bytes_at(StrOff(off)).is_some();
        if !has(record.line_off) || !has(record.file_name_off) {
            return Err(Reject::LineInfoString { index });
        }
        if let Some((subprog, extent)) = functions.peek() {
            if at == extent.start {
                functions.next();
            } else if extent.start < at {
                return Err(Reject::LineInfoMissing { subprog: *subprog });
            }
        }
    }
    match functions.next() {
        Some((subprog, _)) if !env.line_info.is_empty() => Err(Reject::LineInfoMissingFrom {
            count: subprogs.len() - subprog,
            subprog,
        }),
        Some(_) | None => Ok(()),
    }
}

/// Whether two records are of one source line.
pub(crate) fn is_same_line(one: &LineInfo, other: &LineInfo) -> bool {
    let line = |record: &LineInfo| {
        let number = record.line_col >> COLUMN_BITS;
        (record.file_name_off, record.line_off, number)
    };
    line(one) == line(other)
}

/// The source line of a record as the log shows it, `text @ file.c:12`.
pub(crate) fn source_line(env: &Env<'_>, record: &LineInfo) -> Option<String> {
    let btf = env.btf?;
    let text = btf.text(StrOff(record.line_off))?;
    let path = btf.text(StrOff(record.file_name_off))?;
    let file = path.rsplit('/').next().unwrap_or_default();
    let line = record.line_col >> COLUMN_BITS;
    Some(format!("{} @ {file}:{line}", text.trim_start()))
}

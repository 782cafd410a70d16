//! Calls of kernel functions before any path is walked: the ids must be functions of the kernel's BTF.

use crate::env::Env;
use crate::reject::Reject;
use skep_btf::Kind;
use skep_isa::{CallTarget, Insn};
use skep_uapi::TypeId;

/// Checks every call's id. A call of nothing, which libbpf leaves where a weak function is missing, may be dead code.
pub(crate) fn check(insns: &[Insn], env: &Env<'_>) -> Result<(), Reject> {
    for insn in insns {
        let Insn::Call(CallTarget::Kfunc { id, off }) = *insn else {
            continue;
        };
        if id == 0 && off == 0 {
            continue;
        }
        if off != 0 {
            let what = "calling functions of kernel modules".to_owned();
            return Err(Reject::Unsupported { what });
        }
        if env.kernel.is_none() {
            let what = "calling kernel functions without the kernel's BTF".to_owned();
            return Err(Reject::Unsupported { what });
        }
        if kfunc_name(env, id).is_none() {
            return Err(Reject::KfuncId { id });
        }
    }
    Ok(())
}

/// The name of a kernel function, if the id is one.
pub(crate) fn kfunc_name<'a>(env: &Env<'a>, id: i32) -> Option<&'a str> {
    let btf = env.kernel?.btf();
    let id = TypeId(u32::try_from(id).ok()?);
    matches!(btf.get(id)?.kind, Kind::Func(_)).then(|| btf.name(id))
}

/// Parameters of a kernel function; 5, the most there can be, if it is not known.
pub(crate) fn kfunc_params(env: &Env<'_>, id: i32) -> usize {
    let params = || {
        let btf = env.kernel?.btf();
        let Kind::Func(func) = &btf.get(TypeId(u32::try_from(id).ok()?))?.kind else {
            return None;
        };
        match &btf.get(func.proto)?.kind {
            Kind::FuncProto(proto) => Some(proto.params.len()),
            _ => None,
        }
    };
    params().unwrap_or(5)
}

//! Words for calls.

use super::{Words, argument};
use crate::explain::Scene;
use crate::explain::held::meaning;
use crate::reject::Reject;
use skep_contracts::helper_callers;
use skep_isa::{CallTarget, Insn, Reg as R};
use skep_uapi::HelperId;

/// Program types that an advice lists at most.
const TYPES_MAX: usize = 8;

pub(super) fn of(scene: &Scene<'_>, reject: &Reject) -> Option<Words> {
    allowed(scene, reject)
        .or_else(|| sizes(scene, reject))
        .or_else(|| arguments(scene, reject))
        .or_else(|| functions(scene, reject))
}

fn allowed(scene: &Scene<'_>, reject: &Reject) -> Option<Words> {
    match reject {
        Reject::UnknownHelper { id, .. } => Some(
            Words::new(format!("there is no helper number {id}"))
                .advise("was the program compiled for a newer kernel?"),
        ),
        Reject::HelperNotAllowed { .. } => Some(not_for_type(scene)),
        Reject::GplOnly { .. } => Some(
            Words::new(format!(
                "{} is only for programs under a licence that is compatible with the GPL",
                scene.callee()
            ))
            .advise("declare it, if it is true: `char LICENSE[] SEC(\"license\") = \"GPL\";` (or \"Dual MIT/GPL\" and the like)"),
        ),
        Reject::KfuncNotAllowed { name, .. } => Some(
            Words::new(format!(
                "{} programs may not call the kernel function {name}",
                scene.env.prog_type
            ))
            .advise("use a helper that does the same, or a program type that may call it"),
        ),
        Reject::KfuncSleeps { name, .. } => Some(
            Words::new(format!("the kernel function {name} may sleep, and the program may not"))
                .advise("put the program into a sleepable section (SEC(\"fentry.s/...\") and the like)"),
        ),
        Reject::MightSleep { .. } => Some(
            Words::new(format!("{} may sleep, and the program may not", scene.callee()))
                .advise("put the program into a sleepable section (SEC(\"fentry.s/...\") and the like)"),
        ),
        _ => None,
    }
}

fn not_for_type(scene: &Scene<'_>) -> Words {
    let words = Words::new(format!(
        "{} programs may not call {}",
        scene.env.prog_type,
        scene.callee()
    ));
    let Some(Insn::Call(CallTarget::Helper(id))) = scene.insn() else {
        return words;
    };
    let callers = helper_callers(HelperId(id.cast_unsigned()));
    let names: Vec<String> = callers.iter().map(ToString::to_string).collect();
    match names.len() {
        0 => words.advise("no program type that skep knows may call it"),
        count if count > TYPES_MAX => {
            let shown = names[..TYPES_MAX].join(", ");
            words.advise(format!(
                "{count} program types may call it, among them {shown}"
            ))
        }
        _ => words.advise(format!(
            "program types that may call it: {}",
            names.join(", ")
        )),
    }
}

fn sizes(scene: &Scene<'_>, reject: &Reject) -> Option<Words> {
    let size = |reg: R| argument(scene, reg);
    match *reject {
        Reject::SizeNegative { reg, .. } => Some(
            Words::new(format!("{}, a size, may be negative", size(reg)))
                .advise("make it unsigned, or mask it (`size &= 255`), or check `if (size < 0) return ...;`"),
        ),
        Reject::SizeUnbounded { reg, .. } => Some(
            Words::new(format!("{}, a size, has no upper bound", size(reg)))
                .advise("check `if (size > LIMIT) return ...;`, or mask it (`size &= LIMIT - 1`)"),
        ),
        Reject::SizeZero { reg, umax, .. } => Some(
            Words::new(format!("{}, a size, may be zero", size(reg))).advise(match umax {
                0 => "pass a size of at least 1".to_owned(),
                _ => "check `if (size == 0) return ...;` first".to_owned(),
            }),
        ),
        Reject::ZeroSizedRead { .. } => Some(
            Words::new(format!("{} would read zero bytes", scene.callee()))
                .advise("use a map whose keys and values have a size"),
        ),
        Reject::SizeNotConst { reg, .. } => Some(
            Words::new(format!("{}, a size, must be a constant", size(reg)))
                .advise("pass sizeof or another constant"),
        ),
        _ => None,
    }
}

fn arguments(scene: &Scene<'_>, reject: &Reject) -> Option<Words> {
    match *reject {
        Reject::ArgKindMismatch { reg, kind, expected, .. } => Some(wrong_kind(scene, reg, kind, expected)),
        Reject::MapTypeHelper { map_type, .. } => {
            let map_type = skep_uapi::MapType(map_type);
            Some(
                Words::new(format!("{} does not work on maps of type {map_type}", scene.callee()))
                    .advise("use a map type that the helper is for, or the helper that is for this map type"),
            )
        }
        Reject::TailCallMap { .. } => Some(
            Words::new("bpf_tail_call needs a map of programs").advise("use a map of type BPF_MAP_TYPE_PROG_ARRAY"),
        ),
        Reject::NotReferenced { reg, .. } => Some(
            Words::new(format!("{} is given up, but the program holds no reference to it", argument(scene, reg)))
                .advise("release only what a call such as bpf_sk_lookup_tcp returned, and only once"),
        ),
        Reject::StrNotReadonly { reg, .. } | Reject::StrNotConst { reg, .. } => Some(
            Words::new(format!("{} must be a constant string", argument(scene, reg)))
                .advise("make it `static const char text[] = \"...\";` or a string literal"),
        ),
        Reject::StrNotTerminated { .. } => Some(
            Words::new("the string has no zero at its end").advise("end it with a zero byte"),
        ),
        Reject::BadFormat { .. } => Some(
            Words::new(format!("{} does not understand the format string", scene.callee()))
                .advise("use %d %u %x %lld %llu %llx %p %s and their like, at most as many as there are arguments"),
        ),
        Reject::LocalStorageFlags { .. } => Some(
            Words::new("the flags of bpf_get_local_storage are not 0").advise("pass 0"),
        ),
        Reject::GlobalArg { reg, expected, .. } => Some(
            Words::new(format!("argument {} of the global function is not {expected}", reg.number()))
                .advise("pass what its declaration says; a global function is verified by its declaration alone"),
        ),
        _ => None,
    }
}

fn wrong_kind(scene: &Scene<'_>, reg: R, kind: &str, expected: &str) -> Words {
    let is = match (scene.path, scene.reg(reg)) {
        (Some(path), Some(value)) => meaning(path, value),
        (_, _) => kind.to_owned(),
    };
    let wanted = match expected {
        "ctx" => "the context",
        "fp" => "an address on the stack",
        "map_ptr" => "a map",
        list if list.contains("map_value") => "a pointer to memory (stack, packet, map value)",
        list if list.contains("sock") => "a socket",
        other => other,
    };
    let words = Words::new(format!(
        "{} is {is}, where {wanted} is expected",
        argument(scene, reg)
    ));
    if kind.contains("or_null") {
        return words.advise("check it first: `if (!ptr) return ...;`");
    }
    match expected {
        "ctx" => words.advise("pass the context as it was given to the program"),
        _ if kind == "scalar" && wanted.contains("memory") => {
            words.advise("pass the address of memory (`&variable`), not a number")
        }
        _ if wanted.contains("memory") => {
            words.advise("copy the data to the stack and pass its address")
        }
        _ => words.advise(format!("pass {wanted}")),
    }
}

fn functions(scene: &Scene<'_>, reject: &Reject) -> Option<Words> {
    match reject {
        Reject::CallTooDeep { .. } | Reject::ChainTooDeep { .. } => Some(
            Words::new("more than 8 functions are called within one another")
                .advise("inline some of them (`__always_inline`); recursion is not possible"),
        ),
        Reject::CallerArgs { why, name, .. } | Reject::CallerCtx { why, name, .. } => Some(
            Words::new(format!(
                "the global function {name} does not take what it is given: {why}"
            ))
            .advise("pass what its declaration says; a global function is verified by its declaration alone")
            .advise("or make it static: then each call is verified with its own arguments"),
        ),
        Reject::CombinedStack { frames, bytes } => Some(
            Words::new(format!("{frames} functions within one another need {bytes} bytes of stack, but have 512 together"))
                .advise("put large variables into a map (a per-CPU array of one element), or call fewer functions within one another"),
        ),
        Reject::TailCallReturn {} => Some(
            Words::new("a function with a tail call must return an int").advise("let it return int"),
        ),
        Reject::GlobalReturnType { name } => Some(
            Words::new(format!("the global function {name} does not return a number"))
                .advise("let it return int, or make it static"),
        ),
        Reject::GlobalParams { name, .. } => Some(
            Words::new(format!("the global function {name} has more than 5 arguments"))
                .advise("pass a pointer to a structure"),
        ),
        Reject::LegacyPacket { .. } => Some(
            Words::new(format!("{} programs have no legacy packet loads", scene.env.prog_type))
                .advise("access the packet through data and data_end"),
        ),
        _ => None,
    }
}

//! `bpftool btf dump … format c`: types as C declarations that a compiler accepts, in an order that C needs.
//!
//! Four steps, one file each: `sort` chooses the order of roots, `order` lists definitions so that what is embedded comes
//! first, `emit` puts forward declarations before their first use, `declare` writes one declaration, with `padding` and
//! `names` as helpers. The order of roots is bpftool's, and so are all choices that C leaves open.

mod declare;
mod emit;
mod names;
mod order;
mod padding;
mod sort;

use crate::btf::Btf;
use crate::types::Kind;
use emit::Emitter;
use skep_uapi::TypeId;
use thiserror::Error;

/// Why types cannot be written as C.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum DumpError {
    /// The type contains itself by value.
    #[error("type [{}] contains itself", .0.0)]
    Loop(TypeId),
    /// Types nest deeper than [`crate::limits::PRINT_DEPTH_MAX`].
    #[error("type [{}] is nested too deeply", .0.0)]
    TooDeep(TypeId),
    /// More text than [`crate::limits::PRINT_BYTES_MAX`].
    #[error("the C text of these types is too long")]
    TooLong,
}

/// In which order types are visited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// By kind and name, stable between builds: bpftool's default.
    Sorted,
    /// By type id (`unsorted`).
    ById,
}

/// What surrounds the types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame {
    /// Include guard, pragmas and prototypes of kfuncs, as in `vmlinux.h`.
    Header,
    /// Nothing.
    None,
}

/// What to print.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Types to print with what they need, in this order; all if empty.
    pub roots: Vec<TypeId>,
    /// Order of types when `roots` is empty.
    pub order: Order,
    /// What surrounds them.
    pub frame: Frame,
}

const PROLOGUE: &str = "\
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

#ifndef __ksym
#define __ksym __attribute__((section(\".ksyms\")))
#endif

#ifndef __weak
#define __weak __attribute__((weak))
#endif

";

const KFUNCS_BEGIN: &str = "\n/* BPF kfuncs */\n#ifndef BPF_NO_KFUNC_PROTOTYPES\n";
const KFUNCS_END: &str = "#endif\n\n";

const EPILOGUE: &str = "\
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
";

/// The C text of `btf`.
///
/// # Errors
/// For types that C cannot express or that exceed the printer's bounds; no compiler writes such types.
pub fn c(btf: &Btf, options: &Options) -> Result<String, DumpError> {
    let roots = match (options.roots.is_empty(), options.order) {
        (false, _) => options.roots.clone(),
        (true, Order::ById) => btf.iter().map(|(id, _)| id).collect(),
        (true, Order::Sorted) => sort::sorted(btf),
    };
    let mut emitter = Emitter::new(btf);
    if options.frame == Frame::Header {
        emitter.push(PROLOGUE);
    }
    for id in order::definitions(btf, &roots)? {
        emitter.define(id)?;
    }
    if options.frame == Frame::Header {
        // Who names types wants these types only.
        if options.roots.is_empty() {
            emitter.push(KFUNCS_BEGIN);
            kfuncs(btf, &mut emitter)?;
            emitter.push(KFUNCS_END);
        }
        emitter.push(EPILOGUE);
    }
    Ok(emitter.finish())
}

/// Prototypes of the functions with the declaration tag `bpf_kfunc`, in order of the tags.
fn kfuncs(btf: &Btf, emitter: &mut Emitter<'_>) -> Result<(), DumpError> {
    for (_, ty) in btf.iter() {
        let Kind::DeclTag(tag) = ty.kind else {
            continue;
        };
        if tag.component != -1 || btf.str(ty.name) != Some("bpf_kfunc") {
            continue;
        }
        let Some(Kind::Func(func)) = btf.get(tag.target).map(|ty| &ty.kind) else {
            continue;
        };
        emitter.push("extern ");
        emitter.declare(func.proto, btf.name(tag.target), 0)?;
        emitter.push(" __weak __ksym;\n");
    }
    Ok(())
}

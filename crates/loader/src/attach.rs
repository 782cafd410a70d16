//! Which type of the kernel's BTF a program attaches to, from its section name.
//!
//! The name behind the slash is that of a function, tracepoint, hook or iterator; the kernel's types have each under a
//! name of their own.

use crate::error::LoadError;
use skep_btf::core::KernelBtf;
use skep_btf::{Kind, TypeId};
use skep_uapi::{AttachType, ProgType};

/// Finds what a program attaches to.
pub(crate) fn attach_target(
    program: &str,
    section: &str,
    prog_type: ProgType,
    attach_type: AttachType,
    kernel: Option<&KernelBtf>,
) -> Result<TypeId, LoadError> {
    let Some((_, target)) = section
        .split_once('/')
        .filter(|(_, target)| !target.is_empty())
    else {
        return Err(LoadError::NoAttachTarget {
            program: program.to_owned(),
            section: section.to_owned(),
        });
    };
    if prog_type == ProgType::EXT {
        return Err(LoadError::NeedsAttachProgram {
            program: program.to_owned(),
            target: target.to_owned(),
        });
    }
    let kernel = kernel.ok_or_else(|| LoadError::NeedsAttachBtf {
        program: program.to_owned(),
        section: section.to_owned(),
    })?;
    let (name, is_typedef) = match attach_type {
        AttachType::TRACE_RAW_TP => (format!("btf_trace_{target}"), true),
        AttachType::LSM_MAC | AttachType::LSM_CGROUP => (format!("bpf_lsm_{target}"), false),
        AttachType::TRACE_ITER => (format!("bpf_iter_{target}"), false),
        _ => (target.to_owned(), false),
    };
    let wanted = |kind: &Kind| match kind {
        Kind::Typedef(_) => is_typedef,
        Kind::Func(_) => !is_typedef,
        _ => false,
    };
    kernel
        .find(&name, wanted)
        .ok_or_else(|| LoadError::NoSuchTarget {
            program: program.to_owned(),
            target: target.to_owned(),
        })
}

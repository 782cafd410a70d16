//! Infrared remotes and the system calls of loader programs.

use super::{SYSCALL, row};
use crate::helper::ArgKind::{Anything, Ctx, FixedWrite, MemRead, Size, SizeOrZero};
use crate::helper::HelperProto;
use skep_uapi::HelperId as H;

#[rustfmt::skip]
pub(super) static ROWS: &[HelperProto] = &[
    row(H::RC_REPEAT, (4, 18), &[Ctx]).nowhere(),
    row(H::RC_KEYDOWN, (4, 18), &[Ctx, Anything, Anything, Anything]).nowhere(),
    row(H::RC_POINTER_REL, (5, 0), &[Ctx, Anything, Anything]).nowhere(),
    row(H::SYS_BPF, (5, 14), &[Anything, MemRead, Size]).only(SYSCALL),
    row(H::BTF_FIND_BY_NAME_KIND, (5, 14), &[MemRead, Size, Anything, Anything]).only(SYSCALL),
    row(H::SYS_CLOSE, (5, 14), &[Anything]).only(SYSCALL),
    row(H::KALLSYMS_LOOKUP_NAME, (5, 16), &[MemRead, SizeOrZero, Anything, FixedWrite(8)]).only(SYSCALL),
];

//! Control groups, sysctl, and storage that belongs to kernel objects.

use super::{SYSCTL, row};
use crate::helper::ArgKind::{
    Anything, Btf, BtfOrNull, Ctx, Map, MapValueOrNull, MemRead, MemWrite, Size,
};
use crate::helper::{HelperProto, RetKind};
use skep_uapi::{AttachType as A, HelperId as H, ProgType as P};

#[rustfmt::skip]
pub(super) static ROWS: &[HelperProto] = &[
    row(H::GET_LOCAL_STORAGE, (4, 19), &[Map, Anything]).returns(RetKind::Unsupported).only(&[P::CGROUP_SKB, P::CGROUP_SOCK, P::SOCK_OPS, P::CGROUP_DEVICE, P::CGROUP_SOCK_ADDR, P::CGROUP_SYSCTL, P::CGROUP_SOCKOPT]),
    row(H::SYSCTL_GET_NAME, (5, 2), &[Ctx, MemWrite, Size, Anything]).only(SYSCTL),
    row(H::SYSCTL_GET_CURRENT_VALUE, (5, 2), &[Ctx, MemWrite, Size]).only(SYSCTL),
    row(H::SYSCTL_GET_NEW_VALUE, (5, 2), &[Ctx, MemWrite, Size]).only(SYSCTL),
    row(H::SYSCTL_SET_NEW_VALUE, (5, 2), &[Ctx, MemRead, Size]).only(SYSCTL),
    row(H::INODE_STORAGE_GET, (5, 10), &[Map, Btf, MapValueOrNull, Anything]).returns(RetKind::Unsupported).nowhere(),
    row(H::INODE_STORAGE_DELETE, (5, 10), &[Map, Btf]).nowhere(),
    row(H::TASK_STORAGE_GET, (5, 11), &[Map, BtfOrNull, MapValueOrNull, Anything]).returns(RetKind::MapValueOrNull),
    row(H::TASK_STORAGE_DELETE, (5, 11), &[Map, BtfOrNull]),
    row(H::BPRM_OPTS_SET, (5, 11), &[Btf, Anything]).nowhere(),
    row(H::IMA_INODE_HASH, (5, 11), &[Btf, MemWrite, Size]).nowhere(),
    row(H::GET_RETVAL, (5, 18), &[]).only(&[P::CGROUP_SOCK, P::CGROUP_SOCKOPT]),
    row(H::GET_RETVAL, (5, 18), &[]).only(&[P::CGROUP_DEVICE]).attach(&[A::CGROUP_DEVICE]),
    row(H::GET_RETVAL, (5, 18), &[]).only(&[P::CGROUP_SYSCTL]).attach(&[A::CGROUP_SYSCTL]),
    row(H::GET_RETVAL, (5, 18), &[]).only(&[P::CGROUP_SOCK_ADDR]).attach(&[A::CGROUP_INET4_BIND, A::CGROUP_INET6_BIND, A::CGROUP_INET4_CONNECT, A::CGROUP_INET6_CONNECT, A::CGROUP_UDP4_SENDMSG, A::CGROUP_UDP6_SENDMSG, A::CGROUP_UNIX_CONNECT, A::CGROUP_UNIX_SENDMSG]),
    row(H::SET_RETVAL, (5, 18), &[Anything]).only(&[P::CGROUP_SOCK, P::CGROUP_SOCKOPT]),
    row(H::SET_RETVAL, (5, 18), &[Anything]).only(&[P::CGROUP_DEVICE]).attach(&[A::CGROUP_DEVICE]),
    row(H::SET_RETVAL, (5, 18), &[Anything]).only(&[P::CGROUP_SYSCTL]).attach(&[A::CGROUP_SYSCTL]),
    row(H::SET_RETVAL, (5, 18), &[Anything]).only(&[P::CGROUP_SOCK_ADDR]).attach(&[A::CGROUP_INET4_BIND, A::CGROUP_INET6_BIND, A::CGROUP_INET4_CONNECT, A::CGROUP_INET6_CONNECT, A::CGROUP_UDP4_SENDMSG, A::CGROUP_UDP6_SENDMSG, A::CGROUP_UNIX_CONNECT, A::CGROUP_UNIX_SENDMSG]),
    row(H::IMA_FILE_HASH, (5, 18), &[Btf, MemWrite, Size]).nowhere(),
    row(H::CGRP_STORAGE_GET, (6, 2), &[Map, BtfOrNull, MapValueOrNull, Anything]).returns(RetKind::MapValueOrNull),
    row(H::CGRP_STORAGE_DELETE, (6, 2), &[Map, BtfOrNull]),
];

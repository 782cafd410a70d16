//! Objects that programs allocate, and the lists and trees that hold them.

use super::{GENERIC, row};
use crate::kfunc::KfuncArg::{
    Allocated, Callback, Const, Ignored, ListHead, ListNode, RbNode, RbRoot, Refcounted, Scalar,
};
use crate::kfunc::KfuncFlags as Flags;
use crate::kfunc::{KfuncProto, KfuncRet, KfuncRule as Rule};

const NEW: Flags = Flags::ACQUIRE.and(Flags::RET_NULL);

#[rustfmt::skip]
pub(super) static ROWS: &[KfuncProto] = &[
    row("bpf_obj_new_impl", (6, 2), &[Const, Ignored]).returns(KfuncRet::Special).flags(NEW).rule(Rule::ObjNew).only(GENERIC),
    row("bpf_percpu_obj_new_impl", (6, 7), &[Const, Ignored]).returns(KfuncRet::Special).flags(NEW).rule(Rule::ObjNew).only(GENERIC),
    row("bpf_obj_drop_impl", (6, 2), &[Allocated, Ignored]).flags(Flags::RELEASE).rule(Rule::ObjDrop).only(GENERIC),
    row("bpf_percpu_obj_drop_impl", (6, 7), &[Allocated, Ignored]).flags(Flags::RELEASE).rule(Rule::ObjDrop).only(GENERIC),
    row("bpf_refcount_acquire_impl", (6, 4), &[Refcounted, Ignored]).returns(KfuncRet::Special).flags(NEW.and(Flags::RCU)).rule(Rule::RefcountAcquire).only(GENERIC),
    row("bpf_list_push_front_impl", (6, 2), &[ListHead, ListNode, Ignored, Scalar]).returns(KfuncRet::Integer).rule(Rule::Collection).only(GENERIC),
    row("bpf_list_push_back_impl", (6, 2), &[ListHead, ListNode, Ignored, Scalar]).returns(KfuncRet::Integer).rule(Rule::Collection).only(GENERIC),
    row("bpf_list_pop_front", (6, 2), &[ListHead]).returns(KfuncRet::Special).flags(NEW).rule(Rule::Collection).only(GENERIC),
    row("bpf_list_pop_back", (6, 2), &[ListHead]).returns(KfuncRet::Special).flags(NEW).rule(Rule::Collection).only(GENERIC),
    row("bpf_list_front", (6, 16), &[ListHead]).returns(KfuncRet::Special).flags(Flags::RET_NULL).rule(Rule::Collection).only(GENERIC),
    row("bpf_list_back", (6, 16), &[ListHead]).returns(KfuncRet::Special).flags(Flags::RET_NULL).rule(Rule::Collection).only(GENERIC),
    row("bpf_rbtree_add_impl", (6, 3), &[RbRoot, RbNode, Callback, Ignored, Scalar]).returns(KfuncRet::Integer).rule(Rule::Collection).only(GENERIC),
    row("bpf_rbtree_remove", (6, 3), &[RbRoot, RbNode]).returns(KfuncRet::Special).flags(NEW).rule(Rule::Collection).only(GENERIC),
    row("bpf_rbtree_first", (6, 3), &[RbRoot]).returns(KfuncRet::Special).flags(Flags::RET_NULL).rule(Rule::Collection).only(GENERIC),
    row("bpf_rbtree_root", (6, 16), &[RbRoot]).returns(KfuncRet::Special).flags(Flags::RET_NULL).rule(Rule::Collection).only(GENERIC),
    row("bpf_rbtree_left", (6, 16), &[RbRoot, RbNode]).returns(KfuncRet::Special).flags(Flags::RET_NULL).rule(Rule::Collection).only(GENERIC),
    row("bpf_rbtree_right", (6, 16), &[RbRoot, RbNode]).returns(KfuncRet::Special).flags(Flags::RET_NULL).rule(Rule::Collection).only(GENERIC),
];

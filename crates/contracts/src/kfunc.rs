//! Kernel functions as rows: what arguments must be, what comes back, what else a call does, who may call.
//!
//! A program names a kernel function by its type id, which differs from kernel to kernel; a row is found by the name that the
//! kernel's BTF has for the id. Prototypes are those of that BTF; who may call was asked of Linux 6.18, program type by
//! program type. A kernel function without a row is one that skep does not check yet.

use crate::Version;
use crate::helper::Callers;
use crate::kfunc_rows;
use skep_uapi::ProgType;
use std::collections::HashMap;
use std::sync::LazyLock;

/// What an argument must be. The suffixes that kernel functions put behind the names of such arguments are in brackets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KfuncArg {
    /// No argument.
    None,
    /// A number.
    Scalar,
    /// A number that is known (`__k`).
    Const,
    /// Anything: it is not looked at (`__ign`).
    Ignored,
    /// The program's context.
    Ctx,
    /// A pointer of any kind, for casts.
    AnyPointer,
    /// Stack that becomes an iterator.
    IterUninit,
    /// An iterator.
    Iter,
    /// Stack that keeps the interrupt state (`__irq_flag`).
    IrqFlagUninit,
    /// Stack that keeps the interrupt state, given back.
    IrqFlag,
    /// Stack that becomes a dynamic pointer (`__uninit`).
    DynptrUninit,
    /// A dynamic pointer.
    Dynptr,
    /// Memory of the next argument's size, or null (`__opt`).
    BufferOrNull,
    /// Initialised memory of the next argument's size.
    Memory,
    /// Size of the previous argument's memory (`__sz`).
    Size,
    /// Size of the previous argument's memory that is known (`__szk`).
    ConstSize,
    /// A map.
    Map,
    /// An object that the program allocated (`__alloc`).
    Allocated,
    /// An object with a count of references (`__refcounted_kptr`).
    Refcounted,
    /// Head of a list.
    ListHead,
    /// Node of a list.
    ListNode,
    /// Root of a tree.
    RbRoot,
    /// Node of a tree.
    RbNode,
    /// A function of the program that is called back.
    Callback,
    /// A structure of the kernel's that the program may rely on.
    Trusted(&'static str),
    /// As [`KfuncArg::Trusted`], or null (`__nullable`).
    TrustedOrNull(&'static str),
}

/// What r0 is after the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KfuncRet {
    /// Nothing: r0 may not be read.
    Void,
    /// A number.
    Integer,
    /// Pointer to memory of this many bytes that is read only.
    ReadMemory(u32),
    /// A structure of the kernel's.
    Trusted(&'static str),
    /// What the rule of the function says.
    Special,
}

/// What a call does beyond checking its arguments and giving its result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KfuncRule {
    /// Nothing.
    Plain,
    /// Enters an RCU section.
    RcuLock,
    /// Leaves an RCU section.
    RcuUnlock,
    /// Enters a section without preemption.
    PreemptDisable,
    /// Leaves a section without preemption.
    PreemptEnable,
    /// Saves the interrupt state and turns interrupts off.
    IrqSave,
    /// Gives the saved interrupt state back.
    IrqRestore,
    /// Makes an iterator of this many bytes.
    IterNew {
        /// Bytes of the iterator.
        bytes: u32,
    },
    /// Takes the next element of an iterator.
    IterNext,
    /// Ends an iterator.
    IterDestroy,
    /// The context as the kernel has it.
    CastToKernCtx,
    /// A pointer that is only read through, as another type.
    RdonlyCast,
    /// Ends the program.
    Throw,
    /// Allocates an object.
    ObjNew,
    /// Gives an object back.
    ObjDrop,
    /// Takes one more reference of an object.
    RefcountAcquire,
    /// Operates on a list or a tree.
    Collection,
    /// Operates on a dynamic pointer.
    Dynptr,
}

/// Properties of a kernel function, as the kernel registers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KfuncFlags(u16);

impl KfuncFlags {
    /// None.
    pub const NONE: Self = Self(0);
    /// The result is a reference that the program must give up (`KF_ACQUIRE`).
    pub const ACQUIRE: Self = Self(1);
    /// Gives up the reference of its first argument (`KF_RELEASE`).
    pub const RELEASE: Self = Self(1 << 1);
    /// The result may be null (`KF_RET_NULL`).
    pub const RET_NULL: Self = Self(1 << 2);
    /// Pointers must be trusted (`KF_TRUSTED_ARGS`).
    pub const TRUSTED_ARGS: Self = Self(1 << 3);
    /// It may sleep (`KF_SLEEPABLE`).
    pub const SLEEPS: Self = Self(1 << 4);
    /// Pointers must be protected by RCU (`KF_RCU`).
    pub const RCU: Self = Self(1 << 5);
    /// Only within an RCU section (`KF_RCU_PROTECTED`).
    pub const RCU_PROTECTED: Self = Self(1 << 6);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `flags` are there.
    #[must_use]
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

/// One kernel function.
#[derive(Clone, Copy, Debug)]
pub struct KfuncProto {
    /// Name in the kernel's BTF.
    pub name: &'static str,
    /// Arguments r1 to r5.
    pub args: [KfuncArg; 5],
    /// r0 afterwards.
    pub ret: KfuncRet,
    /// Properties.
    pub flags: KfuncFlags,
    /// What else a call does.
    pub rule: KfuncRule,
    /// Program types that may call it.
    pub callers: Callers,
    /// Release that it came in.
    pub since: Version,
}

impl KfuncProto {
    /// Whether a program of this type may call it.
    #[must_use]
    pub fn fits(&self, prog_type: ProgType) -> bool {
        self.callers.include(prog_type)
    }
}

static BY_NAME: LazyLock<HashMap<&'static str, &'static KfuncProto>> =
    LazyLock::new(|| kfunc_rows::all().map(|row| (row.name, row)).collect());

/// The row of a kernel function.
#[must_use]
pub fn kfunc(name: &str) -> Option<&'static KfuncProto> {
    BY_NAME.get(name).copied()
}

/// All rows.
pub fn kfuncs() -> impl Iterator<Item = &'static KfuncProto> {
    kfunc_rows::all()
}

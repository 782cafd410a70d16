//! What a program may do, as data: program types and their contexts, helper prototypes, map-type rules.
//!
//! A row is read by several: the verifier checks with it, `xlate` rewrites context accesses with it, `machine`
//! dispatches with it, and listings print it. Each row names the kernel version that it came in.
//! There is no logic here beyond finding a row.
#![forbid(unsafe_code)]

mod ctx;
mod helper;
mod helper_rows;
mod kfunc;
mod kfunc_rows;
mod map_type;
mod prog_type;
mod version;

pub use ctx::{
    BPF_SOCK, BPF_SOCK_COMMON, BPF_TCP_SOCK, BPF_XDP_SOCK, CtxField, CtxLayout, CtxLoad,
    FieldAccess, FieldKind, Held, Sizes,
};
pub use helper::{
    ArgKind, Callers, Gate, HelperProto, PacketArgs, PacketEffect, RetKind, helper, helper_callers,
    helper_in, helpers,
};
pub use kfunc::{KfuncArg, KfuncFlags, KfuncProto, KfuncRet, KfuncRule, kfunc, kfuncs};
pub use map_type::{MapBtf, MapTypeRule, map_type_rule};
pub use prog_type::{
    LegacyPacket, Loaders, ProgTypeRow, ReturnRange, ReturnRule, Running, Sleeping, prog_type,
    prog_types,
};
pub use version::Version;

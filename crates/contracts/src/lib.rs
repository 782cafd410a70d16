//! What a program may do, as data: program types and their contexts, helper prototypes, map-type rules.
//!
//! A row is read by several: the verifier checks with it, `xlate` rewrites context accesses with it, `machine`
//! dispatches with it, and listings print it. Each row names the kernel version that it came in.
//! There is no logic here beyond finding a row.
#![forbid(unsafe_code)]

mod ctx;
mod helper;
mod helper_rows;
mod map_type;
mod prog_type;
mod version;

pub use ctx::{CtxAccess, CtxField, CtxLayout, CtxLoad, FieldKind};
pub use helper::{
    ArgKind, HelperProto, PacketArgs, PacketEffect, RetKind, helper, helper_not_yet, helpers,
};
pub use map_type::{MapTypeRule, map_type_rule};
pub use prog_type::{ProgTypeRow, ReturnRange, prog_type};
pub use version::Version;

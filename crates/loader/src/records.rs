//! The records of BTF.ext by code section, found once for a whole load.
//!
//! BTF.ext names sections through the string section of the BTF, whose strings may share bytes and be long; looking a
//! section up for every function would let a hostile object cost the product of both.

use skep_btf::{Btf, BtfExt, CoreRelo, FuncInfo, LineInfo, Section};
use skep_object::{CodeSection, Object};
use std::collections::HashMap;

/// Bytes of a section's name; the object has none longer.
const NAME_BYTES_MAX: usize = 4096;

/// The records of one code section.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Records<'o> {
    pub(crate) funcs: &'o [FuncInfo],
    pub(crate) lines: &'o [LineInfo],
    pub(crate) relos: &'o [CoreRelo],
}

/// The records of each code section of an object, in its order.
pub(crate) fn records(object: &Object) -> Vec<Records<'_>> {
    let (Some(btf), Some(ext)) = (object.btf(), object.btf_ext()) else {
        return vec![Records::default(); object.code().len()];
    };
    let funcs = by_name(btf, ext, |ext| &ext.func_info);
    let lines = by_name(btf, ext, |ext| &ext.line_info);
    let relos = by_name(btf, ext, |ext| &ext.core_relos);
    let of = |section: &CodeSection| {
        let name = section.name().as_bytes();
        Records {
            funcs: funcs.get(name).copied().unwrap_or_default(),
            lines: lines.get(name).copied().unwrap_or_default(),
            relos: relos.get(name).copied().unwrap_or_default(),
        }
    };
    object.code().iter().map(of).collect()
}

/// Of several sections of one name, the first.
fn by_name<'o, T>(
    btf: &'o Btf,
    ext: &'o BtfExt,
    part: impl Fn(&'o BtfExt) -> &'o Vec<Section<T>>,
) -> HashMap<&'o [u8], &'o [T]> {
    let mut found = HashMap::new();
    for section in part(ext) {
        let tail = usize::try_from(section.name.0)
            .ok()
            .and_then(|at| btf.strings().get(at..))
            .unwrap_or_default();
        let end = tail.iter().take(NAME_BYTES_MAX).position(|&byte| byte == 0);
        if let Some(name) = end.and_then(|end| tail.get(..end)) {
            found.entry(name).or_insert(section.records.as_slice());
        }
    }
    found
}

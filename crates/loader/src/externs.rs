//! Values of externs: options of the kernel, its variables and its functions.
//!
//! What the caller names in its options comes first, then the kernel's configuration, symbols and types. A weak extern
//! that nobody knows is zero. An option's text becomes bytes by the type of its variable: `y`, `n` and `m` for
//! `char`, `bool` and `enum libbpf_tristate`, strings for arrays of characters, numbers for integers that hold them.

use crate::error::{ExternFlaw, LoadError};
use crate::options::Options;
use crate::plan::PlannedMap;
use skep_btf::core::essential_name;
use skep_btf::{Btf, IntEncoding, Kind, TypeId};
use skep_object::{Extern, ExternKind, MapIdx, Object, Strength};

/// Value of an extern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ExternValue {
    /// Address of a kernel symbol; 0 if it is missing.
    Address(u64),
    /// In the map of kernel options.
    Option { map: MapIdx, offset: u32 },
    /// A variable or function of the kernel, by type id.
    Typed(TypeId),
    /// A weak function or variable that the kernel does not have.
    Missing,
}

/// Gives each extern its value; those of options are written into their map.
pub(crate) fn plan_externs(
    object: &Object,
    options: &Options,
    maps: &mut [PlannedMap],
) -> Result<Vec<ExternValue>, LoadError> {
    let mut values = Vec::with_capacity(object.externs().len());
    for external in object.externs() {
        values.push(match external.kind() {
            ExternKind::Option { map, offset, size } => {
                let bytes = option(object, options, external, size)?;
                let place = place(maps, map, offset, bytes.len());
                let place = place.ok_or_else(|| flaw(external, ExternFlaw::Type))?;
                place.copy_from_slice(&bytes);
                ExternValue::Option { map, offset }
            }
            ExternKind::Variable(ty) => variable(object, options, external, ty)?,
            ExternKind::Function(proto) => function(object, options, external, proto)?,
        });
    }
    Ok(values)
}

fn flaw(external: &Extern, what: ExternFlaw) -> LoadError {
    LoadError::ExternValue {
        name: external.name().to_owned(),
        what,
    }
}

fn given(options: &Options, external: &Extern) -> Option<u64> {
    let mut all = options.externs.iter();
    all.find(|(name, _)| name == external.name())
        .map(|(_, value)| *value)
}

fn place(maps: &mut [PlannedMap], map: MapIdx, offset: u32, len: usize) -> Option<&mut [u8]> {
    let start = usize::try_from(offset).ok()?;
    let contents = maps.get_mut(map.index())?.contents.as_mut()?;
    contents.get_mut(start..)?.get_mut(..len)
}

/// What nobody knows: zero for a weak extern.
fn unknown<T>(external: &Extern, what: &'static str, zero: T) -> Result<T, LoadError> {
    match external.strength() {
        Strength::Weak => Ok(zero),
        Strength::Strong => Err(LoadError::Extern {
            name: external.name().to_owned(),
            what,
        }),
    }
}

/// The address or id of a kernel variable.
fn variable(
    object: &Object,
    options: &Options,
    external: &Extern,
    ty: TypeId,
) -> Result<ExternValue, LoadError> {
    const WHAT: &str = "kernel variable";
    if let Some(address) = given(options, external) {
        return Ok(ExternValue::Address(address));
    }
    if ty == TypeId(0) {
        let symbols = options.symbols.as_ref();
        return match symbols.and_then(|symbols| symbols.get(external.name())) {
            Some(address) => Ok(ExternValue::Address(address)),
            None => unknown(external, WHAT, ExternValue::Address(0)),
        };
    }
    let name = essential(external);
    let is_var = |kind: &Kind| matches!(kind, Kind::Var(_));
    let found = options
        .btf
        .as_ref()
        .and_then(|kernel| Some((kernel, kernel.find(name, is_var)?)));
    let Some((kernel, id)) = found else {
        return unknown(external, WHAT, ExternValue::Missing);
    };
    let theirs = match kernel.btf().get(id).map(|ty| &ty.kind) {
        Some(Kind::Var(var)) => kernel.btf().resolve(var.ty).unwrap_or_default(),
        _ => TypeId(0),
    };
    let alike = object
        .btf()
        .is_some_and(|btf| skep_btf::core::alike(btf, ty, kernel.btf(), theirs));
    if !alike {
        return Err(flaw(external, ExternFlaw::KernelType));
    }
    Ok(ExternValue::Typed(id))
}

/// The id of a kernel function.
fn function(
    object: &Object,
    options: &Options,
    external: &Extern,
    proto: TypeId,
) -> Result<ExternValue, LoadError> {
    const WHAT: &str = "kernel function";
    if let Some(id) = given(options, external).and_then(|id| u32::try_from(id).ok()) {
        return Ok(if id == 0 {
            ExternValue::Missing
        } else {
            ExternValue::Typed(TypeId(id))
        });
    }
    let name = essential(external);
    let is_func = |kind: &Kind| matches!(kind, Kind::Func(_));
    let found = options
        .btf
        .as_ref()
        .and_then(|kernel| Some((kernel, kernel.find(name, is_func)?)));
    let Some((kernel, id)) = found else {
        return unknown(external, WHAT, ExternValue::Missing);
    };
    let theirs = match kernel.btf().get(id).map(|ty| &ty.kind) {
        Some(Kind::Func(func)) => func.proto,
        _ => TypeId(0),
    };
    let alike = object
        .btf()
        .is_some_and(|btf| skep_btf::core::alike(btf, proto, kernel.btf(), theirs));
    match (alike, external.strength()) {
        (true, _) => Ok(ExternValue::Typed(id)),
        (false, Strength::Weak) => Ok(ExternValue::Missing),
        (false, Strength::Strong) => Err(flaw(external, ExternFlaw::KernelType)),
    }
}

/// The name that the kernel knows.
fn essential(external: &Extern) -> &str {
    let name = external.name();
    let len = essential_name(name.as_bytes()).len();
    name.get(..len).unwrap_or(name)
}

/// Types that options can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OptionType {
    Bool,
    Tristate,
    Char(Sign),
    Number(Sign),
    Text,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sign {
    Unsigned,
    Signed,
}

/// Bytes of an option, `size` of them.
fn option(
    object: &Object,
    options: &Options,
    external: &Extern,
    size: u32,
) -> Result<Vec<u8>, LoadError> {
    let zero = || vec![0; usize::try_from(size).unwrap_or(0)];
    let ty = object
        .btf()
        .and_then(|btf| option_type(btf, external.name(), size));
    let ty = ty.ok_or_else(|| flaw(external, ExternFlaw::Type))?;
    let name = external.name();
    let number = given(options, external).or_else(|| virtual_option(options, name));
    if let Some(number) = number {
        return bytes_of(i128::from(number), ty, size).ok_or_else(|| LoadError::ExternSize {
            name: name.to_owned(),
            value: number,
            size,
        });
    }
    let config = options.config.as_ref();
    let Some(text) = config.and_then(|config| config.get(name)) else {
        return unknown(external, "kernel option", zero());
    };
    read_option(text, ty, size).ok_or_else(|| flaw(external, ExternFlaw::Value(text.to_owned())))
}

/// Options that libbpf makes up.
fn virtual_option(options: &Options, name: &str) -> Option<u64> {
    match name {
        "LINUX_KERNEL_VERSION" => options.kernel_version.map(u64::from),
        // Both have been so in every kernel that has the verifier's rules that are followed here.
        "LINUX_HAS_BPF_COOKIE" | "LINUX_HAS_SYSCALL_WRAPPER" => Some(1),
        _ => None,
    }
}

fn option_type(btf: &Btf, name: &str, size: u32) -> Option<OptionType> {
    let var = btf.iter().find_map(|(id, ty)| match &ty.kind {
        Kind::Var(var) if btf.name(id) == name => Some(var),
        _ => None,
    })?;
    let id = btf.resolve(var.ty)?;
    match &btf.get(id)?.kind {
        Kind::Int(int) => {
            let sign = if int.encoding.0 & IntEncoding::SIGNED.0 != 0 {
                Sign::Signed
            } else {
                Sign::Unsigned
            };
            match size {
                1 if int.encoding.0 & IntEncoding::BOOL.0 != 0 => Some(OptionType::Bool),
                1 => Some(OptionType::Char(sign)),
                2 | 4 | 8 => Some(OptionType::Number(sign)),
                _ => None,
            }
        }
        Kind::Enum(_) | Kind::Enum64(_) if size == 4 && btf.name(id) == "libbpf_tristate" => {
            Some(OptionType::Tristate)
        }
        Kind::Array(array) => {
            let elem = btf
                .resolve(array.elem)
                .and_then(|id| btf.get(id))
                .map(|ty| &ty.kind);
            let is_text = matches!(elem, Some(Kind::Int(int)) if int.size == 1) && array.count != 0;
            is_text.then_some(OptionType::Text)
        }
        _ => None,
    }
}

/// An option's text as bytes; `None` if the type does not hold it.
fn read_option(text: &str, ty: OptionType, size: u32) -> Option<Vec<u8>> {
    if let "y" | "n" | "m" = text {
        let letter = text.as_bytes().first().copied()?;
        let value = match (ty, text) {
            (OptionType::Char(_), _) => letter,
            (OptionType::Bool, "m") | (OptionType::Number(_) | OptionType::Text, _) => return None,
            (OptionType::Bool | OptionType::Tristate, "y") => 1,
            (OptionType::Tristate, "m") => 2,
            (OptionType::Bool | OptionType::Tristate, _) => 0,
        };
        return bytes_of(i128::from(value), ty, size);
    }
    if let Some(quoted) = text.strip_prefix('"') {
        let quoted = quoted.strip_suffix('"')?;
        if ty != OptionType::Text {
            return None;
        }
        // Cut to fit with its NUL.
        let size = usize::try_from(size).ok()?;
        let kept = quoted.len().min(size.checked_sub(1)?);
        let mut bytes = quoted.as_bytes().get(..kept)?.to_vec();
        bytes.resize(size, 0);
        return Some(bytes);
    }
    match ty {
        OptionType::Number(_) | OptionType::Char(_) => bytes_of(number(text)?, ty, size),
        OptionType::Bool | OptionType::Tristate | OptionType::Text => None,
    }
}

/// A number in C's notation.
fn number(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let hex = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    let value = match (hex, digits.strip_prefix('0')) {
        (Some(hex), _) => i128::from_str_radix(hex, 16),
        (None, Some(octal)) if !octal.is_empty() => i128::from_str_radix(octal, 8),
        (None, _) => digits.parse(),
    };
    value
        .ok()
        .map(|value| if negative { -value } else { value })
}

/// A number in `size` bytes, if the type holds it.
fn bytes_of(value: i128, ty: OptionType, size: u32) -> Option<Vec<u8>> {
    let bits = size.checked_mul(8).filter(|bits| *bits <= 64)?;
    let signed = match ty {
        OptionType::Number(sign) | OptionType::Char(sign) => sign == Sign::Signed,
        OptionType::Bool | OptionType::Tristate | OptionType::Text => false,
    };
    let (low, high) = if signed {
        (-(1i128 << (bits - 1)), 1i128 << (bits - 1))
    } else {
        (0, 1i128 << bits)
    };
    if ty == OptionType::Text || value < low || value >= high {
        return None;
    }
    let all = value.to_le_bytes();
    all.get(..usize::try_from(size).ok()?).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text, type, bytes of the variable, its contents: as bpftool 7.5 fills `.kconfig`.
    #[test]
    fn options_are_read_by_type() {
        use OptionType::{Bool, Char, Number, Text, Tristate};
        let (signed, unsigned) = (Sign::Signed, Sign::Unsigned);
        let cases: &[(&str, OptionType, u32, Option<&[u8]>)] = &[
            ("y", Bool, 1, Some(&[1])),
            ("n", Bool, 1, Some(&[0])),
            ("m", Bool, 1, None),
            ("y", Tristate, 4, Some(&[1, 0, 0, 0])),
            ("m", Tristate, 4, Some(&[2, 0, 0, 0])),
            ("m", Char(signed), 1, Some(b"m")),
            ("y", Number(signed), 4, None),
            ("1000", Number(signed), 4, Some(&[0xe8, 3, 0, 0])),
            (
                "0x10",
                Number(unsigned),
                8,
                Some(&[16, 0, 0, 0, 0, 0, 0, 0]),
            ),
            ("010", Number(unsigned), 2, Some(&[8, 0])),
            ("-1", Number(signed), 2, Some(&[0xff, 0xff])),
            ("-1", Number(unsigned), 2, None),
            ("65536", Number(unsigned), 2, None),
            ("\"abc\"", Text, 6, Some(b"abc\0\0\0")),
            ("\"abcdef\"", Text, 4, Some(b"abc\0")),
            ("\"abc", Text, 6, None),
            ("\"abc\"", Number(signed), 4, None),
            ("12", Text, 4, None),
        ];
        for (text, ty, size, want) in cases {
            assert_eq!(
                read_option(text, *ty, *size).as_deref(),
                *want,
                "{text} {ty:?}"
            );
        }
    }
}

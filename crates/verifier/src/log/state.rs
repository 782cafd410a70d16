//! Registers and stack as text: `R1=ctx() R6=pkt(off=14,r=14) fp-8=0000????`.

use super::Shown;
use super::history::Places;
use crate::domain::{Ranges, Scalar};
use crate::state::{Added, Byte, Frame, Kind, Precision, Reg, Slot};
use std::fmt;

/// What a rendering needs beside the state.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    pub(crate) map: &'a dyn Fn(crate::state::MapIdx) -> MapName<'a>,
    /// The frame that is printed; pointers into others name theirs.
    pub(crate) frame: usize,
    pub(crate) precision: Option<&'a Precision>,
    /// What of the frame is known to be precise otherwise.
    pub(crate) traced: Places,
    /// Whether the value that is printed is.
    pub(crate) is_traced: bool,
}

/// A map as pointers to it are printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MapName<'a> {
    pub(crate) name: &'a str,
    pub(crate) key_bytes: u32,
    pub(crate) value_bytes: u32,
}

/// Which registers and slots to print, as bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Scratched {
    pub(crate) regs: u16,
    pub(crate) slots: u64,
}

impl Scratched {
    pub(crate) const ALL: Self = Self {
        regs: u16::MAX,
        slots: u64::MAX,
    };

    pub(crate) fn is_empty(self) -> bool {
        self.regs == 0 && self.slots == 0
    }
}

/// ` frame1: R1=ctx() R10=fp0`, ending before the line's end.
pub(crate) fn frame<'a>(
    frame: &'a Frame,
    index: usize,
    only: Scratched,
    names: Names<'a>,
) -> impl fmt::Display + 'a {
    Shown(move |f: &mut fmt::Formatter<'_>| {
        if index > 0 {
            write!(f, " frame{index}:")?;
        }
        for (number, reg) in frame.regs.iter().enumerate() {
            if only.regs & (1 << number) != 0 && reg.is_init() {
                write!(f, " R{number}=")?;
                let is_traced = names.traced.regs & (1 << number) != 0;
                let names = Names { is_traced, ..names };
                write_reg(f, reg, names)?;
            }
        }
        for (number, slot) in frame.stack.iter().enumerate() {
            if only.slots & (1 << number) != 0 {
                let is_traced = names.traced.slots & (1 << number) != 0;
                let names = Names { is_traced, ..names };
                write_slot(f, number, slot, names)?;
            }
        }
        Ok(())
    })
}

/// One register's value alone.
pub(crate) fn one<'a>(reg: &'a Reg, names: Names<'a>) -> impl fmt::Display + 'a {
    Shown(move |f: &mut fmt::Formatter<'_>| write_reg(f, reg, names))
}

fn write_slot(
    f: &mut fmt::Formatter<'_>,
    number: usize,
    slot: &Slot,
    names: Names<'_>,
) -> fmt::Result {
    if slot.is_high_half() || slot.bytes.iter().all(|byte| *byte == Byte::Invalid) {
        return Ok(());
    }
    write!(f, " fp-{}=", (number + 1) * 8)?;
    if let Some(dynptr) = slot.dynptr() {
        write!(f, "dynptr_{}(id={}", dynptr.source.name(), dynptr.id.0)?;
        if dynptr.reference.is_some() {
            write!(f, ",ref_id={}", dynptr.reference.0)?;
        }
        // Linux prints whether it is the lower half under this name.
        return f.write_str(",dynptr_id=1)");
    }
    if let Some(iter) = slot.iter() {
        return write!(
            f,
            "iter_{}(ref_id={},state={},depth={})",
            iter.class,
            iter.id.0,
            iter.phase_name(),
            iter.depth
        );
    }
    let letters = slot.bytes.iter().rev().map(|byte| match byte {
        Byte::Invalid => '?',
        Byte::Spill => 'r',
        Byte::Misc => 'm',
        Byte::Zero => '0',
        Byte::Iter => 'i',
        Byte::Dynptr => 'd',
    });
    let Some(reg) = slot.spilled() else {
        return letters.into_iter().try_for_each(|c| write!(f, "{c}"));
    };
    // The bytes above a narrow spill come first; those of the spill itself are the register.
    letters
        .take(8 - slot.spill_bytes())
        .try_for_each(|c| write!(f, "{c}"))?;
    write_reg(f, reg, names)
}

fn write_reg(f: &mut fmt::Formatter<'_>, reg: &Reg, names: Names<'_>) -> fmt::Result {
    match reg.kind {
        Kind::Uninit => f.write_str("?"),
        Kind::Scalar => write_scalar(f, reg, names),
        Kind::Stack(frame) if reg.has_fixed_offset() => {
            f.write_str("fp")?;
            if usize::from(frame) != names.frame {
                write!(f, "[{frame}]")?;
            }
            write!(f, "{}", reg.off)
        }
        Kind::Ctx
        | Kind::Stack(_)
        | Kind::MapPtr(_)
        | Kind::MapValue(_)
        | Kind::MapValueOrNull(_)
        | Kind::MapOrNull(_)
        | Kind::Packet
        | Kind::PacketMeta
        | Kind::PacketEnd
        | Kind::Object(_)
        | Kind::ObjectOrNull(_)
        | Kind::MapKey(_)
        | Kind::Mem(_)
        | Kind::MemOrNull(_)
        | Kind::Func(_)
        | Kind::DynptrPtr(_) => write_pointer(f, reg, names),
    }
}

fn write_scalar(f: &mut fmt::Formatter<'_>, reg: &Reg, names: Names<'_>) -> fmt::Result {
    let precise = |graph: &Precision| graph.is_precise(reg.node);
    if names.is_traced || names.precision.is_some_and(precise) {
        f.write_str("P")?;
    }
    if let Some(value) = reg.value.as_const() {
        return write!(f, "{}", Number(value.cast_signed()));
    }
    let mut parts = Parts::new(f, "scalar");
    if reg.id.is_some() {
        parts.add(format_args!(
            "id={}{}",
            reg.id.0,
            Shown(
                |f: &mut fmt::Formatter<'_>| if reg.added != Added::Nothing {
                    write!(f, "{:+}", reg.off)
                } else {
                    Ok(())
                }
            )
        ))?;
    }
    parts.ranges(&reg.value)?;
    parts.end()
}

fn write_pointer(f: &mut fmt::Formatter<'_>, reg: &Reg, names: Names<'_>) -> fmt::Result {
    let mut parts = Parts::new(f, reg.kind.name());
    if reg.id.is_some() {
        parts.add(format_args!("id={}", reg.id.0))?;
    }
    if reg.ref_id.is_some() {
        parts.add(format_args!("ref_obj_id={}", reg.ref_id.0))?;
    }
    if reg.off != 0 {
        parts.add(format_args!("off={}", reg.off))?;
    }
    match reg.kind {
        Kind::Packet | Kind::PacketMeta => match reg.range.bytes() {
            Some(bytes) => parts.add(format_args!("r={bytes}"))?,
            None => parts.add(format_args!("r={:#x}", i64::from(reg.range.number())))?,
        },
        Kind::Mem(mem) | Kind::MemOrNull(mem) => parts.add(format_args!("sz={}", mem.bytes))?,
        Kind::MapPtr(map)
        | Kind::MapValue(map)
        | Kind::MapValueOrNull(map)
        | Kind::MapOrNull(map)
        | Kind::MapKey(map) => {
            let map = (names.map)(map);
            if !map.name.is_empty() {
                parts.add(format_args!("map={}", map.name))?;
            }
            parts.add(format_args!("ks={},vs={}", map.key_bytes, map.value_bytes))?;
        }
        Kind::Uninit
        | Kind::Scalar
        | Kind::Ctx
        | Kind::Stack(_)
        | Kind::PacketEnd
        | Kind::Object(_)
        | Kind::ObjectOrNull(_)
        | Kind::Func(_)
        | Kind::DynptrPtr(_) => {}
    }
    match reg.value.as_const() {
        Some(0) => {}
        Some(imm) => parts.add(format_args!("imm={}", Number(imm.cast_signed())))?,
        None => parts.ranges(&reg.value)?,
    }
    parts.end()
}

/// A number as the log prints it: decimal unless it is large.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number(pub(crate) i64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if i16::try_from(self.0).is_ok() {
            write!(f, "{}", self.0)
        } else {
            write!(f, "{:#x}", self.0)
        }
    }
}

/// `name(part,part)`.
struct Parts<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    name: &'static str,
    started: bool,
}

impl<'a, 'b> Parts<'a, 'b> {
    fn new(f: &'a mut fmt::Formatter<'b>, name: &'static str) -> Self {
        Self {
            f,
            name,
            started: false,
        }
    }

    fn add(&mut self, part: fmt::Arguments<'_>) -> fmt::Result {
        if std::mem::replace(&mut self.started, true) {
            self.f.write_str(",")?;
        } else {
            write!(self.f, "{}(", self.name)?;
        }
        self.f.write_fmt(part)
    }

    fn ranges(&mut self, value: &Scalar) -> fmt::Result {
        let text = Ranges(value).to_string();
        if text.is_empty() {
            Ok(())
        } else {
            self.add(format_args!("{text}"))
        }
    }

    fn end(mut self) -> fmt::Result {
        if !std::mem::replace(&mut self.started, true) {
            write!(self.f, "{}(", self.name)?;
        }
        self.f.write_str(")")
    }
}

/// `var_off` of a pointer as alignment and range messages print it.
pub(crate) fn var_off(value: &Scalar) -> String {
    match value.as_const() {
        Some(value) => value.cast_signed().to_string(),
        None => value.bits().to_string(),
    }
}

//! Words for registers, arithmetic and results.

use super::Words;
use crate::explain::Scene;
use crate::explain::held::number;
use crate::reject::Reject;
use skep_isa::{Insn, Operand, Reg as R};

pub(super) fn of(scene: &Scene<'_>, reject: &Reject) -> Option<Words> {
    registers(scene, reject)
        .or_else(|| pointers(scene, reject))
        .or_else(|| results(scene, reject))
}

fn registers(scene: &Scene<'_>, reject: &Reject) -> Option<Words> {
    match *reject {
        Reject::UninitRegister { reg, .. } => Some(match scene.insn() {
            Some(Insn::Exit) if reg == R::R0 => Words::new("the program ends on this path without a return value")
                .advise("return a value on every path (r0)"),
            Some(Insn::Call(_)) => Words::new(format!(
                "{} was never set on this path",
                super::argument(scene, reg)
            ))
            .advise("pass all arguments; is the function's prototype complete?"),
            _ => Words::new(format!("{reg} is read, but nothing on this path set it"))
                .advise("initialise the variable on every path; values that must survive a call belong into r6 to r9 or onto the stack"),
        }),
        Reject::FramePointerWrite { .. } => Some(
            Words::new("r10, the frame pointer, cannot be written").advise("copy it to another register first"),
        ),
        Reject::DivByZero { .. } => Some(
            Words::new("a division by the constant zero").advise("divide by something else: the compiler saw that this is 0"),
        ),
        Reject::InvalidShift { by, .. } => Some(
            Words::new(format!("a shift by {by}, which is not less than the operand's width"))
                .advise("shift by 0 to 63 (64-bit operands) or 0 to 31 (32-bit ones)"),
        ),
        _ => None,
    }
}

fn pointers(scene: &Scene<'_>, reject: &Reject) -> Option<Words> {
    let index = "bound the index first: `if (index >= LENGTH) return ...;` with an unsigned index, or `index &= LENGTH - 1`";
    match *reject {
        Reject::Pointer32 { reg, .. } => Some(
            Words::new(format!(
                "32-bit arithmetic on the pointer {reg} would lose half of it"
            ))
            .advise("do arithmetic on pointers in 64 bits"),
        ),
        Reject::PointerArithmetic { reg, kind, .. } => Some(
            Words::new(format!("{reg} is a {kind}, to which nothing can be added"))
                .advise("compute on numbers or on pointers to data"),
        ),
        Reject::MaybeNullArithmetic { reg, .. } => Some(
            Words::new(format!(
                "{reg} may be null, and is moved before anybody checked"
            ))
            .advise("check it right after the call that gave it: `if (!ptr) return ...;`"),
        ),
        Reject::PointerPointer { op, .. } => Some(
            Words::new(format!("{op} of two pointers"))
                .advise("add numbers to pointers, not pointers to each other"),
        ),
        Reject::PointerOperator { reg, op, .. } | Reject::PointerBitwise { reg, op, .. } => Some(
            Words::new(format!("the operator {op} on the pointer {reg}"))
                .advise("only additions and subtractions of numbers are possible on pointers"),
        ),
        Reject::SubtractPointer { .. } => {
            Some(Words::new("a pointer is subtracted from a number").advise(
                "subtract the number from the pointer, or two packet pointers from each other",
            ))
        }
        Reject::SubtractFromFp { .. } => Some(
            Words::new("a number is subtracted from a stack pointer in a way that is not allowed")
                .advise("add a negative constant, or index an array"),
        ),
        Reject::PointerConstant { kind, value, .. } => Some(
            Words::new(format!(
                "{value} is too large to be added to a {kind} pointer"
            ))
            .advise("offsets must stay below 2^29"),
        ),
        Reject::PointerOffset { kind, off, .. } => Some(
            Words::new(format!("the {kind} pointer is too far off already ({off})"))
                .advise("offsets must stay below 2^29"),
        ),
        Reject::PointerUnboundedMin { kind, .. } => Some(
            Words::new(format!("a {kind} pointer is moved by {}", moved_by(scene))).advise(index),
        ),
        Reject::PointerSum { kind, .. } => Some(
            Words::new(format!(
                "a {kind} pointer is moved by {}, which may be too far",
                moved_by(scene)
            ))
            .advise(index),
        ),
        _ => None,
    }
}

/// The number that the refused instruction adds to a pointer: whichever of its operands is one.
fn moved_by(scene: &Scene<'_>) -> String {
    let Some(Insn::Alu {
        dst,
        src: Operand::Reg(src),
        ..
    }) = scene.insn()
    else {
        return "a number without bounds".to_owned();
    };
    let operands = [*src, *dst].map(|reg| scene.reg(reg).filter(|reg| reg.is_scalar()));
    let found = operands.into_iter().flatten().next();
    found.map_or_else(
        || "a number without bounds".to_owned(),
        |reg| number(&reg.value),
    )
}

fn results(scene: &Scene<'_>, reject: &Reject) -> Option<Words> {
    match *reject {
        Reject::ReturnRange {
            reg,
            context,
            min,
            max,
            ..
        } => {
            let got = scene
                .reg(reg)
                .map_or_else(String::new, |reg| number(&reg.value));
            let who = match context {
                "program exit" => format!(
                    "the program may return {got}, but {} programs",
                    scene.env.prog_type
                ),
                _ => {
                    format!("the function that is called back may return {got}, but such functions")
                }
            };
            Some(
                Words::new(match min == max {
                    true => format!("{who} return {min}"),
                    false => format!("{who} return {min} to {max}"),
                })
                .advise(match min == max {
                    true => format!("return {min} on every path"),
                    false => format!("return a number from {min} to {max} on every path"),
                }),
            )
        }
        Reject::ReturnKind { kind, .. } => Some(
            Words::new(format!(
                "the program returns a pointer ({kind}), which would tell its address"
            ))
            .advise("return a number"),
        ),
        Reject::GlobalReturn { kind, .. } => Some(
            Words::new(format!("the global function returns a pointer ({kind})"))
                .advise("return a number, or make the function static"),
        ),
        Reject::ReturnsStackPointer { .. } => Some(
            Words::new("the function returns an address on its own stack, which ends with it")
                .advise("let the caller pass a pointer to write to"),
        ),
        _ => None,
    }
}

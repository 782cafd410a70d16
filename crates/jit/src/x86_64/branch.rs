//! Branches whose distance is known only after layout.

use super::asm::{Cond, Gpr};
use crate::layout::{BranchShape, Form};

/// A kind of branch, or of another reference relative to the instruction pointer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum X86Branch {
    /// `jmp`.
    Jump,
    /// `jcc`.
    JumpIf(Cond),
    /// `call`; there is no short form.
    Call,
    /// `lea reg, [rip + …]`; there is no short form.
    Lea(Gpr),
}

impl X86Branch {
    /// Distance from the end of the instruction, which is what the processor adds.
    fn relative(self, form: Form, distance: i64) -> i64 {
        distance - i64::from(self.bytes(form))
    }
}

impl BranchShape for X86Branch {
    fn bytes(self, form: Form) -> u32 {
        match (self, form) {
            (Self::Jump | Self::JumpIf(_), Form::Short) => 2,
            (Self::Jump, Form::Long) | (Self::Call, _) => 5,
            (Self::JumpIf(_), Form::Long) => 6,
            (Self::Lea(_), _) => 7,
        }
    }

    fn reaches(self, form: Form, distance: i64) -> bool {
        let relative = self.relative(form, distance);
        match (self, form) {
            (Self::Jump | Self::JumpIf(_), Form::Short) => i8::try_from(relative).is_ok(),
            (Self::Call | Self::Lea(_), Form::Short) => false,
            (_, Form::Long) => i32::try_from(relative).is_ok(),
        }
    }

    fn encode(self, form: Form, distance: i64, out: &mut Vec<u8>) {
        let relative = self.relative(form, distance).to_le_bytes();
        match (self, form) {
            (Self::Jump, Form::Short) => out.extend([0xeb, relative[0]]),
            (Self::JumpIf(cond), Form::Short) => out.extend([0x70 | cond.number(), relative[0]]),
            (Self::Jump, Form::Long) => {
                out.push(0xe9);
                out.extend_from_slice(&relative[..4]);
            }
            (Self::JumpIf(cond), Form::Long) => {
                out.extend([0x0f, 0x80 | cond.number()]);
                out.extend_from_slice(&relative[..4]);
            }
            (Self::Call, _) => {
                out.push(0xe8);
                out.extend_from_slice(&relative[..4]);
            }
            (Self::Lea(reg), _) => {
                out.extend(reg.lea_rip());
                out.extend_from_slice(&relative[..4]);
            }
        }
    }
}

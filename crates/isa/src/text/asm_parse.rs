//! One line of assembler to one instruction. Grammar and meaning of the forms stand in [`super::asm`].

use alloc::format;
use alloc::string::{String, ToString};

use super::asm::AsmErrorKind;
use super::asm_lex::Token;
use crate::insn::{CallTarget, Imm64, Insn, Operand, Reg};
use crate::ops::{AluOp, AtomicOp, JmpOp, Size, SwapKind, Width};

type Result<T> = core::result::Result<T, AsmErrorKind>;

/// Opcode of the wide instruction, which the kernel's text does not tell from a move.
const WIDE: u8 = 0x18;

/// An instruction, and the label that its offset waits for.
pub(super) struct Statement<'a> {
    pub(super) insn: Insn,
    pub(super) label: Option<&'a str>,
}

/// Where a jump goes.
enum Target<'a> {
    Offset(i128),
    Label(&'a str),
}

/// Parses the tokens of one instruction.
///
/// # Errors
/// What does not fit.
pub(super) fn parse<'a>(
    tokens: &[Token<'a>],
    opcode: Option<u8>,
    callee: &dyn Fn(&str) -> Option<CallTarget>,
) -> Result<Statement<'a>> {
    let mut p = Parser { rest: tokens };
    let statement = p.statement(opcode, callee)?;
    match p.rest {
        [] => Ok(statement),
        _ => p.expected("the end of the line"),
    }
}

/// The instruction with its jump, call or function offset set; those without one stay as they are.
///
/// # Errors
/// An offset that does not fit the field.
pub(super) fn with_offset(insn: Insn, offset: i128) -> Result<Insn> {
    Ok(match insn {
        Insn::Jump { long: true, .. } => Insn::Jump {
            off: narrow("jump offset", offset)?,
            long: true,
        },
        Insn::Jump { long: false, .. } => Insn::Jump {
            off: narrow::<i16>("jump offset", offset)?.into(),
            long: false,
        },
        Insn::JumpIf {
            op,
            width,
            dst,
            src,
            ..
        } => Insn::JumpIf {
            op,
            width,
            dst,
            src,
            off: narrow("jump offset", offset)?,
        },
        Insn::MayGoto { .. } => Insn::MayGoto {
            off: narrow("jump offset", offset)?,
        },
        Insn::LoadImm64 { dst, .. } => Insn::LoadImm64 {
            dst,
            imm: Imm64::Func(narrow("function offset", offset)?),
        },
        Insn::Call(_) => Insn::Call(CallTarget::Local(narrow("call offset", offset)?)),
        whole => whole,
    })
}

fn narrow<T: TryFrom<i128>>(what: &'static str, value: i128) -> Result<T> {
    T::try_from(value).map_err(|_| AsmErrorKind::OutOfRange { what, value })
}

/// An immediate of 32 bits, given with or without sign.
fn narrow_either(value: i128) -> Result<i32> {
    match u32::try_from(value) {
        Ok(value) => Ok(value.cast_signed()),
        Err(_) => narrow("immediate", value),
    }
}

/// An immediate for an operation of this width: an unsigned one must not change by sign extension.
fn narrow_imm(width: Width, value: i128) -> Result<i32> {
    match width {
        Width::W32 => narrow_either(value),
        Width::W64 => narrow("immediate", value),
    }
}

struct Parser<'t, 'a> {
    rest: &'t [Token<'a>],
}

impl<'a> Parser<'_, 'a> {
    fn expected<T>(&self, what: &'static str) -> Result<T> {
        let found = match self.rest.first() {
            None => String::new(),
            Some(Token::Word(word)) => word.to_string(),
            Some(Token::Number(number)) => number.to_string(),
            Some(Token::Symbol(symbol)) => symbol.to_string(),
        };
        Err(AsmErrorKind::Expected { what, found })
    }

    /// Takes the token if it comes next.
    fn eat(&mut self, token: Token<'_>) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == token => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn symbol(&mut self, symbol: &'static str) -> Result<()> {
        if self.eat(Token::Symbol(symbol)) {
            Ok(())
        } else {
            self.expected(symbol)
        }
    }

    /// The next token, if it is a word that `pick` knows.
    fn pick<T>(&mut self, pick: impl Fn(&'a str) -> Option<T>) -> Option<T> {
        let [Token::Word(word), rest @ ..] = self.rest else {
            return None;
        };
        let picked = pick(word)?;
        self.rest = rest;
        Some(picked)
    }

    /// The row whose text comes next; texts may begin with the letter `s`.
    fn operator<T: Copy>(&mut self, all: &[T], text: impl Fn(T) -> &'static str) -> Option<T> {
        let (signed, rest) = match self.rest {
            [Token::Word("s"), rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let [Token::Symbol(symbol), rest @ ..] = rest else {
            return None;
        };
        let found = all.iter().copied().find(|&each| {
            let text = text(each);
            match text.strip_prefix('s') {
                Some(text) => signed && text == *symbol,
                None => !signed && text == *symbol,
            }
        })?;
        self.rest = rest;
        Some(found)
    }

    /// A number with any sign, also a doubled one (`+ -1`).
    fn number(&mut self) -> Result<i128> {
        let mut sign = 1;
        loop {
            if self.eat(Token::Symbol("-")) {
                sign = -sign;
            } else if !self.eat(Token::Symbol("+")) {
                break;
            }
        }
        match self.rest {
            [Token::Number(number), rest @ ..] => {
                self.rest = rest;
                Ok(sign * i128::from(*number))
            }
            _ => self.expected("a number"),
        }
    }

    /// A number behind its sign, or zero if there is none.
    fn number_after_sign(&mut self) -> Result<i128> {
        match self.rest {
            [Token::Symbol("+" | "-"), ..] => self.number(),
            _ => Ok(0),
        }
    }

    fn register_if_any(&mut self) -> Option<(Width, Reg)> {
        self.pick(|word| {
            let width = Width::ALL
                .into_iter()
                .find(|w| word.starts_with(w.letter()))?;
            let number = word.get(1..)?;
            let plain = number == "0" || !number.starts_with(['0', '+']);
            Some((width, Reg::new(number.parse().ok().filter(|_| plain)?)?))
        })
    }

    fn register(&mut self, wanted: Width) -> Result<Reg> {
        let before = self.rest;
        match self.register_if_any() {
            Some((width, reg)) if width == wanted => Ok(reg),
            _ => {
                self.rest = before;
                self.expected(match wanted {
                    Width::W32 => "a register w0 to w10",
                    Width::W64 => "a register r0 to r10",
                })
            }
        }
    }

    /// The same register once more.
    fn again(&mut self, (width, wanted): (Width, Reg)) -> Result<()> {
        let before = self.rest;
        if self.register(width)? == wanted {
            return Ok(());
        }
        self.rest = before;
        self.expected("the same register")
    }

    fn operand(&mut self, width: Width) -> Result<Operand> {
        match self.rest {
            [Token::Word(_), ..] => Ok(Operand::Reg(self.register(width)?)),
            _ => Ok(Operand::Imm(narrow_imm(width, self.number()?)?)),
        }
    }

    /// `(u32 *)`; whether the type is signed.
    fn pointer_type(&mut self) -> Result<(Size, bool)> {
        self.symbol("(")?;
        let of = |text: fn(Size) -> &'static str, word: &str| {
            Size::ALL.into_iter().find(|&size| text(size) == word)
        };
        let picked = self.pick(|word| {
            let unsigned = of(Size::text, word).map(|size| (size, false));
            unsigned.or_else(|| Some((of(Size::signed_text, word)?, true)))
        });
        let Some(picked) = picked else {
            return self.expected("a type u8 to u64 or s8 to s64");
        };
        self.symbol("*")?;
        self.symbol(")")?;
        Ok(picked)
    }

    /// `(u32 *)` of an unsigned type.
    fn unsigned_pointer(&mut self) -> Result<Size> {
        let before = self.rest;
        match self.pointer_type()? {
            (size, false) => Ok(size),
            (_, true) => {
                self.rest = before;
                self.expected("an unsigned type")
            }
        }
    }

    /// `(r1 -8)`.
    fn address(&mut self) -> Result<(Reg, i16)> {
        self.symbol("(")?;
        let base = self.register(Width::W64)?;
        let off = narrow("offset", self.number_after_sign()?)?;
        self.symbol(")")?;
        Ok((base, off))
    }

    fn statement(
        &mut self,
        opcode: Option<u8>,
        callee: &dyn Fn(&str) -> Option<CallTarget>,
    ) -> Result<Statement<'a>> {
        if let Some((width, dst)) = self.register_if_any() {
            return self.assign(opcode, width, dst);
        }
        if self.eat(Token::Symbol("*")) {
            return self.store().map(Statement::whole);
        }
        let word = match self.rest {
            [Token::Word(word), ..] => *word,
            _ => return self.expected("an instruction"),
        };
        let before = self.rest;
        self.rest = &self.rest[1..];
        match word {
            "exit" => Ok(Statement::whole(Insn::Exit)),
            "goto" => self.jump(Insn::Jump {
                off: 0,
                long: false,
            }),
            "gotol" => self.jump(Insn::Jump { off: 0, long: true }),
            "may_goto" => self.jump(Insn::MayGoto { off: 0 }),
            "if" => self.jump_if(),
            "call" => self.call(callee),
            "callx" => {
                let reg = self.register(Width::W64)?;
                Ok(Statement::whole(Insn::CallReg { reg }))
            }
            "lock" => self.lock().map(Statement::whole),
            word if word == AtomicOp::StoreRelease.word() => {
                let (size, dst, off) = self.cell_argument()?;
                let src = self.last_argument()?;
                let op = AtomicOp::StoreRelease;
                Ok(Statement::whole(Insn::Atomic {
                    op,
                    size,
                    dst,
                    src,
                    off,
                }))
            }
            _ => {
                self.rest = before;
                self.expected("an instruction")
            }
        }
    }

    fn target(&mut self) -> Result<Target<'a>> {
        if let [Token::Word("pc"), Token::Symbol("+" | "-"), ..] = self.rest {
            self.rest = &self.rest[1..];
        }
        if let Some(label) = self.pick(Some) {
            return Ok(Target::Label(label));
        }
        match self.rest {
            [Token::Symbol("+" | "-"), ..] => Ok(Target::Offset(self.number()?)),
            _ => self.expected("a label or an offset"),
        }
    }

    /// The instruction, going where the text says.
    fn jump(&mut self, insn: Insn) -> Result<Statement<'a>> {
        match self.target()? {
            Target::Offset(offset) => Ok(Statement::whole(with_offset(insn, offset)?)),
            Target::Label(label) => Ok(Statement {
                insn,
                label: Some(label),
            }),
        }
    }

    fn jump_if(&mut self) -> Result<Statement<'a>> {
        let Some((width, dst)) = self.register_if_any() else {
            return self.expected("a register");
        };
        let Some(op) = self.operator(&JmpOp::ALL, JmpOp::text) else {
            return self.expected("a comparison");
        };
        let src = match self.rest {
            [Token::Word(_), ..] => Operand::Reg(self.register(width)?),
            // The kernel prints a negative immediate without sign, at both widths.
            _ => Operand::Imm(narrow_either(self.number()?)?),
        };
        if !self.eat(Token::Word("goto")) {
            return self.expected("goto");
        }
        let off = 0;
        self.jump(Insn::JumpIf {
            op,
            width,
            dst,
            src,
            off,
        })
    }

    fn call(&mut self, callee: &dyn Fn(&str) -> Option<CallTarget>) -> Result<Statement<'a>> {
        let whole = |target| Ok(Statement::whole(Insn::Call(target)));
        match self.rest {
            [Token::Number(_), ..] | [Token::Symbol("-"), Token::Number(_)] => {
                let id = narrow("helper", self.number()?)?;
                whole(CallTarget::Helper(id))
            }
            [Token::Word(_), Token::Symbol("#"), rest @ ..] => {
                self.rest = rest;
                let id = narrow("helper", self.number()?)?;
                whole(CallTarget::Helper(id))
            }
            [Token::Word("kfunc"), Token::Symbol("["), ..] => {
                self.rest = &self.rest[1..];
                let id = self.subscript("BTF id")?;
                let off = narrow("offset", self.number_after_sign()?)?;
                whole(CallTarget::Kfunc { id, off })
            }
            _ => match self.pick(callee) {
                Some(target) => whole(target),
                None => self.jump(Insn::Call(CallTarget::Local(0))),
            },
        }
    }

    /// `[N]`.
    fn subscript<T: TryFrom<i128>>(&mut self, what: &'static str) -> Result<T> {
        self.symbol("[")?;
        let value = narrow(what, self.number()?)?;
        self.symbol("]")?;
        Ok(value)
    }

    /// What follows a register at the start of a line.
    fn assign(&mut self, opcode: Option<u8>, width: Width, dst: Reg) -> Result<Statement<'a>> {
        if let Some(op) = self.operator(&AluOp::ALL, AluOp::text) {
            let src = self.operand(width)?;
            return Ok(Statement::whole(Insn::Alu {
                op,
                width,
                dst,
                src,
            }));
        }
        if !self.eat(Token::Symbol("=")) {
            return self.expected("an assignment");
        }
        if width == Width::W64
            && let Some(statement) = self.wide(opcode, dst)?
        {
            return Ok(statement);
        }
        self.assignment(width, dst).map(Statement::whole)
    }

    /// The right side of a wide load, if it is one.
    fn wide(&mut self, opcode: Option<u8>, dst: Reg) -> Result<Option<Statement<'a>>> {
        let whole = |imm| Ok(Some(Statement::whole(Insn::LoadImm64 { dst, imm })));
        let before = self.rest;
        match self.rest {
            [Token::Number(_), ..] | [Token::Symbol("-"), Token::Number(_), ..] => {
                let value = self.number()?;
                let marked = self.eat(Token::Word("ll")) || opcode == Some(WIDE);
                if !marked && i32::try_from(value).is_ok() {
                    self.rest = before;
                    return Ok(None);
                }
                let value = match i64::try_from(value) {
                    Ok(value) => value.cast_unsigned(),
                    Err(_) => narrow("immediate", value)?,
                };
                whole(Imm64::Value(value))
            }
            [Token::Word("func"), rest @ ..] => {
                self.rest = rest;
                let imm = Imm64::Func(0);
                self.jump(Insn::LoadImm64 { dst, imm }).map(Some)
            }
            [Token::Word(word), Token::Symbol("["), ..] => {
                self.rest = &self.rest[1..];
                whole(match *word {
                    "map_fd" => Imm64::MapFd(self.subscript("descriptor")?),
                    "map_value_fd" => Imm64::MapValue {
                        fd: self.subscript("descriptor")?,
                        off: narrow("offset", self.number_after_sign()?)?,
                    },
                    "btf_id" => Imm64::BtfId {
                        id: self.subscript("BTF id")?,
                        btf_fd: narrow("descriptor", self.number_after_sign()?)?,
                    },
                    "map_idx" => Imm64::MapIdx(self.subscript("index")?),
                    "map_value_idx" => Imm64::MapIdxValue {
                        idx: self.subscript("index")?,
                        off: narrow("offset", self.number_after_sign()?)?,
                    },
                    _ => {
                        self.rest = before;
                        return self
                            .expected("map_fd, map_value_fd, map_idx, map_value_idx or btf_id");
                    }
                })
            }
            _ => Ok(None),
        }
    }

    /// The right side of any other assignment.
    fn assignment(&mut self, width: Width, dst: Reg) -> Result<Insn> {
        match self.rest {
            [Token::Symbol("-"), Token::Word(_)] => {
                self.symbol("-")?;
                self.again((width, dst))?;
                Ok(Insn::Neg { width, dst })
            }
            [Token::Symbol("("), ..] => self.sign_extension(width, dst),
            [Token::Symbol("*"), rest @ ..] => {
                self.rest = rest;
                self.only_wide(width)?;
                self.load(dst)
            }
            [Token::Word(_), Token::Symbol("("), ..] => {
                self.only_wide(width)?;
                self.function(dst)
            }
            [Token::Word(_), Token::Word(_)] => {
                self.only_wide(width)?;
                let swaps = SwapKind::ALL
                    .into_iter()
                    .flat_map(|kind| [Size::H, Size::W, Size::Dw].map(|size| (kind, size)));
                let named = |word: &str| {
                    let name =
                        |(kind, size): (SwapKind, Size)| format!("{}{}", kind.text(), size.bits());
                    swaps.clone().find(|&each| name(each) == word)
                };
                let Some((kind, size)) = self.pick(named) else {
                    return self.expected("a byte swap");
                };
                self.again((width, dst))?;
                Ok(Insn::Swap { kind, dst, size })
            }
            _ => {
                let src = self.operand(width)?;
                Ok(Insn::Mov { width, dst, src })
            }
        }
    }

    /// Refuses `w` registers where only `r` ones make sense.
    fn only_wide(&self, width: Width) -> Result<()> {
        match width {
            Width::W64 => Ok(()),
            Width::W32 => self.expected("an operation that w registers have"),
        }
    }

    /// `(s8)r2`.
    fn sign_extension(&mut self, width: Width, dst: Reg) -> Result<Insn> {
        self.symbol("(")?;
        let sizes = [Size::B, Size::H, Size::W];
        let named = |word: &str| sizes.into_iter().find(|size| size.signed_text() == word);
        let Some(from) = self.pick(named) else {
            return self.expected("s8, s16 or s32");
        };
        self.symbol(")")?;
        let src = self.register(width)?;
        Ok(Insn::MovSx {
            width,
            dst,
            src,
            from,
        })
    }

    /// A load, after its `*`.
    fn load(&mut self, dst: Reg) -> Result<Insn> {
        let (size, signed) = self.pointer_type()?;
        if self.eat(Token::Word("skb")) {
            return self.packet_load(dst, size, signed);
        }
        let (base, off) = self.address()?;
        Ok(Insn::Load {
            size,
            signed,
            dst,
            base,
            off,
        })
    }

    /// A legacy packet load, after `skb`; its destination can only be r0.
    fn packet_load(&mut self, dst: Reg, size: Size, signed: bool) -> Result<Insn> {
        if dst != Reg::R0 || signed {
            return self.expected("r0 = *(u8 to u32 *) before skb");
        }
        self.symbol("[")?;
        let src = match self.rest {
            [Token::Word(_), ..] => Some(self.register(Width::W64)?),
            _ => None,
        };
        let imm = match src {
            Some(_) => self.number_after_sign()?,
            None => self.number()?,
        };
        let imm = narrow("immediate", imm)?;
        self.symbol("]")?;
        Ok(match src {
            Some(src) => Insn::LoadInd { size, src, imm },
            None => Insn::LoadAbs { size, imm },
        })
    }

    /// A store, after its `*`.
    fn store(&mut self) -> Result<Insn> {
        let size = self.unsigned_pointer()?;
        let (base, off) = self.address()?;
        self.symbol("=")?;
        let src = self.operand(Width::W64)?;
        Ok(Insn::Store {
            size,
            base,
            off,
            src,
        })
    }

    /// An atomic operation without result, after `lock`.
    fn lock(&mut self) -> Result<Insn> {
        self.symbol("*")?;
        let size = self.unsigned_pointer()?;
        let (dst, off) = self.address()?;
        // Operations that have no operator get a text that no token can match.
        let Some(op) = self.operator(&AtomicOp::ALL, |op| op.text().unwrap_or("")) else {
            return self.expected("+=, |=, &= or ^=");
        };
        let src = self.register(Width::W64)?;
        Ok(Insn::Atomic {
            op,
            size,
            dst,
            src,
            off,
        })
    }

    /// `((u32 *)(r1 -8)`: the first argument of an atomic operation.
    fn cell_argument(&mut self) -> Result<(Size, Reg, i16)> {
        self.symbol("(")?;
        let size = self.unsigned_pointer()?;
        let (base, off) = self.address()?;
        Ok((size, base, off))
    }

    /// `, r2)`.
    fn last_argument(&mut self) -> Result<Reg> {
        self.symbol(",")?;
        let reg = self.register(Width::W64)?;
        self.symbol(")")?;
        Ok(reg)
    }

    /// A right side of the form `word(…)`.
    fn function(&mut self, dst: Reg) -> Result<Insn> {
        if self.eat(Token::Word("addr_space_cast")) {
            self.symbol("(")?;
            let src = self.register(Width::W64)?;
            self.symbol(",")?;
            let to = narrow("address space", self.number()?)?;
            self.symbol(",")?;
            let from = narrow("address space", self.number()?)?;
            self.symbol(")")?;
            return Ok(Insn::AddrSpaceCast { dst, src, to, from });
        }
        if self.eat(Token::Word(AtomicOp::LoadAcquire.word())) {
            let (size, src, off) = self.cell_argument()?;
            self.symbol(")")?;
            let op = AtomicOp::LoadAcquire;
            return Ok(Insn::Atomic {
                op,
                size,
                dst,
                src,
                off,
            });
        }
        self.fetch(dst)
    }

    /// `atomic64_fetch_add(…)` and its like; `result` is the register that the old value goes to.
    fn fetch(&mut self, result: Reg) -> Result<Insn> {
        let before = self.rest;
        let with_result = |op: &AtomicOp| op.is_read_modify_write() && op.text().is_none();
        let named = |word: &str| {
            let wide = word.strip_prefix("atomic64_").map(|word| (true, word));
            let (wide, word) = wide.or(word.strip_prefix("atomic_").map(|word| (false, word)))?;
            let mut ops = AtomicOp::ALL.into_iter().filter(with_result);
            Some((wide, ops.find(|op| op.word() == word)?))
        };
        let Some((wide, op)) = self.pick(named) else {
            return self.expected("an atomic operation");
        };
        let (size, dst, off) = self.cell_argument()?;
        if wide != (size == Size::Dw) {
            self.rest = before;
            return self.expected("atomic64_ with u64, atomic_ with other types");
        }
        if op == AtomicOp::Cmpxchg {
            self.symbol(",")?;
            self.again((Width::W64, Reg::R0))?;
        }
        let src = self.last_argument()?;
        let holds = if op == AtomicOp::Cmpxchg {
            Reg::R0
        } else {
            src
        };
        if result != holds {
            self.rest = before;
            return self.expected("the register that gets the old value before =");
        }
        Ok(Insn::Atomic {
            op,
            size,
            dst,
            src,
            off,
        })
    }
}

impl Statement<'_> {
    /// An instruction that waits for no label.
    fn whole(insn: Insn) -> Self {
        Self { insn, label: None }
    }
}

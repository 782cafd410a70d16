//! One program as the kernel takes it: the program's code, then each subprogram that it reaches, once.
//!
//! Subprograms follow in the order in which a walk through the calls meets them, each before what it calls itself
//! (depth first, as libbpf lays them out: the order shows in tags and dumps). Calls become relative to the new places,
//! wide loads get maps or addresses, function and line records move along.
//! The walk keeps its own stack: a hostile object may nest calls as deep as it has functions.

use crate::core::patch;
use crate::error::{CoreFlaw, LoadError};
use crate::externs::ExternValue;
use crate::limits::INSNS_MAX;
use crate::plan::{Plan, PlannedProgram};
use crate::records::Records;
use skep_btf::core::{CoreError, Resolver};
use skep_btf::{Btf, CoreRelo, CoreReloKind, FuncInfo, Kind, LineInfo};
use skep_isa::{InsnIdx, RawInsn};
use skep_object::{ExternIdx, Function, FunctionIdx, MapIdx, Reloc, Target};
use skep_uapi::Handle;
use std::collections::HashMap;

/// Bytes of a slot.
const SLOT: usize = RawInsn::SIZE;
/// The same, for offsets in records.
const SLOT_32: u32 = 8;
const _: () = assert!(SLOT == 8);
/// Source of a wide load: the map with this handle.
const PSEUDO_MAP: u8 = 1;
/// Source of a wide load: an address in the value of the map with this handle.
const PSEUDO_MAP_VALUE: u8 = 2;
/// Source of a wide load: a variable or function of the kernel, by type id.
const PSEUDO_BTF_ID: u8 = 3;
/// Source of a call: a function of the kernel, by type id.
const PSEUDO_KFUNC_CALL: u8 = 2;
/// Source of a wide load: the address of a function of the program.
const PSEUDO_FUNC: u8 = 4;
/// Opcode of a call.
const CALL: u8 = 0x85;
/// Helper number, less the extern's index, that stands for a missing kernel function; the verifier names it if the
/// call can be reached.
const MISSING_FUNCTION: i32 = 2_002_000_000;

/// A program laid out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Assembled {
    pub(crate) insns: Vec<u8>,
    pub(crate) func_info: Vec<FuncInfo>,
    pub(crate) line_info: Vec<LineInfo>,
}

/// Lays out one program; `handles[i]` is the handle of map `i`.
pub(crate) fn assemble(
    plan: &Plan<'_>,
    program: &PlannedProgram,
    handles: &[Handle],
    records: &[Records<'_>],
    resolver: Option<&Resolver<'_>>,
) -> Result<Assembled, LoadError> {
    let mut assembler = Assembler {
        plan,
        program,
        handles,
        records,
        resolver,
        out: Assembled::default(),
        placed: HashMap::new(),
    };
    let main = assembler.append(program.index)?;
    assembler.walk(main)?;
    if let Some(callback) = program.exception_callback
        && !assembler.placed.contains_key(&callback)
    {
        let callback = assembler.append(callback)?;
        assembler.walk(callback)?;
    }
    Ok(assembler.out)
}

/// A function whose references are being fixed.
struct Frame<'o> {
    function: &'o Function,
    /// Slot of its first instruction in the program.
    base: u32,
    /// Next of its relocations.
    next: usize,
}

struct Assembler<'a, 'o> {
    plan: &'a Plan<'o>,
    program: &'a PlannedProgram,
    handles: &'a [Handle],
    records: &'a [Records<'a>],
    resolver: Option<&'a Resolver<'a>>,
    out: Assembled,
    /// First slot of each function that is in the program.
    placed: HashMap<FunctionIdx, u32>,
}

impl<'o> Assembler<'_, 'o> {
    /// Appends a function's code and records.
    fn append(&mut self, index: FunctionIdx) -> Result<Frame<'o>, LoadError> {
        let object = self.plan.object;
        let function = object.function(index);
        let start = self.out.insns.len() / SLOT;
        let too_long = || LoadError::TooLong {
            program: self.program.name.clone(),
        };
        let count = InsnIdx(function.insn_count()).index();
        if start + count > INSNS_MAX {
            return Err(too_long());
        }
        let base = u32::try_from(start).map_err(|_| too_long())?;
        self.out.insns.extend_from_slice(object.insns(function));
        self.placed.insert(index, base);
        let records = self
            .records
            .get(function.code().index())
            .copied()
            .unwrap_or_default();
        self.answer_core(records, function, start)?;
        self.append_info(records, function, base)?;
        Ok(Frame {
            function,
            base,
            next: 0,
        })
    }

    /// Fixes the references of a function that was appended, and appends what it calls.
    fn walk(&mut self, first: Frame<'o>) -> Result<(), LoadError> {
        let mut walk = vec![first];
        while let Some(frame) = walk.last_mut() {
            let Some(&reloc) = self.plan.object.relocs(frame.function).get(frame.next) else {
                walk.pop();
                continue;
            };
            // A subprogram is appended before its call is fixed; the call is then looked at again.
            if let Target::Call(callee) | Target::FunctionAddress(callee) = reloc.target
                && !self.placed.contains_key(&callee)
            {
                let callee = self.append(callee)?;
                walk.push(callee);
                continue;
            }
            frame.next += 1;
            let at = frame.base + (reloc.at.0 - frame.function.start().0);
            self.fix(InsnIdx(at), reloc);
        }
        Ok(())
    }

    /// Moves the records of one function. A program without records has none for its subprograms either.
    fn append_info(
        &mut self,
        records: Records<'_>,
        function: &Function,
        base: u32,
    ) -> Result<(), LoadError> {
        let missing = |what| LoadError::MissingInfo {
            program: self.program.name.clone(),
            function: function.name().to_owned(),
            what,
        };
        let offset = |insn_off: u32| moved(insn_off, function, base);
        let is_main = base == 0;
        let funcs = within(records.funcs, function, |record| record.insn_off);
        if is_main || !self.out.func_info.is_empty() {
            if funcs.is_empty() && !is_main {
                return Err(missing("function record (.BTF.ext)"));
            }
            let records = funcs.iter().map(|record| FuncInfo {
                insn_off: offset(record.insn_off),
                ..*record
            });
            self.out.func_info.extend(records);
        }
        let lines = within(records.lines, function, |record| record.insn_off);
        if is_main || !self.out.line_info.is_empty() {
            if lines.is_empty() && !is_main {
                return Err(missing("line record (.BTF.ext)"));
            }
            let records = lines.iter().map(|record| LineInfo {
                insn_off: offset(record.insn_off),
                ..*record
            });
            self.out.line_info.extend(records);
        }
        Ok(())
    }

    /// Gives the instructions that depend on a kernel's types their numbers.
    fn answer_core(
        &mut self,
        records: Records<'_>,
        function: &Function,
        start: usize,
    ) -> Result<(), LoadError> {
        let (Some(btf), Some(resolver)) = (self.plan.object.btf(), self.resolver) else {
            return Ok(());
        };
        for relo in within(records.relos, function, |record| record.insn_off) {
            let at = moved(relo.insn_off, function, 0) / SLOT_32;
            let insns = self
                .out
                .insns
                .get_mut((start + InsnIdx(at).index()) * SLOT..);
            let patched = resolver
                .answer(relo)
                .map_err(CoreFlaw::Answer)
                .and_then(|answer| patch(insns.unwrap_or_default(), answer));
            let Err(what) = patched else { continue };
            let (program, function) = (self.program.name.clone(), function.name().to_owned());
            let (ty, access) = (btf.name(relo.type_id).to_owned(), access(btf, relo));
            return Err(match what {
                CoreFlaw::Answer(CoreError::NoKernel) => LoadError::NeedsTargetBtf {
                    program,
                    function,
                    at,
                    ty,
                    access,
                },
                what => LoadError::Core {
                    program,
                    function,
                    at,
                    ty,
                    access,
                    what,
                },
            });
        }
        Ok(())
    }

    /// Makes one instruction refer to what it should.
    fn fix(&mut self, at: InsnIdx, reloc: Reloc) {
        let mut insn = self.slot(at);
        match reloc.target {
            Target::Map(map) => {
                insn.src = PSEUDO_MAP;
                insn.imm = self.handle(map);
            }
            Target::Data { map, offset } => self.point_into(&mut insn, at, map, offset),
            Target::Call(function) => insn.imm = self.distance(at, function),
            Target::FunctionAddress(function) => {
                insn.src = PSEUDO_FUNC;
                insn.imm = self.distance(at, function);
            }
            Target::Extern(index) => match self.external(index) {
                ExternValue::Option { map, offset } => self.point_into(&mut insn, at, map, offset),
                ExternValue::Address(address) => {
                    insn.imm = low_half(address);
                    self.set_second_imm(at, low_half(address >> 32));
                }
                ExternValue::Typed(id) => {
                    insn.src = PSEUDO_BTF_ID;
                    insn.imm = id.0.cast_signed();
                    self.set_second_imm(at, 0);
                }
                ExternValue::Missing => {
                    insn.imm = 0;
                    self.set_second_imm(at, 0);
                }
            },
            Target::ExternCall(index) => match self.external(index) {
                ExternValue::Typed(id) => {
                    insn.src = PSEUDO_KFUNC_CALL;
                    insn.imm = id.0.cast_signed();
                    insn.off = 0;
                }
                ExternValue::Missing | ExternValue::Address(_) | ExternValue::Option { .. } => {
                    let number = i32::try_from(index.index()).unwrap_or(i32::MAX);
                    insn = RawInsn {
                        code: CALL,
                        imm: MISSING_FUNCTION.saturating_add(number),
                        ..RawInsn::default()
                    };
                }
            },
        }
        self.set_slot(at, insn);
    }

    /// A wide load of an address in a map's value.
    fn point_into(&mut self, insn: &mut RawInsn, at: InsnIdx, map: MapIdx, offset: u32) {
        insn.src = PSEUDO_MAP_VALUE;
        insn.imm = self.handle(map);
        self.set_second_imm(at, offset.cast_signed());
    }

    /// Slots from behind `at` to a function that has been placed.
    fn distance(&self, at: InsnIdx, function: FunctionIdx) -> i32 {
        let to = self.placed.get(&function).copied().unwrap_or_default();
        to.wrapping_sub(at.0).wrapping_sub(1).cast_signed()
    }

    fn handle(&self, map: MapIdx) -> i32 {
        self.handles[map.index()].0.cast_signed()
    }

    fn external(&self, index: ExternIdx) -> ExternValue {
        self.plan.externs[index.index()]
    }

    fn slot(&self, at: InsnIdx) -> RawInsn {
        let mut bytes = [0; SLOT];
        bytes.copy_from_slice(&self.out.insns[at.index() * SLOT..][..SLOT]);
        RawInsn::from_bytes(bytes)
    }

    fn set_slot(&mut self, at: InsnIdx, insn: RawInsn) {
        self.out.insns[at.index() * SLOT..][..SLOT].copy_from_slice(&insn.to_bytes());
    }

    /// The object has checked that a relocated wide load has its second slot.
    fn set_second_imm(&mut self, at: InsnIdx, imm: i32) {
        let second = InsnIdx(at.0 + 1);
        let insn = RawInsn {
            imm,
            ..self.slot(second)
        };
        self.set_slot(second, insn);
    }
}

/// Byte offset of a record in the program; `insn_off` counts from the section's start.
fn moved(insn_off: u32, function: &Function, base: u32) -> u32 {
    let slot = SLOT_32;
    insn_off
        .wrapping_sub(function.start().0.wrapping_mul(slot))
        .wrapping_add(base.wrapping_mul(slot))
}

/// The records of one function. Compilers sort them; of unsorted ones some are lost, and the kernel refuses the rest.
fn within<'r, T>(records: &'r [T], function: &Function, insn_off: impl Fn(&T) -> u32) -> &'r [T] {
    let bytes = |slots: u32| u64::from(slots) * u64::from(SLOT_32);
    let start = bytes(function.start().0);
    let end = start + bytes(function.insn_count());
    let from = records.partition_point(|record| u64::from(insn_off(record)) < start);
    let to = records.partition_point(|record| u64::from(insn_off(record)) < end);
    let found = records.get(from..to).unwrap_or_default();
    // One record for an instruction is all that the kernel takes; one more shows it that there were too many.
    let most = InsnIdx(function.insn_count()).index() + 1;
    found.get(..most).unwrap_or(found)
}

fn low_half(value: u64) -> i32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// What a CO-RE relocation asks, in words: the path of fields, or the question.
fn access(btf: &Btf, relo: &CoreRelo) -> String {
    let path = btf.str(relo.access).unwrap_or_default();
    let about_field = relo.kind.0 <= CoreReloKind::FIELD_RSHIFT_U64.0;
    let names = if about_field {
        field_names(btf, relo, path)
    } else {
        None
    };
    names.unwrap_or_else(|| format!("question {} about '{path}'", relo.kind.0))
}

/// Field names along an access path such as `0:1:2`, whose first number indexes the root type as an array.
fn field_names(btf: &Btf, relo: &CoreRelo, path: &str) -> Option<String> {
    let mut ty = btf.resolve(relo.type_id)?;
    let mut names = Vec::new();
    for step in path.split(':').skip(1) {
        let step: usize = step.parse().ok()?;
        match &btf.get(ty)?.kind {
            Kind::Struct(shape) | Kind::Union(shape) => {
                let member = shape.members.get(step)?;
                names.push(btf.str(member.name).unwrap_or_default().to_owned());
                ty = btf.resolve(member.ty)?;
            }
            Kind::Array(array) => {
                names.push(format!("[{step}]"));
                ty = btf.resolve(array.elem)?;
            }
            _ => return None,
        }
    }
    Some(format!("field {}", names.join(".")))
}

//! Global functions: taken by their prototype where they are called, walked by themselves with whatever the prototype allows.

use crate::mem::special::Toucher;
use crate::mem::stack::Extent;
use crate::path::Path;
use crate::program::{Nullable, Param};
use crate::reject::{Dir, Reject};
use crate::state::{Backing, Frame, Kind, Mem, MemUse, Reg, SubprogIdx};
use skep_isa::Reg as R;

/// Memory that a function wants.
#[derive(Clone, Copy)]
struct Memory {
    subprog: SubprogIdx,
    reg: R,
    bytes: u32,
    null: Nullable,
}

/// Memory that an argument must be a pointer to.
struct Wanted {
    reg: R,
    bytes: u32,
    /// What the argument is, for the refusal.
    given: &'static str,
}

impl Path<'_> {
    /// A global function was or will be verified for all arguments of its prototype.
    pub(crate) fn call_global(&mut self, subprog: SubprogIdx) -> Result<(), Reject> {
        if self.state.held.lock.is_some() {
            return Err(Reject::GlobalCallLocked { at: self.at });
        }
        self.called[subprog.index()] = true;
        let declared = self.checked.decl(subprog).check_global();
        declared.map_err(|reject| self.caller_args(subprog, reject))?;
        let mut writes: Vec<(u8, Extent)> = Vec::new();
        for (index, reg) in (0..self.checked.decl(subprog).params.len()).zip(&R::ALL[1..=5]) {
            let checked = self.check_global_arg(subprog, index, *reg, &mut writes);
            checked.map_err(|reject| self.caller_args(subprog, reject))?;
        }
        if self.log.prints_insns() {
            let name = &self.checked.decl(subprog).name;
            self.log.write(format_args!(
                "Func#{} ('{name}') is global and assumed valid.\n",
                subprog.0
            ));
        }
        for (frame, extent) in writes {
            self.helper_stack(frame, extent, Dir::Write);
        }
        self.end_call(Reg::unknown());
        if self.checked.moves_packet[subprog.index()] {
            self.forget_packet();
        }
        Ok(())
    }

    fn caller_args(&self, subprog: SubprogIdx, reject: Reject) -> Reject {
        match reject {
            Reject::Unsupported { .. } => reject,
            Reject::CtxModified { .. }
            | Reject::CtxNegative { .. }
            | Reject::CtxVariable { .. }
            | Reject::DynptrModified { .. }
            | Reject::DynptrNegative { .. }
            | Reject::DynptrPtrVariable { .. } => Reject::CallerCtx {
                at: self.at,
                why: reject.to_string(),
                subprog: subprog.0,
                name: self.checked.decl(subprog).name.clone(),
            },
            why => Reject::CallerArgs {
                at: self.at,
                why: why.to_string(),
                subprog: subprog.0,
                name: self.checked.decl(subprog).name.clone(),
            },
        }
    }

    fn check_global_arg(
        &mut self,
        subprog: SubprogIdx,
        index: usize,
        reg: R,
        writes: &mut Vec<(u8, Extent)>,
    ) -> Result<(), Reject> {
        let at = self.at;
        let checked = self.checked;
        match &checked.decl(subprog).params[index] {
            Param::Scalar => {
                let value = self.read(reg)?;
                if !value.is_scalar() {
                    return Err(Reject::GlobalArg {
                        at,
                        reg,
                        expected: "a scalar",
                    });
                }
                Ok(())
            }
            Param::Ctx => {
                let value = self.read(reg)?;
                if value.kind != Kind::Ctx {
                    return Err(Reject::GlobalArgCtx { at, index });
                }
                self.check_unmoved(reg, &value)
            }
            Param::Mem { bytes, null } => {
                let value = self.read(reg)?;
                let memory = Memory {
                    subprog,
                    reg,
                    bytes: *bytes,
                    null: *null,
                };
                self.check_global_memory(memory, &value, writes)
            }
            Param::Dynptr => {
                let value = self.read(reg)?;
                self.dynptr_argument(index, &value).map(|_| ())
            }
            Param::Refused(why) => Err(Reject::GlobalParam { why: why.clone() }),
            Param::Other => Err(other()),
        }
    }

    /// Memory that the function may read and write, wherever it is.
    fn check_global_memory(
        &mut self,
        wanted: Memory,
        value: &Reg,
        writes: &mut Vec<(u8, Extent)>,
    ) -> Result<(), Reject> {
        let Memory {
            subprog,
            reg,
            bytes,
            null,
        } = wanted;
        if value.is_null() {
            // Linux takes the null that it knows even where the function relies on there being none.
            return match null {
                Nullable::Yes => Ok(()),
                Nullable::No => Err(Reject::Unsupported {
                    what: "passing null where a function relies on memory".to_owned(),
                }),
            };
        }
        // A pointer that may be null is checked as if it were not; whether it may be is the function's to look at.
        let mut memory = *value;
        if let Some(kind) = value.kind.when_not_null() {
            if null == Nullable::No {
                return Err(Reject::Unsupported {
                    what: "passing what may be null where a function relies on memory".to_owned(),
                });
            }
            memory.kind = kind;
        }
        if self.checked.moves_packet[subprog.index()]
            && (memory.kind.is_packet() || memory.kind.is_packet_slice())
        {
            return Err(Reject::Unsupported {
                what: "passing the packet to a function that moves it".to_owned(),
            });
        }
        let region = Wanted {
            reg,
            bytes,
            given: value.kind.name(),
        };
        self.check_global_region(region, &memory, writes)
    }

    /// The same, once it is known not to be null.
    fn check_global_region(
        &mut self,
        wanted: Wanted,
        memory: &Reg,
        writes: &mut Vec<(u8, Extent)>,
    ) -> Result<(), Reject> {
        let Wanted { reg, bytes, given } = wanted;
        let (off, size) = (i64::from(memory.off), i64::from(bytes));
        match memory.kind {
            Kind::Stack(frame) => {
                let extent = self.stack_extent(reg, memory, off, bytes.into(), Dir::Read)?;
                if bytes > 0 {
                    self.check_readable_argument(reg, frame, extent)?;
                    self.check_no_dynptr(frame, extent)?;
                    self.helper_stack(frame, extent, Dir::Read);
                    writes.push((frame, extent));
                }
                Ok(())
            }
            Kind::Packet | Kind::PacketMeta => {
                self.check_packet(reg, memory, off, bytes)?;
                match self.row.packet_write {
                    true => Ok(()),
                    false => Err(Reject::PacketWrite { at: self.at }),
                }
            }
            Kind::MapValue(map) => {
                self.check_map_direction(map, Dir::Read, off, bytes)?;
                self.check_map_direction(map, Dir::Write, off, bytes)?;
                self.check_map_value(reg, memory, map, off, size, Toucher::Helper)
            }
            Kind::MapKey(_) | Kind::Mem(_) => {
                self.check_argument_region(reg, memory, Dir::Read, size)?;
                self.check_argument_region(reg, memory, Dir::Write, size)
            }
            Kind::Uninit
            | Kind::Scalar
            | Kind::Ctx
            | Kind::MapPtr(_)
            | Kind::MapValueOrNull(_)
            | Kind::MapOrNull(_)
            | Kind::PacketEnd
            | Kind::Object(_)
            | Kind::ObjectOrNull(_)
            | Kind::MemOrNull(_)
            | Kind::Func(_)
            | Kind::DynptrPtr(_) => Err(Reject::ArgKindMismatch {
                at: self.at,
                reg,
                kind: given,
                expected: "fp",
            }),
        }
    }

    /// What a global function is given when it is walked by itself.
    pub(crate) fn global_arguments(&mut self, subprog: SubprogIdx, frame: &mut Frame) {
        let checked = self.checked;
        let params = checked.decl(subprog).params.iter();
        for (param, reg) in params.zip(&R::ALL[1..=5]) {
            frame.regs[reg.index()] = match param {
                Param::Scalar => Reg::unknown(),
                Param::Ctx => Reg::pointer(Kind::Ctx),
                Param::Dynptr => Reg::pointer(Kind::DynptrPtr(0)),
                Param::Mem { bytes, null } => {
                    let mem = Mem {
                        bytes: *bytes,
                        usage: MemUse::Write,
                        backing: Backing::Own,
                    };
                    self.pointer_with_id(match null {
                        Nullable::No => Kind::Mem(mem),
                        Nullable::Yes => Kind::MemOrNull(mem),
                    })
                }
                Param::Refused(_) | Param::Other => Reg::UNINIT,
            };
        }
    }
}

fn other() -> Reject {
    let what = "a global function with such pointer arguments".to_owned();
    Reject::Unsupported { what }
}

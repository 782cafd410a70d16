//! What is known about a program before any path is walked: functions, maps, control flow, names and source lines.
//!
//! Invariants of [`Checked`]: every jump stays in its function and never lands in a wide instruction, functions end in
//! an exit or a jump, each local call names a function, every instruction can be reached in the control-flow graph, and
//! map references are indices into `used_maps`.

pub(crate) mod btf_info;
pub(crate) mod cfg;
pub(crate) mod effects;
pub(crate) mod imm64;
pub(crate) mod kfuncs;
pub(crate) mod live_regs;
pub(crate) mod params;
pub(crate) mod stack_depth;
pub(crate) mod structure;

pub(crate) use btf_info::FuncDecl;
pub(crate) use cfg::{Converges, Point};
pub(crate) use params::{Nullable, Param};

use crate::env::Env;
use crate::limits::FRAMES_MAX;
use crate::reject::Reject;
use crate::state::{State, SubprogIdx};
use skep_contracts::ProgTypeRow;
use skep_isa::{Insn, InsnIdx, Program};

/// A function's extent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Extent {
    pub(crate) start: InsnIdx,
    pub(crate) end: InsnIdx,
}

/// A program that passed all checks that need no path.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) insns: Vec<Insn>,
    pub(crate) subprogs: Vec<Extent>,
    /// Declarations of the functions, in their order; without BTF all are static and nameless.
    pub(crate) decls: Vec<FuncDecl>,
    /// Indices into `Env::maps` in order of first use.
    pub(crate) used_maps: Vec<usize>,
    /// What the walk does at each instruction.
    pub(crate) points: Vec<Point>,
    /// Registers that may be read from each instruction on: bit i is register i.
    pub(crate) live_regs: Vec<u16>,
    /// Functions, by index, that may move the packet: themselves or what they call.
    pub(crate) moves_packet: Vec<bool>,
}

/// Runs the checks in Linux's order.
pub(crate) fn check(
    program: &Program,
    env: &Env<'_>,
    row: &ProgTypeRow,
) -> Result<Checked, Reject> {
    let mut insns = program.insns().to_vec();
    let subprogs = structure::subprogs(&insns)?;
    kfuncs::check(&insns, env)?;
    structure::check_extents(&insns, &subprogs)?;
    let decls = btf_info::check(&insns, &subprogs, env, row.ctx.map_or("", |ctx| ctx.name))?;
    let used_maps = imm64::resolve(&mut insns, env)?;
    let points = cfg::check(&insns, &subprogs, env)?;
    let live_regs = live_regs::compute(&insns, env);
    let moves_packet = effects::moves_packet(&insns, &subprogs);
    Ok(Checked {
        insns,
        subprogs,
        decls,
        used_maps,
        points,
        live_regs,
        moves_packet,
    })
}

impl Checked {
    /// The function that starts at an instruction.
    pub(crate) fn subprog_at(&self, start: InsnIdx) -> Option<SubprogIdx> {
        let index = self
            .subprogs
            .binary_search_by_key(&start, |extent| extent.start)
            .ok()?;
        u16::try_from(index).ok().map(SubprogIdx)
    }

    /// The extent of a function.
    pub(crate) fn extent(&self, subprog: SubprogIdx) -> Extent {
        self.subprogs[subprog.index()]
    }

    /// Functions other than the main one that are verified by themselves.
    pub(crate) fn global_subprogs(&self) -> impl Iterator<Item = SubprogIdx> + '_ {
        (1u16..)
            .map(SubprogIdx)
            .take(self.subprogs.len() - 1)
            .filter(|subprog| self.decl(*subprog).is_global())
    }

    /// The declaration of a function.
    pub(crate) fn decl(&self, subprog: SubprogIdx) -> &FuncDecl {
        &self.decls[subprog.index()]
    }

    /// Whether an instruction may write to the stack.
    pub(crate) fn writes_stack(&self, at: InsnIdx) -> bool {
        matches!(
            self.insns[at.index()],
            Insn::Store { .. } | Insn::Atomic { .. }
        )
    }

    /// Whether an instruction is a jump, as the pace of storing states counts them.
    pub(crate) fn is_jump(&self, at: InsnIdx) -> bool {
        matches!(
            self.insns[at.index()],
            Insn::Jump { .. }
                | Insn::JumpIf { .. }
                | Insn::MayGoto { .. }
                | Insn::Call(_)
                | Insn::CallReg { .. }
                | Insn::Exit
        )
    }

    /// Registers live in each frame of a state at `at`: outer frames go on after their calls.
    pub(crate) fn live_regs_at(&self, state: &State, at: InsnIdx) -> [u16; FRAMES_MAX] {
        let mut live = [0; FRAMES_MAX];
        for (live, at) in live.iter_mut().zip(state.return_points(at)) {
            *live = self.live_regs.get(at.index()).copied().unwrap_or(u16::MAX);
        }
        live
    }

    /// Where control may go after an instruction within its function.
    pub(crate) fn successors(&self, at: InsnIdx) -> [Option<InsnIdx>; 2] {
        structure::successors(&self.insns, at)
    }
}

/// The slot that an offset relative to the next one names. Only for offsets that were checked.
pub(crate) fn target(at: InsnIdx, off: i32) -> InsnIdx {
    InsnIdx(at.0.wrapping_add(1).wrapping_add_signed(off))
}

//! What the verifier knows at one point of one path: frames of registers and stack.
//!
//! A [`State`] is a stack of [`Frame`]s behind shared pointers: copying a state, which every undecided branch does, copies
//! pointers, and the first write to a frame copies that frame. Invariants: there is a frame; a stack pointer names a
//! frame of its state; scalars stay inside `domain`'s invariants. Nothing here knows instructions.

pub(crate) mod dynptr;
pub(crate) mod equal;
pub(crate) mod frame;
pub(crate) mod ids;
pub(crate) mod iter;
pub(crate) mod live;
pub(crate) mod precision;
pub(crate) mod refs;
pub(crate) mod reg;
pub(crate) mod stack;

pub(crate) use frame::{Entered, Frame, SubprogIdx};
pub(crate) use iter::{Iter, Phase};
pub(crate) use live::{LiveStack, Slots};
pub(crate) use precision::{Node, Precision};
pub(crate) use refs::{Held, Lock, Ref};
pub(crate) use reg::{Added, Backing, Id, Kind, MapIdx, Mem, MemUse, Object, Range, Reg};
pub(crate) use stack::{Byte, Slot};

use crate::limits::FRAMES_MAX;
use skep_isa::{InsnIdx, Reg as R};
use std::rc::Rc;

/// All frames of a path, the current one last.
#[derive(Clone, Debug)]
pub(crate) struct State {
    frames: Vec<Rc<Frame>>,
    /// How often `may_goto` was passed on this path: states of different iterations are compared differently.
    pub(crate) may_goto_depth: u32,
    /// How often functions were called back on this path, for the same reason.
    pub(crate) callback_depth: u32,
    /// What must be given back.
    pub(crate) held: Held,
}

impl State {
    /// A state with one frame.
    pub(crate) fn new(frame: Frame) -> Self {
        Self {
            frames: vec![Rc::new(frame)],
            may_goto_depth: 0,
            callback_depth: 0,
            held: Held::default(),
        }
    }

    /// Number of frames, at least 1.
    pub(crate) fn depth(&self) -> usize {
        self.frames.len()
    }

    /// Index of the current frame.
    pub(crate) fn top(&self) -> u8 {
        u8::try_from(self.frames.len() - 1).expect("at most 8 frames are pushed")
    }

    /// Whether a loop from here to `later` made progress that does not show in registers.
    pub(crate) fn made_progress_since(&self, later: &Self) -> bool {
        self.may_goto_depth != later.may_goto_depth
            || self.callback_depth != later.callback_depth
            || self.iterators_moved(later)
    }

    /// Whether an iterator is active in both and gave elements in between.
    fn iterators_moved(&self, later: &Self) -> bool {
        let frames = self.frames.iter().zip(&later.frames);
        frames.into_iter().any(|(old, cur)| {
            let slots = old.stack.iter().zip(cur.stack.iter());
            slots
                .filter_map(|(old, cur)| old.iter().zip(cur.iter()))
                .any(|(old, cur)| old.phase == Phase::Active && old.depth != cur.depth)
        })
    }

    /// All frames, outermost first.
    pub(crate) fn frames(&self) -> &[Rc<Frame>] {
        &self.frames
    }

    /// The current frame.
    pub(crate) fn frame(&self) -> &Frame {
        self.frames.last().expect("a state has a frame")
    }

    /// The current frame, to be changed.
    pub(crate) fn frame_mut(&mut self) -> &mut Frame {
        Rc::make_mut(self.frames.last_mut().expect("a state has a frame"))
    }

    /// A frame by index.
    pub(crate) fn frame_at(&self, index: u8) -> &Frame {
        &self.frames[usize::from(index)]
    }

    /// A frame by index, to be changed.
    pub(crate) fn frame_at_mut(&mut self, index: u8) -> &mut Frame {
        Rc::make_mut(&mut self.frames[usize::from(index)])
    }

    /// A register of the current frame.
    pub(crate) fn reg(&self, reg: R) -> &Reg {
        &self.frame().regs[reg.index()]
    }

    /// Overwrites a register of the current frame.
    pub(crate) fn set(&mut self, reg: R, value: Reg) {
        self.frame_mut().regs[reg.index()] = value;
    }

    /// Enters a function.
    pub(crate) fn push(&mut self, frame: Frame) {
        self.frames.push(Rc::new(frame));
    }

    /// Leaves the current function, giving its frame; `None` in the outermost.
    pub(crate) fn pop(&mut self) -> Option<Rc<Frame>> {
        if self.frames.len() > 1 {
            let frame = self.frames.pop();
            self.end_slices_below();
            frame
        } else {
            None
        }
    }

    /// Slices that may lie in the stack of a frame that is gone become numbers.
    pub(crate) fn end_slices_below(&mut self) {
        let frames = self.frames.len();
        self.update_regs(
            |reg| {
                reg.kind
                    .slice_frame()
                    .is_some_and(|frame| usize::from(frame) >= frames)
            },
            |reg| *reg = Reg::unknown(),
        );
    }

    /// Registers and stack slots in all frames: what storing it costs.
    pub(crate) fn weight(&self) -> usize {
        self.frames
            .iter()
            .map(|frame| R::COUNT + frame.stack.len())
            .sum()
    }

    /// The calls that led here, outermost first: slot of each call instruction.
    pub(crate) fn call_sites(&self) -> impl Iterator<Item = InsnIdx> + '_ {
        self.frames[1..].iter().map(|frame| frame.call_site)
    }

    /// Where each frame goes on, outermost first: after its call, or at the call that may call back again, and the current one
    /// at `at`.
    pub(crate) fn return_points(&self, at: InsnIdx) -> impl Iterator<Item = InsnIdx> + '_ {
        self.frames[1..]
            .iter()
            .map(|frame| frame.returns_to())
            .chain([at])
    }

    /// Changes every register and spilled register for which `wanted` holds, touching only frames that have one.
    pub(crate) fn update_regs(&mut self, wanted: impl Fn(&Reg) -> bool, change: impl Fn(&mut Reg)) {
        self.update_live_regs(&[u16::MAX; FRAMES_MAX], wanted, change);
    }

    /// The same, of registers only those that are set in `live` of their frame.
    pub(crate) fn update_live_regs(
        &mut self,
        live: &[u16; FRAMES_MAX],
        wanted: impl Fn(&Reg) -> bool,
        change: impl Fn(&mut Reg),
    ) {
        for (frame, live) in self.frames.iter_mut().zip(live) {
            let hits = frame.regs.iter().enumerate();
            let hits = hits
                .filter(|(number, reg)| live & (1 << number) != 0 && wanted(reg))
                .fold(0_u16, |hits, (number, _)| hits | 1 << number);
            let spilled = frame.stack.iter().filter_map(Slot::spilled).any(&wanted);
            if hits == 0 && !spilled {
                continue;
            }
            let frame = Rc::make_mut(frame);
            for (number, reg) in frame.regs.iter_mut().enumerate() {
                if hits & (1 << number) != 0 {
                    change(reg);
                }
            }
            if spilled {
                let slots = Rc::make_mut(&mut frame.stack);
                slots
                    .iter_mut()
                    .filter_map(Slot::spilled_mut)
                    .filter(|reg| wanted(reg))
                    .for_each(&change);
            }
        }
    }
}

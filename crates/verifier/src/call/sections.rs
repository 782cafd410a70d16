//! Sections that a program enters and must leave: RCU, without preemption, without interrupts. And what may not happen while
//! something is held.

use crate::call::kfunc::KfuncCall;
use crate::path::Path;
use crate::reject::Reject;
use skep_contracts::KfuncRule;

/// Where control leaves the program, for the wording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Leaving {
    /// The end of the program, or of a function that is verified by itself.
    Exit,
    /// The end of a static function, where sections may go on but locks may not.
    TailCall,
    /// Classic packet access.
    LegacyPacket,
    /// An exception.
    Throw,
}

impl Leaving {
    fn text(self) -> &'static str {
        match self {
            Self::Exit => "BPF_EXIT instruction in main prog",
            Self::TailCall => "tail_call",
            Self::LegacyPacket => "BPF_LD_[ABS|IND]",
            Self::Throw => "bpf_throw",
        }
    }
}

impl Path<'_> {
    /// Entering and leaving sections.
    pub(crate) fn change_section(&mut self, call: &KfuncCall) -> Result<(), Reject> {
        let (at, name) = (self.at, call.row.name);
        let held = &mut self.state.held;
        match call.row.rule {
            KfuncRule::RcuLock if held.rcu > 0 => return Err(Reject::RcuNested { at, name }),
            KfuncRule::RcuLock => held.rcu = 1,
            KfuncRule::RcuUnlock if held.rcu == 0 => {
                return Err(Reject::RcuUnmatched { at, name });
            }
            KfuncRule::RcuUnlock => held.rcu = 0,
            KfuncRule::PreemptDisable => held.preempt += 1,
            KfuncRule::PreemptEnable if held.preempt == 0 => {
                return Err(Reject::PreemptUnmatched { at, name });
            }
            KfuncRule::PreemptEnable => held.preempt -= 1,
            _ => return Err(super::kfunc::unsupported(call.row)),
        }
        Ok(())
    }

    /// Nothing may be held where control leaves the program.
    pub(crate) fn check_nothing_held(&mut self, leaving: Leaving) -> Result<(), Reject> {
        let (at, what) = (self.at, leaving.text());
        let held = &self.state.held;
        if let Some(held) = held.refs.first() {
            let (id, from) = (held.id.0, held.at);
            return Err(Reject::ReferenceLeak { at, id, from, what });
        }
        if !held.irqs.is_empty() {
            let section = "bpf_local_irq_save";
            return Err(Reject::InsideSection { at, what, section });
        }
        if held.rcu > 0 {
            let section = "bpf_rcu_read_lock";
            return Err(Reject::InsideSection { at, what, section });
        }
        if held.preempt > 0 {
            let section = "bpf_preempt_disable";
            return Err(Reject::InsideSection { at, what, section });
        }
        Ok(())
    }
}

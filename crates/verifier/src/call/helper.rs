//! A call of a helper: may this program call it, do its arguments fit, what is left afterwards.

use crate::call::arg::Args;
use crate::call::sections::Leaving;
use crate::log::trace::helper_name;
use crate::path::{Fork, Path};
use crate::reject::{Dir, Reject};
use crate::state::{MapIdx, Reg};
use skep_contracts::{Gate, HelperProto, PacketEffect, helper_in, map_type_rule};
use skep_isa::{InsnIdx, Reg as R};
use skep_uapi::{BPF_F_RDONLY_PROG, BPF_F_SLEEPABLE, HelperId, MapType};

/// Helpers beyond which Linux knows none.
const LAST_HELPER: u32 = 211;

impl Path<'_> {
    /// Carries a helper call out.
    pub(crate) fn call_helper(&mut self, id: i32) -> Result<(), Reject> {
        self.check_call_under_lock(HelperId(id.cast_unsigned()))?;
        let row = self.helper_row(id)?;
        let mut args = Args::new(row);
        for index in 0..args.count() {
            self.check_arg(&mut args, index)?;
        }
        self.check_before_map(&args)?;
        self.check_map_use(row, args.map)?;
        self.check_special(&args)?;
        if row.id == HelperId::TAIL_CALL {
            self.check_nothing_held(Leaving::TailCall)?;
            self.tail_call_succeeds();
        }
        self.helper_callback(&args)?;
        self.release_args(&args);
        let ret = self.returned(&args)?;
        for write in std::mem::take(&mut args.writes) {
            self.helper_stack(write.frame, write.extent, Dir::Write);
        }
        self.note_map(args.map);
        self.end_call(ret);
        if row.packet == PacketEffect::Invalidates {
            self.forget_packet();
        }
        self.after_dynptr_write(&args);
        Ok(())
    }

    /// What is looked at after the arguments and before the map.
    fn check_before_map(&mut self, args: &Args) -> Result<(), Reject> {
        let at = self.at;
        if args.row.gate == Gate::FuncIp {
            return Err(Reject::FuncNotSupported {
                at,
                name: helper_name(args.row.id.0.cast_signed()).unwrap_or_default(),
                prog_type: self.env.prog_type.0,
            });
        }
        if args.row.id == HelperId::GET_LOCAL_STORAGE && !args.values[1].is_null() {
            return Err(Reject::LocalStorageFlags { at });
        }
        Ok(())
    }

    /// A tail call that succeeds in a called function returns to that function's caller, whatever the other program did
    /// to the packet. (In the main function it does not come back.) The path at hand goes on where it fails.
    fn tail_call_succeeds(&mut self) {
        let mut state = self.state.clone();
        let Some(callee) = state.pop() else {
            return;
        };
        let here = std::mem::replace(&mut self.state, state);
        self.state.set(R::R0, Reg::unknown());
        self.forget_packet();
        let state = std::mem::replace(&mut self.state, here);
        let at = InsnIdx(callee.call_site.0 + 1);
        self.forks.push(Fork::new(state, at));
    }

    fn helper_row(&self, id: i32) -> Result<&'static HelperProto, Reject> {
        let at = self.at;
        let number = id.cast_unsigned();
        if number > LAST_HELPER {
            return Err(Reject::UnknownHelper { at, id });
        }
        let name = helper_name(id).unwrap_or_default();
        let prog_type = self.env.prog_type;
        let Some(row) = helper_in(HelperId(number), prog_type, self.attach) else {
            return Err(Reject::HelperNotAllowed { at, name });
        };
        if row.gpl_only && !self.env.gpl_compatible {
            return Err(Reject::GplOnly { at });
        }
        match row.gate {
            Gate::Open => {}
            Gate::Sleeps if self.env.prog_flags & BPF_F_SLEEPABLE != 0 => {}
            Gate::Sleeps => return Err(Reject::MightSleep { at }),
            Gate::Probe => return Err(Reject::NotInProbe { at }),
            // That comes after the arguments.
            Gate::FuncIp => {}
        }
        Ok(row)
    }

    /// Whether the helper may be used with this map: direction first, then type.
    fn check_map_use(&self, row: &HelperProto, map: Option<MapIdx>) -> Result<(), Reject> {
        let Some(map) = map else {
            return Ok(());
        };
        let (at, desc) = (self.at, self.map(map));
        let changes = matches!(
            row.id,
            HelperId::MAP_UPDATE_ELEM
                | HelperId::MAP_DELETE_ELEM
                | HelperId::MAP_PUSH_ELEM
                | HelperId::MAP_POP_ELEM
        );
        let Some(rule) = map_type_rule(desc.map_type) else {
            let what = format!("map type {}", desc.map_type);
            return Err(Reject::Unsupported { what });
        };
        let flags = desc.map_flags | rule.implied_flags;
        if changes && flags & BPF_F_RDONLY_PROG != 0 {
            return Err(Reject::MapUpdateForbidden { at });
        }
        if row.id == HelperId::TAIL_CALL && desc.map_type != MapType::PROG_ARRAY {
            return Err(Reject::TailCallMap { at });
        }
        if !rule.helpers.contains(&row.id) || !rule.lets_change(row.id, self.env.prog_type) {
            return Err(Reject::MapTypeHelper {
                at,
                map_type: desc.map_type.0,
                name: helper_name(row.id.0.cast_signed()).unwrap_or_default(),
            });
        }
        Ok(())
    }

    /// Remembers the map of a call while all paths agree on it.
    fn note_map(&mut self, map: Option<MapIdx>) {
        let info = &mut self.infos[self.at.index()];
        let map = map.filter(|map| !map.is_inner()).map(|map| map.0);
        info.call_map = match (info.called, info.call_map) {
            (false, _) => map,
            (true, before) if before == map => before,
            (true, _) => None,
        };
        info.called = true;
    }
}

//! A translated program made ready to run.

use crate::shims;
use skep_isa::InsnIdx;
use skep_jit::{CallModel, Code, CompileError, Options, Reloc, RelocKind, Symbol, Target};
use skep_maps::{DeviceMap, MapRef};
use skep_sys::{CodePages, CodePagesMut, Placement};
use skep_uapi::{Arch, HelperId, MapId, MapType};
use skep_verifier::UsedMap;
use skep_xlate::Xlated;
use std::fmt;

/// Whether to make machine code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Native {
    /// If this host has a compiler.
    IfPossible,
    /// No.
    Never,
}

/// Why a program could not be made ready.
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// It calls a helper that skep has no body for.
    NoHelper {
        /// Slot of the translated program.
        at: InsnIdx,
        /// The helper.
        id: HelperId,
    },
    /// The compiler refused it.
    Compile(CompileError),
    /// The map at this index of the table is not the one that the program was verified against.
    OtherMap {
        /// Index into the program's map table.
        index: usize,
    },
    /// The map at this index of the table has a definition only.
    NoMapBody {
        /// Index into the program's map table.
        index: usize,
        /// Its type.
        map_type: MapType,
    },
    /// A reference to a map that the program does not have, or to a value of a map without global data.
    BadSymbol(Symbol),
    /// The host gave no memory for code.
    Memory(std::io::Error),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHelper { at, id } => {
                write!(f, "insn {at} calls {id}, which skep does not implement yet")
            }
            Self::Compile(error) => write!(f, "cannot compile: {error}"),
            Self::OtherMap { index } => {
                write!(
                    f,
                    "map {index} is not the one that the program was verified against"
                )
            }
            Self::NoMapBody { map_type, .. } => {
                write!(
                    f,
                    "it uses a map of type {map_type}, which skep only has the definition of"
                )
            }
            Self::BadSymbol(symbol) => write!(f, "cannot resolve {symbol:?}"),
            Self::Memory(error) => write!(f, "cannot map memory for code: {error}"),
        }
    }
}

impl std::error::Error for PublishError {}

/// Machine code in executable pages.
#[derive(Debug)]
pub struct Compiled {
    code: Code,
    pages: CodePages,
}

impl Compiled {
    /// The code as it was compiled, relocations not applied.
    #[must_use]
    pub fn code(&self) -> &Code {
        &self.code
    }

    /// The bytes as they run.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.pages.bytes()[..self.code.bytes().len()]
    }

    /// Address of the first byte.
    #[must_use]
    pub fn addr(&self) -> u64 {
        self.pages.addr() as u64
    }

    pub(crate) fn pages(&self) -> &CodePages {
        &self.pages
    }
}

/// A program ready to run, with the maps that it uses.
#[derive(Debug)]
pub struct Image {
    xlated: Xlated,
    interp: skep_interp::Code,
    maps: Box<[MapRef]>,
    compiled: Option<Compiled>,
}

impl Image {
    /// Makes a program ready. `maps` is its map table, in the order of its references.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub fn publish(
        xlated: Xlated,
        maps: Vec<MapRef>,
        native: Native,
    ) -> Result<Self, PublishError> {
        check_helpers(&xlated)?;
        check_maps(&xlated, &maps)?;
        let compiled = match (native, HOST) {
            (Native::IfPossible, Some(target)) => Some(compile_and_place(&xlated, &maps, target)?),
            (Native::IfPossible, None) | (Native::Never, _) => None,
        };
        let interp = skep_interp::Code::new(&xlated);
        Ok(Self {
            xlated,
            interp,
            maps: maps.into(),
            compiled,
        })
    }

    /// The translated program.
    #[must_use]
    pub fn xlated(&self) -> &Xlated {
        &self.xlated
    }

    /// Its map table.
    #[must_use]
    pub fn maps(&self) -> &[MapRef] {
        &self.maps
    }

    /// Interfaces that a broadcast through one of its maps goes to now, in the order of the map's keys; `but_not` is left out.
    #[must_use]
    pub fn broadcast_targets(&self, map: MapId, but_not: Option<u32>) -> Vec<u32> {
        let map = self.maps.iter().find(|held| held.header().id == map.0);
        let devices = map.and_then(|map| map.object().devices());
        let mut targets = devices.map(DeviceMap::all).unwrap_or_default();
        targets.retain(|ifindex| Some(*ifindex) != but_not);
        targets
    }

    /// Its machine code, where there is any.
    #[must_use]
    pub fn compiled(&self) -> Option<&Compiled> {
        self.compiled.as_ref()
    }

    pub(crate) fn interp(&self) -> &skep_interp::Code {
        &self.interp
    }
}

/// The compiler's target that runs on this host.
const HOST: Option<Target> = if cfg!(target_arch = "x86_64") {
    Some(Target::X86_64)
} else if cfg!(target_arch = "aarch64") {
    Some(Target::Aarch64)
} else {
    None
};

/// Holds the maps against what the verifier saw: a smaller value or another type would make its proof worthless.
fn check_maps(xlated: &Xlated, maps: &[MapRef]) -> Result<(), PublishError> {
    let used = xlated.used_maps();
    let is_same = |(used, map): (&UsedMap, &MapRef)| {
        let header = map.header();
        let theirs = [
            header.id,
            header.map_type,
            header.key_bytes,
            header.value_bytes,
            header.max_entries,
        ];
        theirs
            == [
                used.id.0,
                used.map_type.0,
                used.key_size,
                used.value_size,
                used.max_entries,
            ]
    };
    if let Some(index) = used.iter().zip(maps).position(|pair| !is_same(pair)) {
        return Err(PublishError::OtherMap { index });
    }
    if used.len() != maps.len() {
        return Err(PublishError::OtherMap {
            index: used.len().min(maps.len()),
        });
    }
    if let Some(index) = maps.iter().position(|map| map.object().is_only_defined()) {
        let map_type = used[index].map_type;
        return Err(PublishError::NoMapBody { index, map_type });
    }
    Ok(())
}

fn check_helpers(xlated: &Xlated) -> Result<(), PublishError> {
    use skep_isa::{CallTarget, Insn};
    for (at, insn) in (0..).map(InsnIdx).zip(xlated.insns()) {
        if let Insn::Call(CallTarget::Helper(id)) = insn {
            let id = HelperId(id.cast_unsigned());
            if shims::shim(id).is_none() {
                return Err(PublishError::NoHelper { at, id });
            }
        }
    }
    Ok(())
}

/// Compiles for an architecture, for show: the bytes have addresses only where this host's own maps and helpers have them.
///
/// # Errors
/// If the compiler refuses the program.
pub fn compile_for(xlated: &Xlated, target: Target) -> Result<Code, PublishError> {
    skep_jit::compile(
        xlated,
        &Options {
            target,
            calls: CallModel::Far,
        },
    )
    .map_err(PublishError::Compile)
}

/// The bytes of code as they would lie at `base`.
///
/// # Errors
/// [`PublishError::BadSymbol`] if a reference cannot be resolved or is out of reach.
pub fn relocated(code: &Code, base: u64, maps: &[MapRef]) -> Result<Vec<u8>, PublishError> {
    let mut bytes = code.bytes().to_vec();
    for reloc in code.relocs() {
        let value = resolve(code, base, maps, reloc.symbol)?;
        if !apply(&mut bytes, base, reloc, value) {
            return Err(PublishError::BadSymbol(reloc.symbol));
        }
    }
    Ok(bytes)
}

/// The architecture of this host, where skep has a compiler for it.
#[must_use]
pub fn host_arch() -> Option<Arch> {
    HOST.map(|target| match target {
        Target::X86_64 => Arch::X86_64,
        Target::Aarch64 => Arch::Aarch64,
    })
}

/// Address at which compiled code calls a helper, for symbolising dumps.
#[must_use]
pub fn helper_addr(id: HelperId) -> Option<u64> {
    shims::addr(id)
}

/// Compiles with direct calls; if the host has no room near the helpers, again with far ones.
fn compile_and_place(
    xlated: &Xlated,
    maps: &[MapRef],
    target: Target,
) -> Result<Compiled, PublishError> {
    let near = shims::addr(HelperId::TRACE_PRINTK).and_then(|addr| usize::try_from(addr).ok());
    if let Some(near) = near
        && let Some(compiled) = place(
            xlated,
            maps,
            Options {
                target,
                calls: CallModel::Near,
            },
            Placement::Near(near),
        )?
    {
        return Ok(compiled);
    }
    let far = Options {
        target,
        calls: CallModel::Far,
    };
    let compiled = place(xlated, maps, far, Placement::Anywhere)?;
    Ok(compiled.expect("far code has no relocation that can be out of reach"))
}

/// `None` if a relocation is out of reach from where the pages came to lie.
fn place(
    xlated: &Xlated,
    maps: &[MapRef],
    options: Options,
    placement: Placement,
) -> Result<Option<Compiled>, PublishError> {
    let code = skep_jit::compile(xlated, &options).map_err(PublishError::Compile)?;
    let mut pages =
        CodePagesMut::new(code.bytes().len(), placement).map_err(PublishError::Memory)?;
    let base = pages.addr() as u64;
    pages.bytes_mut()[..code.bytes().len()].copy_from_slice(code.bytes());
    for reloc in code.relocs() {
        let value = resolve(&code, base, maps, reloc.symbol)?;
        if !apply(pages.bytes_mut(), base, reloc, value) {
            return Ok(None);
        }
    }
    let pages = pages.seal().map_err(PublishError::Memory)?;
    Ok(Some(Compiled { code, pages }))
}

fn resolve(code: &Code, base: u64, maps: &[MapRef], symbol: Symbol) -> Result<u64, PublishError> {
    let map = |index: u32| {
        usize::try_from(index)
            .ok()
            .and_then(|index| maps.get(index))
    };
    let found = match symbol {
        Symbol::Map { index } => map(index).map(skep_memory::Shared::addr),
        Symbol::MapValue { index, offset } => {
            let value = map(index).and_then(|map| map.object().direct_value());
            value.map(|value| value.start + u64::from(offset))
        }
        Symbol::Helper { id } => shims::addr(HelperId(id)),
        Symbol::Function { index } => {
            let start = usize::try_from(index)
                .ok()
                .and_then(|index| code.functions().get(index));
            start.map(|start| base + u64::from(*start))
        }
    };
    found.ok_or(PublishError::BadSymbol(symbol))
}

/// Puts an address into the code; `false` if it is out of reach.
fn apply(bytes: &mut [u8], base: u64, reloc: &Reloc, value: u64) -> bool {
    let at = usize::try_from(reloc.offset).expect("an offset into the code");
    match reloc.kind {
        RelocKind::Abs64 => {
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            true
        }
        RelocKind::X86Rel32 => {
            let next = base + u64::from(reloc.offset) + 4;
            let Ok(distance) = i32::try_from(value.wrapping_sub(next).cast_signed()) else {
                return false;
            };
            bytes[at..at + 4].copy_from_slice(&distance.to_le_bytes());
            true
        }
        RelocKind::A64Mov64 => {
            for (number, word) in bytes[at..at + 16]
                .as_chunks_mut::<4>()
                .0
                .iter_mut()
                .enumerate()
            {
                let part =
                    u32::try_from(value >> (16 * number) & 0xffff).expect("masked to 16 bits");
                let insn = u32::from_le_bytes(*word) & !(0xffff << 5) | part << 5;
                *word = insn.to_le_bytes();
            }
            true
        }
        RelocKind::A64Call26 => {
            let distance = value
                .wrapping_sub(base + u64::from(reloc.offset))
                .cast_signed()
                / 4;
            if !(-(1 << 25)..1 << 25).contains(&distance) {
                return false;
            }
            let field = u32::try_from(distance & 0x03ff_ffff).expect("masked to 26 bits");
            let word: &mut [u8; 4] = (&mut bytes[at..at + 4]).try_into().expect("four bytes");
            *word = (u32::from_le_bytes(*word) & !0x03ff_ffff | field).to_le_bytes();
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EngineKind, Packet, PacketSpec, RunSettings, Runner};
    use skep_helpers::{Clock, Services};

    struct Nothing;
    impl Services for Nothing {
        fn clock_ns(&self, _clock: Clock) -> u64 {
            77
        }
        fn random_u32(&self) -> u32 {
            0
        }
        fn trace(&self, _cpu: u32, _line: &[u8]) {}
    }

    fn xlated(text: &str) -> Xlated {
        let program = skep_isa::text::assemble(text).expect("the text is good");
        Xlated::assume_verified_for_tests(&program)
    }

    /// Where nothing near the helpers is free, code calls them from any distance.
    #[test]
    fn far_code_runs_like_near_code() {
        let Some(target) = HOST else { return };
        let xlated = xlated("call 5\nr6 = r0\ncall f\nr0 += r6\nexit\nf: r0 = 1\nexit");
        let packet = Packet::new(&[0; 64], &PacketSpec::default()).expect("enough memory");
        for calls in [CallModel::Near, CallModel::Far] {
            let placement = Placement::Anywhere;
            let placed = place(&xlated, &[], Options { target, calls }, placement);
            let Some(compiled) = placed.expect("it compiles") else {
                assert_eq!(calls, CallModel::Near, "only near code can be out of reach");
                continue;
            };
            let image = Image {
                interp: skep_interp::Code::new(&xlated),
                xlated: xlated.clone(),
                maps: Box::default(),
                compiled: Some(compiled),
            };
            let settings = RunSettings {
                services: &Nothing,
                cpu: 0,
                numa_node: 0,
            };
            let outcome = Runner::new(&image, settings).run(EngineKind::Native, &packet, 1);
            assert_eq!(outcome.map(|outcome| outcome.retval), Ok(78), "{calls:?}");
        }
    }

    #[test]
    fn near_code_out_of_reach_is_noticed() {
        let xlated = xlated("call 5\nexit");
        let helper = helper_addr(HelperId::KTIME_GET_NS).expect("it has a body");
        let far = helper.wrapping_add(1 << 40);
        for target in [Target::X86_64, Target::Aarch64] {
            let options = |calls| Options { target, calls };
            let near = skep_jit::compile(&xlated, &options(CallModel::Near)).expect("it compiles");
            let unreached = relocated(&near, far, &[]);
            assert!(
                matches!(unreached, Err(PublishError::BadSymbol(_))),
                "{unreached:?}"
            );
            let reached = relocated(&near, helper & !0xfff, &[]);
            assert!(reached.is_ok(), "{reached:?}");
            let anywhere = compile_for(&xlated, target).expect("it compiles");
            assert!(relocated(&anywhere, far, &[]).is_ok());
        }
    }
}

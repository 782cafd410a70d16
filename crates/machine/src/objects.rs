//! Objects with ids, and what each holds.

use skep_btf::{Btf, SpecialField};
use skep_exec::{Compiled, Image, RunError};
use skep_maps::MapRef;
use skep_uapi::{
    AttachType, BtfId, LinkId, LinkType, MapCreate, MapId, ObjectKind, ProgId, ProgType, TAG_SIZE,
    TypeId,
};
use skep_xlate::{Draft, Listing};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A loaded program.
#[derive(Debug)]
pub struct Prog {
    /// Id.
    pub id: ProgId,
    /// Name, may be empty.
    pub name: String,
    /// Type.
    pub prog_type: ProgType,
    /// Attach type that it was verified for.
    pub expected_attach_type: AttachType,
    /// Tag.
    pub tag: [u8; TAG_SIZE],
    /// Tags of its functions, the main one first.
    pub func_tags: Vec<[u8; TAG_SIZE]>,
    /// Whether its licence is GPL-compatible.
    pub gpl_compatible: bool,
    /// Nanoseconds since boot at load.
    pub load_time_ns: u64,
    /// Uid of the loader.
    pub uid: u32,
    /// What runs, or can only be shown.
    pub body: Body,
    /// Maps that it uses, in order of first reference.
    pub maps: Vec<Arc<MapBody>>,
    /// Further maps bound to it.
    pub bound_maps: Mutex<Vec<Arc<MapBody>>>,
    /// Its BTF.
    pub btf: Option<Arc<BtfObject>>,
    /// Function records, as slots of the program as loaded and BTF types.
    pub func_info: Vec<skep_verifier::FuncInfo>,
    /// Line records of the program as loaded.
    pub line_info: Vec<skep_verifier::LineInfo>,
    /// Instructions that the verifier processed.
    pub verified_insns: u32,
    /// Nanoseconds spent on each stage of the load.
    pub stages: LoadStages,
}

/// What a verified program became.
#[derive(Debug)]
pub enum Body {
    /// It runs.
    Runs(Image),
    /// Nothing here can run it: it is listed, dumped, pinned and held, like others.
    Shown {
        /// What dumps print.
        draft: Draft,
        /// Why it does not run, in a sentence.
        why: String,
    },
}

impl Body {
    /// What dumps print.
    #[must_use]
    pub fn listing(&self) -> Listing<'_> {
        match self {
            Self::Runs(image) => image.xlated().listing(),
            Self::Shown { draft, .. } => draft.listing(),
        }
    }
}

impl Prog {
    /// What runs.
    ///
    /// # Errors
    /// [`RunError::NoEngine`] for a program that can only be shown.
    pub fn image(&self) -> Result<&Image, RunError> {
        match &self.body {
            Body::Runs(image) => Ok(image),
            Body::Shown { why, .. } => Err(RunError::NoEngine { why: why.clone() }),
        }
    }

    /// Its machine code, where there is any.
    #[must_use]
    pub fn compiled(&self) -> Option<&Compiled> {
        match &self.body {
            Body::Runs(image) => image.compiled(),
            Body::Shown { .. } => None,
        }
    }

    /// What dumps print.
    #[must_use]
    pub fn listing(&self) -> Listing<'_> {
        self.body.listing()
    }
}

/// Nanoseconds of each stage of a load.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LoadStages {
    /// Decoding and verification.
    pub verify_ns: u64,
    /// Translation.
    pub translate_ns: u64,
    /// Compilation and publication.
    pub compile_ns: u64,
}

/// A map with its name, BTF and state.
#[derive(Debug)]
pub struct MapBody {
    /// Id.
    pub id: MapId,
    /// What it was created with.
    pub create: MapCreate,
    /// Values.
    pub map: MapRef,
    /// BTF of key and value.
    pub btf: Option<Arc<BtfObject>>,
    /// Special fields of the value, in order of offset.
    pub fields: Arc<[SpecialField]>,
    /// Template of the maps in a map of maps. It may be gone otherwise; only its definition counts.
    pub inner: Option<Arc<MapBody>>,
    /// Whether commands may no longer write.
    pub frozen: AtomicBool,
    /// Commands that write right now; freezing waits for none of them, it refuses (EBUSY).
    pub writers: AtomicU64,
}

/// A BTF object.
#[derive(Debug)]
pub struct BtfObject {
    /// Id.
    pub id: BtfId,
    /// Parsed.
    pub btf: Arc<Btf>,
    /// As it was loaded.
    pub data: Vec<u8>,
}

impl BtfObject {
    /// Whether a type exists.
    #[must_use]
    pub fn has(&self, id: TypeId) -> bool {
        id == TypeId(0) || self.btf.get(id).is_some()
    }
}

/// A link: what keeps a program attached. What it is attached to holds it.
#[derive(Debug)]
pub struct LinkObject {
    /// Id.
    pub id: LinkId,
    /// What kind of link it is.
    pub link_type: LinkType,
    state: Mutex<LinkState>,
}

#[derive(Debug)]
struct LinkState {
    prog: Arc<Prog>,
    /// Interface index; 0 once it is detached.
    ifindex: u32,
}

impl LinkObject {
    pub(crate) fn new(id: LinkId, link_type: LinkType, prog: Arc<Prog>, ifindex: u32) -> Self {
        Self {
            id,
            link_type,
            state: Mutex::new(LinkState { prog, ifindex }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The program that it holds now.
    #[must_use]
    pub fn prog(&self) -> Arc<Prog> {
        Arc::clone(&self.lock().prog)
    }

    /// Interface index; 0 once it is detached.
    #[must_use]
    pub fn ifindex(&self) -> u32 {
        self.lock().ifindex
    }

    /// Puts another program in the place of the one it holds. False if it is detached.
    pub(crate) fn replace(&self, prog: Arc<Prog>) -> bool {
        let mut state = self.lock();
        if state.ifindex == 0 {
            return false;
        }
        let old = std::mem::replace(&mut state.prog, prog);
        // The program may end with this, which needs no lock.
        drop(state);
        drop(old);
        true
    }

    /// Notes that it is attached to nothing any more; whoever still holds it keeps the program alive, as in Linux.
    pub fn detached(&self) {
        self.lock().ifindex = 0;
    }
}

/// An object that a handle or a pin holds.
#[derive(Clone, Debug)]
pub enum Object {
    /// A program.
    Prog(Arc<Prog>),
    /// A map.
    Map(Arc<MapBody>),
    /// A BTF object.
    Btf(Arc<BtfObject>),
    /// A link.
    Link(Arc<LinkObject>),
}

impl Object {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ObjectKind {
        match self {
            Self::Prog(_) => ObjectKind::Prog,
            Self::Map(_) => ObjectKind::Map,
            Self::Btf(_) => ObjectKind::Btf,
            Self::Link(_) => ObjectKind::Link,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        match self {
            Self::Prog(prog) => prog.id.0,
            Self::Map(map) => map.id.0,
            Self::Btf(btf) => btf.id.0,
            Self::Link(link) => link.id.0,
        }
    }
}

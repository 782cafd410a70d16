//! Rules of map types as rows.

use crate::Version;
use skep_uapi::{HelperId, MapType};

/// What a map type allows.
#[derive(Clone, Copy, Debug)]
pub struct MapTypeRule {
    /// Map type.
    pub id: MapType,
    /// Helpers that may take a map of this type.
    pub helpers: &'static [HelperId],
    /// Whether `ld_imm64` may point into its value (global data).
    pub direct_value: bool,
    /// Release that it came in.
    pub since: Version,
}

/// The rule of a map type that skep knows.
#[must_use]
pub fn map_type_rule(id: MapType) -> Option<&'static MapTypeRule> {
    RULES.iter().find(|row| row.id == id)
}

const COMMON: &[HelperId] = &[
    HelperId::MAP_LOOKUP_ELEM,
    HelperId::MAP_UPDATE_ELEM,
    HelperId::MAP_DELETE_ELEM,
    HelperId::FOR_EACH_MAP_ELEM,
];
const PERCPU: &[HelperId] = &[
    HelperId::MAP_LOOKUP_ELEM,
    HelperId::MAP_UPDATE_ELEM,
    HelperId::MAP_DELETE_ELEM,
    HelperId::FOR_EACH_MAP_ELEM,
    HelperId::MAP_LOOKUP_PERCPU_ELEM,
];

static RULES: &[MapTypeRule] = &[
    MapTypeRule {
        id: MapType::HASH,
        helpers: COMMON,
        direct_value: false,
        since: Version::new(3, 19),
    },
    MapTypeRule {
        id: MapType::ARRAY,
        helpers: COMMON,
        direct_value: true,
        since: Version::new(3, 19),
    },
    MapTypeRule {
        id: MapType::PERCPU_ARRAY,
        helpers: PERCPU,
        direct_value: false,
        since: Version::new(4, 6),
    },
];

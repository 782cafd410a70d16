//! Atomic operations (RFC 9669, section 5.3; load-acquire and store-release came with Linux 6.15).
//!
//! The code is the whole immediate. An operation with a `fetch` form has it at code + 1.

/// Builds [`AtomicOp`] from two lists of rows: operations that exist with and without `fetch` (code, operator, name,
/// meaning), and the others (code, name, meaning). The meaning is the value stored, from old value and operand.
macro_rules! atomic_ops {
    (
        fetching { $($(#[$fdoc:meta])* $fname:ident = $fcode:literal, $ftext:literal, $fword:literal, $fmeaning:expr;)* }
        others { $($(#[$odoc:meta])* $oname:ident = $ocode:literal, $oword:literal, $omeaning:expr;)* }
    ) => {
        /// Atomic operations (class STX, mode ATOMIC).
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum AtomicOp {
            $($(#[$fdoc])* $fname {
                /// Whether the old value returns in the source register.
                fetch: bool,
            },)*
            $($(#[$odoc])* $oname,)*
        }

        impl AtomicOp {
            /// All operations, those with `fetch` in both forms.
            pub const ALL: [Self; 12] = [
                $(Self::$fname { fetch: false }, Self::$fname { fetch: true },)*
                $(Self::$oname,)*
            ];

            /// Its immediate.
            #[must_use]
            pub const fn code(self) -> i32 {
                match self {
                    $(Self::$fname { fetch: false } => $fcode, Self::$fname { fetch: true } => $fcode + 1,)*
                    $(Self::$oname => $ocode,)*
                }
            }

            /// The operator of an operation without result (`+=`), as dumps print it after `lock`.
            #[must_use]
            pub const fn text(self) -> Option<&'static str> {
                match self {
                    $(Self::$fname { fetch: false } => Some($ftext), Self::$fname { fetch: true } => None,)*
                    $(Self::$oname => None,)*
                }
            }

            /// The word that dumps use for an operation with result (`fetch_add`), `load_acquire` and
            /// `store_release`; also given for the form without result.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$fname { .. } => $fword,)*
                    $(Self::$oname => $oword,)*
                }
            }

            /// The value that ends up in memory, from the value there and the operand register. For a
            /// compare-and-exchange this is the value stored *if* the comparison succeeds; a load stores what it
            /// read. The caller truncates to the access's size.
            #[must_use]
            pub fn eval(self, old: u64, operand: u64) -> u64 {
                let meaning: fn(u64, u64) -> u64 = match self {
                    $(Self::$fname { .. } => $fmeaning,)*
                    $(Self::$oname => $omeaning,)*
                };
                meaning(old, operand)
            }
        }
    };
}

atomic_ops! {
    fetching {
        /// `*addr += src`; with `fetch`, src = old value.
        Add = 0x00, "+=", "fetch_add", |old, s| old.wrapping_add(s);
        /// `*addr |= src`; with `fetch`, src = old value.
        Or = 0x40, "|=", "fetch_or", |old, s| old | s;
        /// `*addr &= src`; with `fetch`, src = old value.
        And = 0x50, "&=", "fetch_and", |old, s| old & s;
        /// `*addr ^= src`; with `fetch`, src = old value.
        Xor = 0xa0, "^=", "fetch_xor", |old, s| old ^ s;
    }
    others {
        /// src = exchange(*addr, src).
        Xchg = 0xe1, "xchg", |_, s| s;
        /// r0 = compare-and-exchange(*addr, r0, src).
        Cmpxchg = 0xf1, "cmpxchg", |_, s| s;
        /// dst = *(src + off), with acquire order. The *source* field is the base.
        LoadAcquire = 0x100, "load_acquire", |old, _| old;
        /// *(dst + off) = src, with release order.
        StoreRelease = 0x110, "store_release", |_, s| s;
    }
}

impl AtomicOp {
    /// The operation that an immediate names.
    #[must_use]
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.code() == code)
    }

    /// Whether it reads, changes and writes in one step; such operations exist for four and eight bytes only.
    #[must_use]
    pub const fn is_read_modify_write(self) -> bool {
        match self {
            Self::Add { .. } | Self::Or { .. } | Self::And { .. } | Self::Xor { .. } => true,
            Self::Xchg | Self::Cmpxchg => true,
            Self::LoadAcquire | Self::StoreRelease => false,
        }
    }
}

//! Objects that contradict the format, and random damage: an error or an answer, never a panic, never without end.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use skep_btf::dump::c::{DumpError, Frame, Options, Order};
use skep_btf::{
    Array, Btf, BtfError, BtfExt, Composite, Datasec, Flaw, Func, FuncProto, Int, IntEncoding,
    Kind, Linkage, Member, MemberForm, Param, SecVar, StrOff, Type, TypeId, Var, dump, proto,
    value,
};
use std::path::Path;

fn data(name: &str) -> Vec<u8> {
    std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data")
            .join(name),
    )
    .unwrap()
}

/// Everything that can be done with an accepted object.
fn exercise(btf: &Btf) {
    let _ = (dump::raw(btf), dump::raw_json(btf));
    for order in [Order::Sorted, Order::ById] {
        let _ = dump::c(
            btf,
            &Options {
                roots: Vec::new(),
                order,
                frame: Frame::Header,
            },
        );
    }
    for (id, _) in btf.iter() {
        let _ = (proto(btf, id), value::render(btf, id, &[0x41; 64]));
        let _ = (btf.size_of(id), btf.align_of(id), btf.resolve(id));
    }
    let _ = btf.check();
    assert_eq!(Btf::parse(&btf.to_bytes()).as_ref(), Ok(btf));
}

fn patched(offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut data = data("hello.btf");
    data[offset..offset + bytes.len()].copy_from_slice(bytes);
    data
}

#[test]
fn damaged_headers_are_refused() {
    let refuse = |data: &[u8], expected: fn(&BtfError) -> bool| {
        let error = Btf::parse(data).unwrap_err();
        assert!(expected(&error), "{error}");
    };
    refuse(&[], |e| matches!(e, BtfError::Truncated { .. }));
    refuse(&data("hello.btf")[..20], |e| {
        matches!(e, BtfError::Truncated { .. })
    });
    refuse(&patched(0, &[0xeb, 0x9f]), |e| {
        matches!(e, BtfError::Magic(0x9feb))
    });
    refuse(&patched(2, &[2]), |e| matches!(e, BtfError::Version(2)));
    refuse(&patched(3, &[1]), |e| matches!(e, BtfError::Flags(1)));
    refuse(&patched(4, &[20]), |e| {
        matches!(e, BtfError::HeaderLength(20))
    });
    refuse(&patched(4, &[32]), |e| matches!(e, BtfError::HeaderTail));
    refuse(&patched(8, &[4]), |e| {
        matches!(
            e,
            BtfError::Layout {
                section: "type",
                ..
            }
        )
    });
    refuse(&patched(12, &[0xff; 4]), |e| {
        matches!(e, BtfError::Layout { .. })
    });
    refuse(&patched(16, &[0; 4]), |e| {
        matches!(
            e,
            BtfError::Layout {
                section: "string",
                ..
            }
        )
    });
    let mut longer = data("hello.btf");
    longer.push(0);
    refuse(&longer, |e| {
        matches!(
            e,
            BtfError::Layout {
                section: "string",
                ..
            }
        )
    });
    let mut unterminated = data("hello.btf");
    *unterminated.last_mut().unwrap() = b'x';
    refuse(&unterminated, |e| matches!(e, BtfError::Strings));
    refuse(&patched(24 + 4, &[0, 0, 0, 0x1f]), |e| {
        matches!(
            e,
            BtfError::Type {
                what: Flaw::UnknownKind(31),
                ..
            }
        )
    });
    refuse(&patched(24 + 8, &[0xff]), |e| {
        matches!(
            e,
            BtfError::Type {
                what: Flaw::NoSuchType(_),
                ..
            }
        )
    });
    refuse(&patched(24, &[0, 0, 0xff]), |e| {
        matches!(
            e,
            BtfError::Type {
                what: Flaw::NameOffset(_),
                ..
            }
        )
    });
}

fn int(btf: &mut Btf) -> TypeId {
    let name = btf.add_string("int");
    let kind = Kind::Int(Int {
        size: 4,
        encoding: IntEncoding::SIGNED,
        bit_offset: 0,
        bits: 32,
    });
    btf.add_type(Type { name, kind })
}

fn anonymous(kind: Kind) -> Type {
    Type {
        name: StrOff::EMPTY,
        kind,
    }
}

fn member(btf: &mut Btf, name: &str, ty: TypeId, bit_offset: u32) -> Member {
    Member {
        name: btf.add_string(name),
        ty,
        bit_offset,
        bitfield_bits: 0,
    }
}

fn composite(size: u32, members: Vec<Member>) -> Composite {
    Composite {
        size,
        form: MemberForm::Offset,
        members,
    }
}

fn flaw(btf: &Btf) -> Flaw {
    match btf.check().unwrap_err() {
        BtfError::Type { what, .. } => what,
        other => panic!("{other}"),
    }
}

#[test]
fn loops_are_refused_and_harmless() {
    let mut own = Btf::default();
    let inner = member(&mut own, "x", TypeId(1), 0);
    let name = own.add_string("own");
    own.add_type(Type {
        name,
        kind: Kind::Struct(composite(4, vec![inner])),
    });
    assert_eq!(flaw(&own), Flaw::Loop);
    let options = Options {
        roots: Vec::new(),
        order: Order::ById,
        frame: Frame::None,
    };
    assert_eq!(dump::c(&own, &options), Err(DumpError::Loop(TypeId(1))));
    exercise(&own);

    let mut aliases = Btf::default();
    let name = aliases.add_string("t");
    aliases.add_type(anonymous(Kind::Const(TypeId(2))));
    aliases.add_type(Type {
        name,
        kind: Kind::Typedef(TypeId(3)),
    });
    aliases.add_type(anonymous(Kind::Ptr(TypeId(1))));
    assert_eq!(flaw(&aliases), Flaw::Loop);
    exercise(&aliases);

    // A prototype whose parameter points to itself.
    let mut function = Btf::default();
    let params = vec![Param {
        name: StrOff::EMPTY,
        ty: TypeId(2),
    }];
    function.add_type(anonymous(Kind::FuncProto(FuncProto {
        ret: TypeId(0),
        params,
    })));
    function.add_type(anonymous(Kind::Ptr(TypeId(1))));
    exercise(&function);
}

#[test]
fn doubling_structures_are_cut() {
    let mut btf = Btf::default();
    let mut last = int(&mut btf);
    for _ in 0..60 {
        let members = vec![
            member(&mut btf, "a", last, 0),
            member(&mut btf, "b", last, 0),
        ];
        last = btf.add_type(anonymous(Kind::Union(composite(4, members))));
    }
    let name = btf.add_string("top");
    btf.add_type(Type {
        name,
        kind: Kind::Typedef(last),
    });
    btf.check().unwrap();
    let options = Options {
        roots: Vec::new(),
        order: Order::ById,
        frame: Frame::None,
    };
    assert_eq!(dump::c(&btf, &options), Err(DumpError::TooLong));
    let _ = value::render(&btf, last, &[0; 4]);
}

#[test]
fn deep_nesting_is_cut() {
    let mut btf = Btf::default();
    let mut last = int(&mut btf);
    for _ in 0..100_000 {
        last = btf.add_type(anonymous(Kind::Ptr(last)));
    }
    let params = vec![Param {
        name: btf.add_string("p"),
        ty: last,
    }];
    let func = btf.add_type(anonymous(Kind::FuncProto(FuncProto { ret: last, params })));
    assert_eq!(proto(&btf, func), "");
    let options = Options {
        roots: vec![func],
        order: Order::ById,
        frame: Frame::None,
    };
    assert!(matches!(
        dump::c(&btf, &options),
        Err(DumpError::TooDeep(_))
    ));
    assert_eq!(btf.size_of(last), Some(8));
}

#[test]
fn what_the_kernel_refuses_is_refused() {
    let refuse = |build: &dyn Fn(&mut Btf, TypeId), expected: Flaw| {
        let mut btf = Btf::default();
        let int = int(&mut btf);
        btf.check().unwrap();
        build(&mut btf, int);
        assert_eq!(flaw(&btf), expected);
        exercise(&btf);
    };
    let far = |btf: &mut Btf, int| {
        let member = member(btf, "m", int, 8);
        btf.add_type(anonymous(Kind::Struct(composite(4, vec![member]))));
    };
    refuse(&far, Flaw::Member(0));
    let backwards = |btf: &mut Btf, int| {
        let members = vec![member(btf, "a", int, 32), member(btf, "b", int, 0)];
        btf.add_type(anonymous(Kind::Struct(composite(8, members))));
    };
    refuse(&backwards, Flaw::Member(1));
    let overflow = |btf: &mut Btf, int| {
        btf.add_type(anonymous(Kind::Array(Array {
            elem: int,
            index: int,
            count: 0x4000_0000,
        })));
    };
    refuse(&overflow, Flaw::ArraySize);
    let unnamed = |btf: &mut Btf, int| {
        btf.add_type(anonymous(Kind::Typedef(int)));
    };
    refuse(&unnamed, Flaw::Name);
    let no_proto = |btf: &mut Btf, int| {
        let name = btf.add_string("f");
        btf.add_type(Type {
            name,
            kind: Kind::Func(Func {
                proto: int,
                linkage: Linkage::GLOBAL,
            }),
        });
    };
    refuse(&no_proto, Flaw::WrongTarget(TypeId(1)));
    let section = |size, offset| {
        move |btf: &mut Btf, ty| {
            let name = btf.add_string("v");
            let ty = btf.add_type(Type {
                name,
                kind: Kind::Var(Var {
                    ty,
                    linkage: Linkage::GLOBAL,
                }),
            });
            let name = btf.add_string(".data");
            let vars = vec![SecVar {
                ty,
                offset,
                size: 4,
            }];
            btf.add_type(Type {
                name,
                kind: Kind::Datasec(Datasec { size, vars }),
            });
        }
    };
    refuse(&section(0, 0), Flaw::Size(0));
    refuse(&section(4, 1), Flaw::SecVar(0));
}

/// A small generator, so that a failure repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[test]
fn random_damage_never_panics() {
    let mut random = Random(0x5eed);
    let mut accepted = 0;
    for name in ["hello", "hard", "values", "pointers"] {
        let original = data(&format!("{name}.btf"));
        let types_len = u32::from_le_bytes(original[12..16].try_into().unwrap()) as usize;
        for _ in 0..100 {
            let mut bytes = original.clone();
            for _ in 0..=random.below(3) {
                // Mostly small words in the type section: ids, sizes and counts.
                let at = 24 + random.below(types_len / 4) * 4;
                let word = match random.below(3) {
                    0 => random.below(200) as u32,
                    1 => {
                        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
                            ^ 1 << random.below(32)
                    }
                    _ => random.below(1 << 32) as u32,
                };
                bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
            }
            if random.below(8) == 0 {
                bytes.truncate(random.below(bytes.len()));
            }
            if let Ok(btf) = Btf::parse(&bytes) {
                accepted += 1;
                exercise(&btf);
            }
        }
    }
    assert!(accepted > 30, "{accepted}");
}

#[test]
fn damaged_ext_never_panics() {
    let btf = Btf::parse(&data("core.btf")).unwrap();
    let original = data("core.btfext");
    assert!(BtfExt::parse(&[], &btf).is_err());
    for len in 0..original.len() {
        assert!(BtfExt::parse(&original[..len], &btf).is_err(), "{len}");
    }
    let mut random = Random(1);
    for _ in 0..20_000 {
        let mut bytes = original.clone();
        let at = random.below(bytes.len());
        bytes[at] = random.below(256) as u8;
        let _ = BtfExt::parse(&bytes, &btf);
    }
}

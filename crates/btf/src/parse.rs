//! Bytes to [`Btf`]: the structure that every reader may rely on.
//!
//! After this pass every type id in a record exists, every name offset lies in the string section and its string is
//! UTF-8, and nothing of the input is lost (see [`crate::write`]). Object files contain BTF that the kernel would refuse
//! until a loader has completed it (sections of size 0, extern functions), so the kernel's further rules are a pass of
//! their own, [`crate::check`]. Loops among types are still possible here; who follows references bounds the walk.

use crate::btf::Btf;
use crate::error::{BtfError, Flaw};
use crate::limits::{BTF_BYTES_MAX, NAME_OFFSET_MAX, TYPES_MAX};
use crate::types::{
    Array, Composite, Datasec, DeclTag, Enum, Enum64, Func, FuncProto, FwdKind, Int, IntEncoding,
    Kind, Linkage, Member, MemberForm, Param, SecVar, Signedness, StrOff, TagForm, Type, TypeTag,
    Var,
};
use crate::wire::{Reader, window};
use skep_uapi::TypeId;

/// `BTF_MAGIC`.
pub(crate) const MAGIC: u16 = 0xeb9f;
/// `BTF_VERSION`.
pub(crate) const VERSION: u8 = 1;
/// `sizeof(struct btf_header)`.
pub(crate) const HEADER_BYTES: u32 = 24;
/// Longest header: one page, as the kernel takes it.
const HEADER_BYTES_MAX: u32 = 4096;
/// Bits of `btf_type.info` that mean something: kind flag, kind, vlen.
const INFO_MASK: u32 = 0x9f00_ffff;
/// Bits of an integer's data word that mean something.
const INT_DATA_MASK: u32 = 0x0fff_ffff;

pub(crate) fn parse(data: &[u8]) -> Result<Btf, BtfError> {
    if data.len() > BTF_BYTES_MAX {
        return Err(BtfError::TooLarge("more than 16 MiB"));
    }
    let header = Header::parse(data)?;
    let body = data.get(header.len_usize()..).unwrap_or_default();
    let (types, strings) = header.sections(body)?;
    if strings.first() != Some(&0) || strings.last() != Some(&0) {
        return Err(BtfError::Strings);
    }
    let btf = Btf {
        types: parse_types(types)?,
        strings: strings.to_vec(),
        header_bytes: header.len,
    };
    for (id, ty) in btf.iter() {
        check_references(&btf, ty).map_err(|what| BtfError::Type {
            id,
            kind: ty.kind.name(),
            what,
        })?;
    }
    Ok(btf)
}

struct Header {
    len: u32,
    type_off: u32,
    type_len: u32,
    str_off: u32,
    str_len: u32,
}

impl Header {
    fn parse(data: &[u8]) -> Result<Self, BtfError> {
        let short = BtfError::Truncated {
            what: "the header",
            offset: data.len(),
        };
        let mut reader = Reader::new(data);
        let mut word = || reader.u32().ok_or_else(|| short.clone());
        let first = word()?.to_le_bytes();
        let [len, type_off, type_len, str_off, str_len] =
            [word()?, word()?, word()?, word()?, word()?];
        let magic = u16::from_le_bytes([first[0], first[1]]);
        if magic != MAGIC {
            return Err(BtfError::Magic(magic));
        }
        if !(HEADER_BYTES..=HEADER_BYTES_MAX).contains(&len) {
            return Err(BtfError::HeaderLength(len));
        }
        let tail = window(data, HEADER_BYTES, len - HEADER_BYTES).ok_or(short)?;
        if tail.iter().any(|byte| *byte != 0) {
            return Err(BtfError::HeaderTail);
        }
        if first[2] != VERSION {
            return Err(BtfError::Version(first[2]));
        }
        if first[3] != 0 {
            return Err(BtfError::Flags(first[3]));
        }
        Ok(Self {
            len,
            type_off,
            type_len,
            str_off,
            str_len,
        })
    }

    fn len_usize(&self) -> usize {
        // At most a page.
        usize::try_from(self.len).unwrap_or(usize::MAX)
    }

    /// Types first, strings behind them up to the end, nothing between: the one layout that the kernel takes.
    fn sections<'a>(&self, body: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), BtfError> {
        let bad_types = BtfError::Layout {
            section: "type",
            offset: self.type_off,
            len: self.type_len,
        };
        let bad_strings = BtfError::Layout {
            section: "string",
            offset: self.str_off,
            len: self.str_len,
        };
        if self.type_off != 0 || !self.type_len.is_multiple_of(4) {
            return Err(bad_types);
        }
        let types = window(body, self.type_off, self.type_len).ok_or(bad_types)?;
        let strings = window(body, self.str_off, self.str_len).ok_or(bad_strings.clone())?;
        if self.str_off != self.type_len || types.len() + strings.len() != body.len() {
            return Err(bad_strings);
        }
        if types.is_empty() {
            return Err(BtfError::NoTypes);
        }
        if self.str_len > NAME_OFFSET_MAX {
            return Err(BtfError::TooLarge("string section"));
        }
        Ok((types, strings))
    }
}

fn parse_types(section: &[u8]) -> Result<Vec<Type>, BtfError> {
    let mut reader = Reader::new(section);
    let mut types = Vec::new();
    while !reader.is_at_end() {
        if types.len() >= TYPES_MAX {
            return Err(BtfError::TooLarge("more than 1048575 types"));
        }
        let id = TypeId(u32::try_from(types.len() + 1).unwrap_or(u32::MAX));
        types.push(
            RecordReader {
                id,
                reader: &mut reader,
            }
            .record()?,
        );
    }
    Ok(types)
}

/// The common part of a record, decoded.
struct Info {
    flag: bool,
    vlen: u32,
    word: u32,
}

struct RecordReader<'r, 'a> {
    id: TypeId,
    reader: &'r mut Reader<'a>,
}

impl RecordReader<'_, '_> {
    fn record(&mut self) -> Result<Type, BtfError> {
        let name = StrOff(self.word()?);
        let info = self.word()?;
        let word = self.word()?;
        if info & !INFO_MASK != 0 {
            return Err(self.flaw("UNKNOWN", Flaw::ReservedInfo(info)));
        }
        let code = (info >> 24) & 0x1f;
        let info = Info {
            flag: info >> 31 != 0,
            vlen: info & 0xffff,
            word,
        };
        let kind = self.kind(code, &info)?;
        self.check_info(&kind, &info)?;
        Ok(Type { name, kind })
    }

    fn kind(&mut self, code: u32, info: &Info) -> Result<Kind, BtfError> {
        let target = TypeId(info.word);
        let form = if info.flag {
            TagForm::Attribute
        } else {
            TagForm::Tag
        };
        Ok(match code {
            1 => Kind::Int(self.int(info.word)?),
            2 => Kind::Ptr(target),
            3 => Kind::Array(Array {
                elem: self.id()?,
                index: self.id()?,
                count: self.word()?,
            }),
            4 => Kind::Struct(self.composite(info)?),
            5 => Kind::Union(self.composite(info)?),
            6 => Kind::Enum(self.enumeration(info)?),
            7 => Kind::Fwd(if info.flag {
                FwdKind::Union
            } else {
                FwdKind::Struct
            }),
            8 => Kind::Typedef(target),
            9 => Kind::Volatile(target),
            10 => Kind::Const(target),
            11 => Kind::Restrict(target),
            12 => Kind::Func(Func {
                proto: target,
                linkage: Linkage(info.vlen),
            }),
            13 => Kind::FuncProto(FuncProto {
                ret: target,
                params: self.params(info.vlen)?,
            }),
            14 => Kind::Var(Var {
                ty: target,
                linkage: Linkage(self.word()?),
            }),
            15 => Kind::Datasec(Datasec {
                size: info.word,
                vars: self.sec_vars(info.vlen)?,
            }),
            16 => Kind::Float { size: info.word },
            17 => Kind::DeclTag(DeclTag {
                target,
                component: self.word()?.cast_signed(),
                form,
            }),
            18 => Kind::TypeTag(TypeTag { target, form }),
            19 => Kind::Enum64(self.enumeration64(info)?),
            unknown => return Err(self.flaw("UNKNOWN", Flaw::UnknownKind(unknown))),
        })
    }

    /// Refuses what the variants of [`Kind`] do not hold.
    fn check_info(&self, kind: &Kind, info: &Info) -> Result<(), BtfError> {
        let (uses_vlen, uses_flag, uses_word) = match kind {
            Kind::Struct(_) | Kind::Union(_) | Kind::Enum(_) | Kind::Enum64(_) => {
                (true, true, true)
            }
            Kind::Func(_) | Kind::FuncProto(_) | Kind::Datasec(_) => (true, false, true),
            Kind::DeclTag(_) | Kind::TypeTag(_) => (false, true, true),
            Kind::Fwd(_) => (false, true, false),
            Kind::Array(_) => (false, false, false),
            Kind::Int(_)
            | Kind::Ptr(_)
            | Kind::Typedef(_)
            | Kind::Volatile(_)
            | Kind::Const(_)
            | Kind::Restrict(_)
            | Kind::Var(_)
            | Kind::Float { .. } => (false, false, true),
        };
        let flaw = if !uses_vlen && info.vlen != 0 {
            Flaw::Vlen(info.vlen)
        } else if !uses_flag && info.flag {
            Flaw::KindFlag
        } else if !uses_word && info.word != 0 {
            Flaw::SizeNotZero
        } else {
            return Ok(());
        };
        Err(self.flaw(kind.name(), flaw))
    }

    fn int(&mut self, size: u32) -> Result<Int, BtfError> {
        let data = self.word()?;
        if data & !INT_DATA_MASK != 0 {
            return Err(self.flaw("INT", Flaw::IntData(data)));
        }
        let [bits, _, bit_offset, encoding] = data.to_le_bytes();
        if data & 0xff00 != 0 {
            return Err(self.flaw("INT", Flaw::IntData(data)));
        }
        Ok(Int {
            size,
            encoding: IntEncoding(encoding),
            bit_offset,
            bits,
        })
    }

    fn composite(&mut self, info: &Info) -> Result<Composite, BtfError> {
        let form = if info.flag {
            MemberForm::OffsetAndWidth
        } else {
            MemberForm::Offset
        };
        let members = self.list(info.vlen, 12, |record| {
            let (name, ty, offset) = (StrOff(record.word()?), record.id()?, record.word()?);
            let [low, mid, high, top] = offset.to_le_bytes();
            let (bit_offset, bitfield_bits) = match form {
                MemberForm::Offset => (offset, 0),
                MemberForm::OffsetAndWidth => (u32::from_le_bytes([low, mid, high, 0]), top),
            };
            Ok(Member {
                name,
                ty,
                bit_offset,
                bitfield_bits,
            })
        })?;
        Ok(Composite {
            size: info.word,
            form,
            members,
        })
    }

    fn enumeration(&mut self, info: &Info) -> Result<Enum, BtfError> {
        let values = self.list(info.vlen, 8, |record| {
            Ok((StrOff(record.word()?), record.word()?))
        })?;
        Ok(Enum {
            size: info.word,
            sign: sign(info.flag),
            values,
        })
    }

    fn enumeration64(&mut self, info: &Info) -> Result<Enum64, BtfError> {
        let values = self.list(info.vlen, 12, |record| {
            let (name, low, high) = (StrOff(record.word()?), record.word()?, record.word()?);
            Ok((name, u64::from(high) << 32 | u64::from(low)))
        })?;
        Ok(Enum64 {
            size: info.word,
            sign: sign(info.flag),
            values,
        })
    }

    fn params(&mut self, vlen: u32) -> Result<Vec<Param>, BtfError> {
        self.list(vlen, 8, |record| {
            Ok(Param {
                name: StrOff(record.word()?),
                ty: record.id()?,
            })
        })
    }

    fn sec_vars(&mut self, vlen: u32) -> Result<Vec<SecVar>, BtfError> {
        self.list(vlen, 12, |record| {
            Ok(SecVar {
                ty: record.id()?,
                offset: record.word()?,
                size: record.word()?,
            })
        })
    }

    /// `count` records of `record_bytes` each; room is reserved only for what the section can hold.
    fn list<T>(
        &mut self,
        count: u32,
        record_bytes: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, BtfError>,
    ) -> Result<Vec<T>, BtfError> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut items = Vec::with_capacity(count.min(self.reader.remaining() / record_bytes));
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    fn word(&mut self) -> Result<u32, BtfError> {
        let offset = self.reader.position();
        self.reader.u32().ok_or(BtfError::Truncated {
            what: "a type",
            offset,
        })
    }

    fn id(&mut self) -> Result<TypeId, BtfError> {
        self.word().map(TypeId)
    }

    fn flaw(&self, kind: &'static str, what: Flaw) -> BtfError {
        BtfError::Type {
            id: self.id,
            kind,
            what,
        }
    }
}

fn sign(flag: bool) -> Signedness {
    if flag {
        Signedness::Signed
    } else {
        Signedness::Unsigned
    }
}

fn check_references(btf: &Btf, ty: &Type) -> Result<(), Flaw> {
    let mut flaw = None;
    ty.kind.for_each_ref(|id| {
        if id.0 != 0 && btf.get(id).is_none() {
            flaw.get_or_insert(Flaw::NoSuchType(id));
        }
    });
    let mut name = |off: StrOff| {
        if btf.str(off).is_none() {
            flaw.get_or_insert(Flaw::NameOffset(off.0));
        }
    };
    name(ty.name);
    ty.kind.for_each_inner_name(name);
    flaw.map_or(Ok(()), Err)
}

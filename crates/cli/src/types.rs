//! The BTF of a program or map, with the records that tie it to instructions.

use crate::calls;
use crate::output::escape;
use skep_btf::Btf;
use skep_uapi::{Bpf, BtfId, Errno, ObjectKind, TypeId};

/// Bytes of a `bpf_func_info` record.
const FUNC_INFO_BYTES: usize = 8;
/// Bytes of a `bpf_line_info` record.
const LINE_INFO_BYTES: usize = 16;

/// A parsed BTF object.
#[derive(Clone, Debug)]
pub(crate) struct Types {
    /// The types.
    pub(crate) btf: Btf,
}

/// A function record: where it starts and its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FuncRecord {
    /// Index of its first instruction.
    pub(crate) insn: u32,
    /// Type id of its `FUNC`.
    pub(crate) ty: TypeId,
}

/// A source line, ready to print.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SourceLine {
    /// Index of the first instruction of this line.
    pub(crate) insn: u32,
    /// Text without indentation.
    pub(crate) text: String,
    /// File, may be empty.
    pub(crate) file: String,
    /// Line number, from 1.
    pub(crate) line: u32,
    /// Column, from 1; 0 if unknown.
    pub(crate) column: u32,
}

impl Types {
    /// The BTF of a program or map, `None` if it has none.
    pub(crate) fn of_prog(bpf: &dyn Bpf, id: BtfId) -> Result<Option<Self>, Errno> {
        if id.0 == 0 {
            return Ok(None);
        }
        let held = calls::open_id(bpf, ObjectKind::Btf, id.0)?;
        let info = calls::btf_info(bpf, held.handle())?;
        Btf::parse(&info.data)
            .map(|btf| Some(Self { btf }))
            .map_err(|_| Errno::EINVAL)
    }

    /// The name of function `index` of a program.
    pub(crate) fn func_name(&self, func_info: &[u8], index: usize) -> Option<String> {
        let record = func_records(func_info).nth(index)?;
        let name = self.btf.name(record.ty);
        (!name.is_empty()).then(|| escape(name))
    }

    /// The prototype of a function, without the colon; empty if there is none.
    pub(crate) fn proto(&self, ty: TypeId) -> String {
        escape(&skep_btf::proto(&self.btf, ty))
    }

    /// All source lines of a program in order of its records. A record whose text is missing is an empty line.
    pub(crate) fn lines(&self, line_info: &[u8]) -> Vec<SourceLine> {
        let text = |offset: u32| {
            let offset = skep_btf::StrOff(offset);
            self.btf
                .text(offset)
                .map(|text| escape(&text))
                .unwrap_or_default()
        };
        let records = line_info.chunks_exact(LINE_INFO_BYTES);
        records
            .map(|record| {
                let [insn, file, line, place] = words(record);
                SourceLine {
                    insn,
                    text: text(line).trim_start().to_owned(),
                    file: text(file),
                    line: place >> 10,
                    column: place & 0x3ff,
                }
            })
            .collect()
    }
}

/// The function records in wire form.
pub(crate) fn func_records(func_info: &[u8]) -> impl Iterator<Item = FuncRecord> + '_ {
    func_info.chunks_exact(FUNC_INFO_BYTES).map(|record| {
        let [insn, ty] = words(record);
        FuncRecord {
            insn,
            ty: TypeId(ty),
        }
    })
}

/// The first `N` little-endian words of `bytes`; missing ones are 0.
fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let mut out = [0; N];
    for (word, chunk) in out.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = chunk.try_into().map_or(0, u32::from_le_bytes);
    }
    out
}

//! `BPF_OBJ_GET_INFO_BY_FD`. Arrays are asked for twice: once for their sizes, then with room for them.

use super::attr::{Attr, Command, Fields, call, len_u32};
use std::io;
use std::os::fd::BorrowedFd;

/// Bytes of `struct bpf_prog_info` up to `attach_btf_id`, rounded up.
const PROG_INFO_BYTES: usize = 232;
/// Bytes of `struct bpf_map_info` up to `map_extra`.
const MAP_INFO_BYTES: usize = 88;
/// Bytes of `struct bpf_btf_info`.
const BTF_INFO_BYTES: usize = 32;
/// Bytes of the part of `struct bpf_link_info` that holds no pointers for the links that skep knows.
const LINK_INFO_BYTES: usize = 64;

/// Times that sizes are asked for again when they grew in between; only BTF of the kernel and statistics ever move.
const SIZE_TRIES_MAX: u32 = 4;

/// Most bytes of one array; the kernel's own BTF has about 6 MB.
const ARRAY_BYTES_MAX: usize = 256 << 20;

/// Fills `info` in place.
///
/// # Safety
/// Every pointer field in `info` is null or points to memory with room for the count beside it.
unsafe fn query<const BYTES: usize>(
    fd: BorrowedFd<'_>,
    info: &mut Fields<BYTES>,
) -> io::Result<()> {
    let bytes = info.as_mut_bytes();
    let mut attr = Attr::new();
    attr.set_fd(0, fd)
        .set_u32(4, len_u32(bytes.len())?)
        .set_output(8, bytes);
    // SAFETY: the kernel writes at most `info_len` bytes, the structure's size, and what that points to, for which
    // the caller vouches.
    unsafe { call(Command::ObjInfo, &mut attr) }?;
    Ok(())
}

/// `struct bpf_prog_info` without its arrays, but with the ids of maps.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    missing_docs,
    reason = "the fields of bpf_prog_info, by their names there"
)]
pub struct ProgInfo {
    pub prog_type: u32,
    pub id: u32,
    pub tag: [u8; 8],
    pub jited_prog_len: u32,
    pub xlated_prog_len: u32,
    pub load_time: u64,
    pub created_by_uid: u32,
    pub map_ids: Vec<u32>,
    pub name: String,
    pub ifindex: u32,
    pub gpl_compatible: bool,
    pub btf_id: u32,
    pub run_time_ns: u64,
    pub run_cnt: u64,
    pub recursion_misses: u64,
    pub verified_insns: u32,
}

/// Information about a program.
///
/// # Errors
/// `EINVAL` if it is another object.
pub fn prog_info(fd: BorrowedFd<'_>) -> io::Result<ProgInfo> {
    let (info, [map_ids]) = prog_query(fd, [Array::MAP_IDS])?;
    Ok(ProgInfo {
        prog_type: info.u32(0),
        id: info.u32(4),
        tag: info.bytes(8),
        jited_prog_len: info.u32(16),
        xlated_prog_len: info.u32(20),
        load_time: info.u64(40),
        created_by_uid: info.u32(48),
        map_ids: words(&map_ids),
        name: text(&info.bytes::<16>(64)),
        ifindex: info.u32(80),
        gpl_compatible: info.u32(84) & 1 != 0,
        btf_id: info.u32(128),
        run_time_ns: info.u64(192),
        run_cnt: info.u64(200),
        recursion_misses: info.u64(208),
        verified_insns: info.u32(216),
    })
}

/// The arrays of `struct bpf_prog_info`. Those that the kernel withholds from this process are empty.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    missing_docs,
    reason = "the fields of bpf_prog_info, by their names there"
)]
pub struct ProgArrays {
    pub jited_prog_insns: Vec<u8>,
    pub xlated_prog_insns: Vec<u8>,
    pub jited_ksyms: Vec<u64>,
    pub jited_func_lens: Vec<u32>,
    pub func_info: Vec<u8>,
    pub line_info: Vec<u8>,
    pub jited_line_info: Vec<u64>,
    pub prog_tags: Vec<[u8; 8]>,
}

/// Everything about a program's code.
///
/// # Errors
/// As [`prog_info`].
pub fn prog_arrays(fd: BorrowedFd<'_>) -> io::Result<ProgArrays> {
    let (
        _,
        [
            jited,
            xlated,
            ksyms,
            func_lens,
            func_info,
            line_info,
            jited_lines,
            tags,
        ],
    ) = prog_query(
        fd,
        [
            Array::JITED,
            Array::XLATED,
            Array::KSYMS,
            Array::FUNC_LENS,
            Array::FUNC_INFO,
            Array::LINE_INFO,
            Array::JITED_LINE_INFO,
            Array::PROG_TAGS,
        ],
    )?;
    Ok(ProgArrays {
        jited_prog_insns: jited,
        xlated_prog_insns: xlated,
        jited_ksyms: long_words(&ksyms),
        jited_func_lens: words(&func_lens),
        func_info,
        line_info,
        jited_line_info: long_words(&jited_lines),
        prog_tags: tags.as_chunks().0.to_vec(),
    })
}

/// Bytes of an array's element.
#[derive(Clone, Copy, Debug)]
enum Element {
    /// Always this many.
    Bytes(usize),
    /// As many as the kernel says in the field at this offset; it must be passed back.
    SizeAt(usize),
}

/// Where `struct bpf_prog_info` has an array.
#[derive(Clone, Copy, Debug)]
struct Array {
    /// Offset of the number of elements.
    count_at: usize,
    /// Offset of the pointer.
    pointer_at: usize,
    element: Element,
}

impl Array {
    const JITED: Self = Self::new(16, 24, Element::Bytes(1));
    const XLATED: Self = Self::new(20, 32, Element::Bytes(1));
    const MAP_IDS: Self = Self::new(52, 56, Element::Bytes(4));
    const KSYMS: Self = Self::new(104, 112, Element::Bytes(8));
    const FUNC_LENS: Self = Self::new(108, 120, Element::Bytes(4));
    const FUNC_INFO: Self = Self::new(144, 136, Element::SizeAt(132));
    const LINE_INFO: Self = Self::new(148, 152, Element::SizeAt(172));
    const JITED_LINE_INFO: Self = Self::new(168, 160, Element::SizeAt(176));
    const PROG_TAGS: Self = Self::new(180, 184, Element::Bytes(8));

    const fn new(count_at: usize, pointer_at: usize, element: Element) -> Self {
        Self {
            count_at,
            pointer_at,
            element,
        }
    }

    /// Bytes that `info` says the array has.
    fn bytes(self, info: &Fields<PROG_INFO_BYTES>) -> io::Result<usize> {
        let to_len = |value| usize::try_from(value).unwrap_or(usize::MAX);
        let element = match self.element {
            Element::Bytes(bytes) => bytes,
            Element::SizeAt(at) => to_len(info.u32(at)),
        };
        to_len(info.u32(self.count_at))
            .checked_mul(element)
            .filter(|&bytes| bytes <= ARRAY_BYTES_MAX)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EFBIG))
    }
}

/// Asks for the sizes, then for the arrays, again while they grow.
fn prog_query<const N: usize>(
    fd: BorrowedFd<'_>,
    arrays: [Array; N],
) -> io::Result<(Fields<PROG_INFO_BYTES>, [Vec<u8>; N])> {
    let mut sizes = Fields::new();
    // SAFETY: all pointers in `sizes` are null.
    unsafe { query(fd, &mut sizes) }?;
    for _ in 0..SIZE_TRIES_MAX {
        let mut info = Fields::new();
        let mut buffers = [const { Vec::new() }; N];
        for (array, buffer) in arrays.iter().zip(&mut buffers) {
            *buffer = vec![0; array.bytes(&sizes)?];
            info.set_u32(array.count_at, sizes.u32(array.count_at))
                .set_output(array.pointer_at, buffer);
            if let Element::SizeAt(at) = array.element
                && !buffer.is_empty()
            {
                info.set_u32(at, sizes.u32(at));
            }
        }
        // SAFETY: each pointer that is set has room for the count beside it times the element's size, which for
        // elements of the kernel's choice was passed back and is checked by it.
        unsafe { query(fd, &mut info) }?;
        let mut grown = false;
        for (array, buffer) in arrays.iter().zip(&mut buffers) {
            // The kernel clears the pointer of what this process may not see.
            let filled = if info.u64(array.pointer_at) == 0 {
                0
            } else {
                array.bytes(&info)?
            };
            grown |= filled > buffer.len();
            buffer.truncate(filled);
        }
        if !grown {
            return Ok((info, buffers));
        }
        sizes = info;
    }
    Err(io::Error::from_raw_os_error(libc::EAGAIN))
}

/// `struct bpf_map_info`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    missing_docs,
    reason = "the fields of bpf_map_info, by their names there"
)]
pub struct MapInfo {
    pub map_type: u32,
    pub id: u32,
    pub key_size: u32,
    pub value_size: u32,
    pub max_entries: u32,
    pub map_flags: u32,
    pub name: String,
    pub ifindex: u32,
    pub btf_id: u32,
    pub btf_key_type_id: u32,
    pub btf_value_type_id: u32,
    pub map_extra: u64,
}

/// Information about a map.
///
/// # Errors
/// `EINVAL` if it is another object.
pub fn map_info(fd: BorrowedFd<'_>) -> io::Result<MapInfo> {
    let mut info = Fields::<MAP_INFO_BYTES>::new();
    // SAFETY: the structure has no pointers.
    unsafe { query(fd, &mut info) }?;
    Ok(MapInfo {
        map_type: info.u32(0),
        id: info.u32(4),
        key_size: info.u32(8),
        value_size: info.u32(12),
        max_entries: info.u32(16),
        map_flags: info.u32(20),
        name: text(&info.bytes::<16>(24)),
        ifindex: info.u32(40),
        btf_id: info.u32(64),
        btf_key_type_id: info.u32(68),
        btf_value_type_id: info.u32(72),
        map_extra: info.u64(80),
    })
}

/// `struct bpf_btf_info`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    missing_docs,
    reason = "the fields of bpf_btf_info, by their names there"
)]
pub struct BtfInfo {
    pub data: Vec<u8>,
    pub id: u32,
    pub name: String,
    pub kernel_btf: bool,
}

/// A BTF object, with its data.
///
/// # Errors
/// `EINVAL` if it is another object.
pub fn btf_info(fd: BorrowedFd<'_>) -> io::Result<BtfInfo> {
    let mut data = Vec::new();
    let mut name = Vec::new();
    for _ in 0..SIZE_TRIES_MAX {
        let mut info = Fields::<BTF_INFO_BYTES>::new();
        info.set_output(0, &mut data)
            .set_u32(8, len_u32(data.len())?)
            .set_output(16, &mut name)
            .set_u32(24, len_u32(name.len())?);
        // SAFETY: both pointers come with their slices' lengths, or are null.
        unsafe { query(fd, &mut info) }?;
        let data_len = usize::try_from(info.u32(8)).unwrap_or(usize::MAX);
        let name_len = usize::try_from(info.u32(24)).unwrap_or(usize::MAX);
        if data_len > ARRAY_BYTES_MAX || name_len > ARRAY_BYTES_MAX {
            return Err(io::Error::from_raw_os_error(libc::EFBIG));
        }
        // The name's length does not count its terminating zero.
        if data_len > data.len() || name_len + usize::from(name_len != 0) > name.len() {
            data.resize(data_len, 0);
            name.resize(name_len + 1, 0);
            continue;
        }
        data.truncate(data_len);
        return Ok(BtfInfo {
            data,
            id: info.u32(12),
            name: text(&name),
            kernel_btf: info.u32(28) != 0,
        });
    }
    Err(io::Error::from_raw_os_error(libc::EAGAIN))
}

/// `struct bpf_link_info`, the part that all links have, and the device of an XDP link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(
    missing_docs,
    reason = "the fields of bpf_link_info, by their names there"
)]
pub struct LinkInfo {
    pub link_type: u32,
    pub id: u32,
    pub prog_id: u32,
    pub ifindex: u32,
}

/// `BPF_LINK_TYPE_XDP`.
const LINK_TYPE_XDP: u32 = 6;

/// Information about a link.
///
/// # Errors
/// `EINVAL` if it is another object.
pub fn link_info(fd: BorrowedFd<'_>) -> io::Result<LinkInfo> {
    let mut info = Fields::<LINK_INFO_BYTES>::new();
    // SAFETY: all pointers in `info` are null, with lengths of zero.
    unsafe { query(fd, &mut info) }?;
    let link_type = info.u32(0);
    Ok(LinkInfo {
        link_type,
        id: info.u32(4),
        prog_id: info.u32(8),
        ifindex: if link_type == LINK_TYPE_XDP {
            info.u32(16)
        } else {
            0
        },
    })
}

/// Text up to the first zero.
fn text(bytes: &[u8]) -> String {
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or(bytes);
    String::from_utf8_lossy(text).into_owned()
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|&word| u32::from_ne_bytes(word))
        .collect()
}

fn long_words(bytes: &[u8]) -> Vec<u64> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|&word| u64::from_ne_bytes(word))
        .collect()
}

//! Why a program was refused: one variant per refusal. `Display` is Linux's wording, because users search for it; the
//! errno stands in the same row. Wordings were taken from live logs of Linux 6.18.

use skep_isa::{InsnIdx, Reg};
use skep_uapi::Errno;
use std::fmt;

/// `R3`, as the log names a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct R(pub Reg);

impl fmt::Display for R {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "R{}", self.0.number())
    }
}

/// Whether an access reads or writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dir {
    /// It reads.
    Read,
    /// It writes.
    Write,
}

/// Why an offset or size interval does not fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// Its smallest value lies outside.
    Min,
    /// Its largest value lies outside.
    Max,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Min => "min",
            Self::Max => "max",
        })
    }
}

/// Rows of refusals: variant, its fields, errno, wording.
macro_rules! rejects {
    ($($(#[doc = $doc:literal])* $name:ident { $($field:ident: $type:ty),* } $errno:ident $text:literal $(, $arg:expr)*;)*) => {
        /// Why a program was refused.
        #[derive(Clone, PartialEq, Eq, Debug)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "fields are what the wording names; `at` is the instruction")]
        pub enum Reject {
            $($(#[doc = $doc])* $name { $($field: $type),* },)*
        }

        impl fmt::Display for Reject {
            #[expect(unused_variables, reason = "wordings rarely name the instruction")]
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(Self::$name { $($field),* } => write!(f, $text $(, $arg)*),)* }
            }
        }

        impl Reject {
            /// The refusal's name, the same whatever its wording says: for programs that tell refusals apart.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => stringify!($name),)* }
            }
        }

        impl From<&Reject> for Errno {
            fn from(reject: &Reject) -> Self {
                match reject { $(Reject::$name { .. } => Self::$errno,)* }
            }
        }
    };
}

rejects! {
    // Structure.
    /// A jump leaves its function.
    JumpOutOfRange { at: InsnIdx, target: i64 } EINVAL "jump out of range from insn {at} to {target}";
    /// A jump lands in the second half of a wide instruction.
    JumpIntoWide { at: InsnIdx } EINVAL "jump into the middle of ldimm64 insn {at}";
    /// A function's last instruction could run into the next function.
    LastNotExit {} EINVAL "last insn is not an exit or jmp";
    /// No path leads to an instruction.
    UnreachableInsn { at: InsnIdx } EINVAL "unreachable insn {at}";
    /// A local call to no instruction.
    CallOutOfRange { at: InsnIdx } EINVAL "call to invalid destination";
    /// Too many functions.
    TooManySubprogs {} E2BIG "too many subprograms";
    /// The program has more slots than may be processed.
    ProgramTooLong {} E2BIG "program too large";
    /// No map has this descriptor.
    BadMapFd { fd: i32 } EBADF "fd {fd} is not pointing to valid bpf_map";
    /// A map by index without an array of descriptors.
    NoFdArray {} EPROTO "fd_idx without fd_array is invalid";
    /// Too many maps.
    TooManyMaps {} E2BIG "The total number of maps per program has reached the limit of 64";
    /// Global data in a map type that has none.
    NoDirectValue {} EINVAL "no direct value access support for this map type";
    /// An address into a map's value with an offset that is too large to be one.
    DirectValueOffset { off: u32 } EINVAL "direct value offset of {off} is not allowed";
    /// An address outside a map's value.
    DirectValueOutside { value_bytes: u32, off: u32 } EINVAL "invalid access to map value pointer, value_size={value_bytes} off={off}";
    /// A kernel variable.
    KernelVariable { id: u32 } EINVAL "invalid btf id {id}";
    /// A function address that names no function.
    BadFuncAddress { at: InsnIdx } EINVAL "missing btf func_info";
    /// The address of a function that others may call.
    GlobalCallback { at: InsnIdx } EINVAL "callback function not static";
    /// Function records do not fit the program.
    FuncInfoCount {} EINVAL "number of funcs in func_info doesn't match number of subprogs";
    /// Function records out of order.
    FuncInfoOrder { at: InsnIdx, previous: InsnIdx } EINVAL "same or smaller insn offset ({at}) than previous func info record ({previous})";
    /// The first function record is not for the first instruction.
    FuncInfoFirst { at: InsnIdx } EINVAL "nonzero insn_off {at} for the first func info record";
    /// A function record does not start a function.
    FuncInfoPlace {} EINVAL "func_info BTF section doesn't match subprog layout in BPF program";
    /// A function record names no function type.
    FuncInfoType { type_id: u32, index: usize } EINVAL "invalid type id {type_id} in func info";
    /// A line record has no place in the program.
    LineInfoOffset { index: usize, at: InsnIdx, previous: u32, length: usize } EINVAL
        "Invalid line_info[{index}].insn_off:{at} (prev_offset:{previous} prog->len:{length})";
    /// A line record in the second half of a wide instruction.
    LineInfoCode { index: usize } EINVAL "Invalid insn code at line_info[{index}].insn_off";
    /// A line record names no string.
    LineInfoString { index: usize } EINVAL "Invalid line_info[{index}].line_off or .file_name_off";
    /// A function without a line record at its start.
    LineInfoMissing { subprog: usize } EINVAL "missing bpf_line_info for func#{subprog}";
    /// A program of a type that must sleep, loaded as one that does not.
    MustSleep {} EINVAL "Syscall programs can only be sleepable";
    /// A map that programs which may sleep cannot use.
    SleepableMap {} EINVAL "Sleepable programs can only use array, hash, ringbuf and local storage maps";
    /// An attach type that the program type does not have; Linux refuses it without a word.
    AttachType { attach: u32 } EINVAL "expected_attach_type {attach} is none of the program type's";
    /// A program that may sleep, of a type that may not.
    Sleepable {} EINVAL "Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable";
    /// Functions at the end without a line record.
    LineInfoMissingFrom { count: usize, subprog: usize } EINVAL "missing bpf_line_info for {count} funcs starting from func#{subprog}";
    /// A tail call in a called function whose result's type is not known.
    TailCallWithoutBtf {} EINVAL "tail_call is not allowed in subprogs without BTF";
    /// A tail call in a called function that returns something else than a number.
    TailCallReturn {} EINVAL "tail_call is only allowed in functions that return 'int'";
    /// A global function that returns something else than a number.
    GlobalReturnType { name: String } EINVAL "Global function {name}() doesn't return scalar. Only those are supported.";
    /// A global function with more arguments than registers.
    GlobalParams { name: String, count: usize } EINVAL "Global function {name}() with {count} > 5 args. Buggy compiler.";
    /// Something that Linux may accept and skep cannot check yet.
    Unsupported { what: String } EOPNOTSUPP "{what} is not supported by skep yet";

    // Registers and arithmetic.
    /// A register was read before any path wrote it.
    UninitRegister { at: InsnIdx, reg: Reg } EACCES "{} !read_ok", R(*reg);
    /// A write to r10.
    FramePointerWrite { at: InsnIdx } EACCES "frame pointer is read only";
    /// Division by the constant zero.
    DivByZero { at: InsnIdx } EINVAL "div by zero";
    /// A shift by a constant that is too wide.
    InvalidShift { at: InsnIdx, by: i32 } EINVAL "invalid shift {by}";
    /// Arithmetic of 32 bits on a pointer.
    Pointer32 { at: InsnIdx, reg: Reg } EACCES "{} 32-bit pointer arithmetic prohibited", R(*reg);
    /// Arithmetic on a pointer kind that allows none.
    PointerArithmetic { at: InsnIdx, reg: Reg, kind: &'static str } EACCES "{} pointer arithmetic on {kind} prohibited", R(*reg);
    /// Arithmetic on a pointer that may be null.
    MaybeNullArithmetic { at: InsnIdx, reg: Reg, kind: &'static str } EACCES
        "{} pointer arithmetic on {kind} prohibited, null-check it first", R(*reg);
    /// Both operands are pointers.
    PointerPointer { at: InsnIdx, reg: Reg, op: &'static str } EACCES "{} pointer {op} pointer prohibited", R(*reg);
    /// An operator that pointers do not have.
    PointerOperator { at: InsnIdx, reg: Reg, op: &'static str } EACCES "{} pointer arithmetic with {op} operator prohibited", R(*reg);
    /// A bitwise operator on a pointer.
    PointerBitwise { at: InsnIdx, reg: Reg, op: &'static str } EACCES "{} bitwise operator {op} on pointer prohibited", R(*reg);
    /// A scalar minus a pointer.
    SubtractPointer { at: InsnIdx, reg: Reg } EACCES "{} tried to subtract pointer from scalar", R(*reg);
    /// A pointer kind from which nothing may be subtracted.
    SubtractFromFp { at: InsnIdx, reg: Reg } EACCES "{} subtraction from stack pointer prohibited", R(*reg);
    /// A constant offset beyond what is tracked.
    PointerConstant { at: InsnIdx, kind: &'static str, value: i64 } EINVAL "math between {kind} pointer and {value} is not allowed";
    /// A pointer whose offset is too large already.
    PointerOffset { at: InsnIdx, kind: &'static str, off: i32 } EINVAL "{kind} pointer offset {off} is not allowed";
    /// A variable offset without lower bound.
    PointerUnboundedMin { at: InsnIdx, kind: &'static str } EINVAL
        "math between {kind} pointer and register with unbounded min value is not allowed";
    /// A variable offset beyond what is tracked.
    PointerSum { at: InsnIdx, kind: &'static str, value: i64 } EINVAL "value {value} makes {kind} pointer be out of bounds";

    // Memory.
    /// A dereference of something that is no memory.
    InvalidMemAccess { at: InsnIdx, reg: Reg, kind: &'static str } EACCES "{} invalid mem access '{kind}'", R(*reg);
    /// An access to the context that its layout does not have.
    CtxAccess { at: InsnIdx, off: i64, size: u32 } EACCES "invalid bpf_context access off={off} size={size}";
    /// A context pointer with a variable offset.
    CtxVariable { at: InsnIdx, var_off: String } EACCES "variable ctx access var_off={var_off} disallowed";
    /// A context pointer that was moved down.
    CtxNegative { at: InsnIdx, reg: Reg, off: i32 } EACCES "negative offset ctx ptr {} off={off} disallowed", R(*reg);
    /// A context pointer that was moved.
    CtxModified { at: InsnIdx, reg: Reg, off: i32 } EACCES "dereference of modified ctx ptr {} off={off} disallowed", R(*reg);
    /// An access to a socket that its structure does not have.
    ObjectAccess { at: InsnIdx, reg: Reg, kind: &'static str, off: i64, size: u32 } EACCES
        "{} invalid {kind} access off={off} size={size}", R(*reg);
    /// A write to a socket.
    ObjectWrite { at: InsnIdx, reg: Reg, kind: &'static str } EACCES "{} cannot write into {kind}", R(*reg);
    /// An access outside the flow keys.
    FlowKeysAccess { at: InsnIdx, off: i64, size: u32 } EACCES "invalid access to flow keys off={off} size={size}";
    /// An access in front of a tracepoint's buffer.
    TracepointBuffer { at: InsnIdx, reg: Reg, off: i64, size: u32 } EACCES
        "{} invalid tracepoint buffer access: off={off}, size={size}", R(*reg);
    /// An access to a buffer at a variable offset.
    VariableBuffer { at: InsnIdx, reg: Reg, off: i64, var_off: String } EACCES
        "{} invalid variable buffer offset: off={off}, var_off={var_off}", R(*reg);
    /// A misaligned access.
    Misaligned { at: InsnIdx, kind: &'static str, var_off: String, reg_off: i32, off: i32, size: u32 } EACCES
        "misaligned {kind}access off {var_off}+{reg_off}+{off} size {size}";
    /// A misaligned packet access.
    MisalignedPacket { at: InsnIdx, ip_align: i32, var_off: String, reg_off: i32, off: i32, size: u32 } EACCES
        "misaligned packet access off {ip_align}+{var_off}+{reg_off}+{off} size {size}";
    /// A packet access that no comparison covers.
    PacketAccess { at: InsnIdx, reg: Reg, off: i64, size: u32, id: u32, reg_off: i64, range: u32 } EACCES
        "invalid access to packet, off={off} size={size}, {0}(id={id},off={reg_off},r={range})\n{0} offset is outside of the packet", R(*reg);
    /// An access through a packet pointer that is at the end.
    PacketBeyond { at: InsnIdx, reg: Reg } EINVAL "{} offset is outside of the packet", R(*reg);
    /// A packet write in a program type that allows none.
    PacketWrite { at: InsnIdx } EACCES "cannot write into packet";
    /// An offset that may be negative.
    NegativeOffset { at: InsnIdx, reg: Reg } EACCES
        "{} min value is negative, either use unsigned index or do a if (index >=0) check.", R(*reg);
    /// An offset without upper bound.
    UnboundedOffset { at: InsnIdx, reg: Reg } EACCES "{} unbounded memory access, make sure to bounds check any such access", R(*reg);
    /// An access outside a map's value.
    MapValueOutside { at: InsnIdx, reg: Reg, value_bytes: u32, off: i64, size: i64, bound: Bound } EACCES
        "invalid access to map value, value_size={value_bytes} off={off} size={size}\n{} {bound} value is outside of the allowed memory range", R(*reg);
    /// An access outside a map's key.
    MapKeyOutside { at: InsnIdx, reg: Reg, key_bytes: u32, off: i64, size: i64, bound: Bound } EACCES
        "invalid access to map key, key_size={key_bytes} off={off} size={size}\n{} {bound} value is outside of the allowed memory range", R(*reg);
    /// An access outside memory of a known size.
    MemoryOutside { at: InsnIdx, reg: Reg, bytes: u32, off: i64, size: i64, bound: Bound } EACCES
        "invalid access to memory, mem_size={bytes} off={off} size={size}\n{} {bound} value is outside of the allowed memory range", R(*reg);
    /// A write to a key.
    MapKeyWrite { at: InsnIdx, reg: Reg } EACCES "write to change key {} not allowed", R(*reg);
    /// A write to a map that programs only read.
    MapWriteForbidden { at: InsnIdx, value_bytes: u32, off: i64, size: u32 } EACCES
        "write into map forbidden, value_size={value_bytes} off={off} size={size}";
    /// A read of a map that programs only write.
    MapReadForbidden { at: InsnIdx, value_bytes: u32, off: i64, size: u32 } EACCES
        "read from map forbidden, value_size={value_bytes} off={off} size={size}";
    /// A map of sockets, given to a helper that reads or writes values.
    SocketMapArg { at: InsnIdx } EINVAL "invalid arg_type for sockmap/sockhash";
    /// An access to a field of a value that belongs to helpers.
    SpecialField { at: InsnIdx, name: &'static str } EACCES "{name} cannot be accessed directly by load/store";
    /// A kernel pointer's place in a value, given to a helper as memory.
    KptrIndirect { at: InsnIdx, name: &'static str } EACCES "{name} cannot be accessed indirectly by helper";
    /// A kernel pointer in a value, at an unknown offset.
    KptrVariable { at: InsnIdx } EACCES "kptr access cannot have variable offset";
    /// An access to a part of a kernel pointer in a value.
    KptrMisaligned { at: InsnIdx, name: &'static str, expected: u32, off: i64 } EACCES
        "{name} access misaligned expected={expected} off={off}";
    /// An access to fewer bytes than a kernel pointer has.
    KptrSize { at: InsnIdx, name: &'static str } EACCES "{name} access size must be BPF_DW";
    /// A helper that changes a map which programs only read.
    MapUpdateForbidden { at: InsnIdx } EACCES "write into map forbidden";
    /// A write through a pointer to a map.
    MapPointerWrite { at: InsnIdx, structure: &'static str } EACCES "only read from {structure} is supported";
    /// A stack access at a fixed offset outside the frame.
    StackOutside { at: InsnIdx, reg: Reg, dir: Dir, off: i64, size: u64 } EACCES
        "invalid {} stack {} off={off} size={size}", dir_word(*dir), R(*reg);
    /// A stack access that starts in the frame and leaves it.
    StackPastEnd { at: InsnIdx, reg: Reg, dir: Dir, off: i64, size: u64 } EINVAL
        "invalid {} stack {} off={off} size={size}", dir_word(*dir), R(*reg);
    /// A stack access at a variable offset outside the frame.
    StackVariableOutside { at: InsnIdx, reg: Reg, dir: Dir, var_off: String, off: i64, size: u64 } EACCES
        "invalid variable-offset {} stack {} var_off={var_off} off={off} size={size}", dir_word(*dir), R(*reg);
    /// A stack access at a variable offset that starts in the frame and may leave it.
    StackVariablePastEnd { at: InsnIdx, reg: Reg, dir: Dir, var_off: String, off: i64, size: u64 } EINVAL
        "invalid variable-offset {} stack {} var_off={var_off} off={off} size={size}", dir_word(*dir), R(*reg);
    /// A variable stack offset without bounds.
    StackUnbounded { at: InsnIdx, reg: Reg, dir: Dir } EACCES
        "invalid unbounded variable-offset {} stack {}", dir_word(*dir), R(*reg);
    /// A load of part of a spilled pointer.
    FillSize { at: InsnIdx } EACCES "invalid size of register fill";
    /// A store of part of a pointer.
    SpillSize { at: InsnIdx } EACCES "invalid size of register spill";
    /// A pointer to this frame stored in the caller's.
    SpillToCaller { at: InsnIdx } EINVAL "cannot spill pointers to stack into stack frame of the caller";
    /// An atomic operation on memory that allows none.
    AtomicKind { at: InsnIdx, reg: Reg, kind: &'static str } EACCES "BPF_ATOMIC stores into {} {kind} is not allowed", R(*reg);
    /// A load-acquire from memory that allows none.
    LoadAcquireKind { at: InsnIdx, reg: Reg, kind: &'static str } EACCES "BPF_ATOMIC loads from {} {kind} is not allowed", R(*reg);
    /// A store-release to memory that allows none.
    StoreReleaseKind { at: InsnIdx, reg: Reg, kind: &'static str } EACCES "BPF_ATOMIC stores into {} {kind} is not allowed", R(*reg);
    /// One instruction with pointers that need different code.
    DifferentPointers { at: InsnIdx } EINVAL "same insn cannot be used with different pointers";

    // Calls.
    /// No helper has this number.
    UnknownHelper { at: InsnIdx, id: i32 } EINVAL "invalid func unknown#{id}";
    /// The program type does not have this helper.
    HelperNotAllowed { at: InsnIdx, name: String } EINVAL "program of this type cannot use helper {name}";
    /// A GPL-only helper in a program under another licence.
    GplOnly { at: InsnIdx } EINVAL "cannot call GPL-restricted function from non-GPL compatible program";
    /// A helper that may sleep in a program that may not.
    MightSleep { at: InsnIdx } EINVAL "helper call might sleep in a non-sleepable prog";
    /// A helper that depends on where the program is attached.
    NotInProbe { at: InsnIdx } EINVAL "helper call is not allowed in probe";
    /// A helper for functions in a program type that has none.
    FuncNotSupported { at: InsnIdx, name: String, prog_type: u32 } ENOTSUPP "func {name} not supported for program type {prog_type}";
    /// A reference given up that the program does not hold.
    NotReferenced { at: InsnIdx, reg: Reg } EINVAL "{} must be referenced when passed to release function", R(*reg);
    /// A moved pointer whose reference is given up.
    ReleasedOffset { at: InsnIdx, reg: Reg } EINVAL "{} must have zero offset when passed to release func or trusted arg to kfunc", R(*reg);
    /// A pointer moved by an unknown number whose reference is given up.
    ReleasedVariable { at: InsnIdx, kind: &'static str, var_off: String } EACCES "variable {kind} access var_off={var_off} disallowed";
    /// A call while a lock is held.
    CallLocked { at: InsnIdx } EINVAL "function calls are not allowed while holding a lock";
    /// A call of a global function while a lock is held.
    GlobalCallLocked { at: InsnIdx } EINVAL "global function calls are not allowed while holding a lock,\nuse static function instead";
    /// A lock at an unknown place.
    LockVariable { at: InsnIdx, reg: Reg } EINVAL "{} doesn't have constant offset. bpf_spin_lock has to be at the constant offset", R(*reg);
    /// A lock in a map without types.
    LockWithoutBtf { at: InsnIdx, map: String } EINVAL "map '{map}' has to have BTF in order to use bpf_spin_lock";
    /// A value that has no lock.
    NoLock { at: InsnIdx, map: String } EINVAL "map '{map}' has no valid bpf_spin_lock";
    /// Another place than the lock's.
    LockOffset { at: InsnIdx, off: i64, lock: u32 } EINVAL "off {off} doesn't point to 'struct bpf_spin_lock' that is at {lock}";
    /// A lock taken while one is held.
    TwoLocks { at: InsnIdx } EINVAL "Locking two bpf_spin_locks are not allowed";
    /// A lock given back that is not held.
    UnlockUnheld { at: InsnIdx } EINVAL "bpf_spin_unlock without taking a lock";
    /// Another lock given back than is held.
    UnlockOther { at: InsnIdx } EINVAL "bpf_spin_unlock of different lock";
    /// A map with a lock in a program of a type that takes none.
    LockInType { who: &'static str } EINVAL "{who} progs cannot use bpf_spin_lock yet";
    /// An argument of the wrong kind.
    ArgKindMismatch { at: InsnIdx, reg: Reg, kind: &'static str, expected: &'static str } EACCES
        "{} type={kind} expected={expected}", R(*reg);
    /// A helper's argument in the packet that it does not allow.
    PacketArg { at: InsnIdx } EACCES "helper access to the packet is not allowed";
    /// Flags where there are none.
    LocalStorageFlags { at: InsnIdx } EINVAL "get_local_storage() doesn't support non-zero flags";
    /// A tail call through another map than one of programs.
    TailCallMap { at: InsnIdx } EINVAL "expected prog array map for tail call";
    /// A map type that the helper does not take.
    MapTypeHelper { at: InsnIdx, map_type: u32, name: String } EINVAL "cannot pass map_type {map_type} into func {name}";
    /// A size argument that may be negative.
    SizeNegative { at: InsnIdx, reg: Reg } EACCES "{} min value is negative, either use unsigned or 'var &= const'", R(*reg);
    /// A size argument without upper bound.
    SizeUnbounded { at: InsnIdx, reg: Reg } EACCES "{} unbounded memory access, use 'var &= const' or 'if (var < const)'", R(*reg);
    /// A size argument that may be zero.
    SizeZero { at: InsnIdx, reg: Reg, umin: u64, umax: u64 } EACCES "{} invalid zero-sized read: u64=[{umin},{umax}]", R(*reg);
    /// A key or value of no bytes.
    ZeroSizedRead { at: InsnIdx } EACCES "invalid zero-sized read";
    /// A size argument that is no constant.
    SizeNotConst { at: InsnIdx, reg: Reg } EACCES "{} is not a known constant'", R(*reg);
    /// A string in a map that may change.
    StrNotReadonly { at: InsnIdx, reg: Reg } EACCES "{} does not point to a readonly map'", R(*reg);
    /// A string whose address is not known.
    StrNotConst { at: InsnIdx, reg: Reg } EACCES "{} is not a constant address'", R(*reg);
    /// A string in a map type without direct access.
    StrNoDirect { at: InsnIdx } EACCES "no direct value access support for this map type";
    /// A string without end.
    StrNotTerminated { at: InsnIdx } EINVAL "string is not zero-terminated";
    /// A format that the helper would refuse.
    BadFormat { at: InsnIdx } EINVAL "Invalid format string";
    /// Format data that are no array of 64-bit values.
    FormatData { at: InsnIdx } EINVAL "format arguments are no array of up to 12 values of 8 bytes";
    /// A kernel function's id that is none.
    KfuncId { id: i32 } EINVAL "kernel btf_id {id} is not a function";
    /// A call of a kernel function that the loader did not find, where control can come.
    KfuncNotEliminated { at: InsnIdx } EINVAL "invalid kernel function call not eliminated in verifier pass";
    /// A kernel function that the program type does not have.
    KfuncNotAllowed { at: InsnIdx, name: &'static str } EACCES "calling kernel function {name} is not allowed";
    /// A kernel function that may sleep in a program that may not.
    KfuncSleeps { at: InsnIdx, name: &'static str } EACCES "program must be sleepable to call sleepable kfunc {name}";
    /// A kernel function's argument that is no number.
    KfuncNotScalar { at: InsnIdx, reg: Reg } EINVAL "{} is not a scalar", R(*reg);
    /// A kernel function's argument that must be known.
    KfuncNotConst { at: InsnIdx, reg: Reg } EINVAL "{} must be a known constant", R(*reg);
    /// A kernel function's argument that is not the context.
    KfuncNotCtx { at: InsnIdx, index: usize } EINVAL "arg#{index} expected pointer to ctx";
    /// Too many nested calls.
    CallTooDeep { at: InsnIdx, frames: usize } E2BIG "the call stack of {frames} frames is too deep";
    /// Too many nested calls, in the static check.
    ChainTooDeep { frames: usize } E2BIG "the call stack of {frames} frames is too deep !";
    /// A call chain with too much stack.
    CombinedStack { frames: usize, bytes: u32 } EACCES "combined stack size of {frames} calls is {bytes}. Too large";
    /// A callee returns a pointer to its stack.
    ReturnsStackPointer { at: InsnIdx } EINVAL "cannot return stack pointer to the caller";
    /// A parameter that global functions may not have.
    GlobalParam { why: String } EINVAL "{why}";
    /// A global function's argument that is not the context.
    GlobalArgCtx { at: InsnIdx, index: usize } EINVAL "arg#{index} expects pointer to ctx";
    /// An argument that a global function does not take.
    CallerArgs { at: InsnIdx, why: String, subprog: u16, name: String } EINVAL
        "{why}\nCaller passes invalid args into func#{subprog} ('{name}')";
    /// A context that was moved, given to a global function.
    CallerCtx { at: InsnIdx, why: String, subprog: u16, name: String } EACCES
        "{why}\nCaller passes invalid args into func#{subprog} ('{name}')";
    /// A tail call below too much stack.
    TailCallStack { bytes: u32 } EACCES "tail_calls are not allowed when call stack of previous frames is {bytes} bytes. Too large";
    /// An exception in a function that is called back.
    ThrowInCallback { at: InsnIdx, subprog: u16 } EINVAL "bpf_throw kfunc (insn {at}) cannot be called from callback subprog {subprog}";
    /// A global function's argument that is not what it declares.
    GlobalArg { at: InsnIdx, reg: Reg, expected: &'static str } EINVAL "{} is not {expected}", R(*reg);
    /// The return value of a program or called back function.
    ReturnKind { at: InsnIdx, reg: Reg, context: &'static str, kind: &'static str } EINVAL "At {context} the register {} is not a known value ({kind})", R(*reg);
    /// A return value out of range.
    ReturnRange { at: InsnIdx, reg: Reg, context: &'static str, got: String, min: i32, max: i32 } EINVAL
        "At {context} the register {} has{got} should have been in [{min}, {max}]", R(*reg);
    /// A global function that does not return a scalar.
    GlobalReturn { at: InsnIdx, kind: &'static str } EINVAL "At subprogram exit the register R0 is not a scalar value ({kind})";
    /// A cast between address spaces without an arena.
    NoArena { at: InsnIdx } EINVAL "addr_space_cast insn can only be used in a program that has an associated arena";
    /// A call through a register.
    CallRegister { at: InsnIdx } EINVAL "unknown opcode 8d";
    /// Legacy packet access without the context in r6.
    LegacyPacketCtx { at: InsnIdx } EINVAL "at the time of BPF_LD_ABS|IND R6 != pointer to skb";
    /// Legacy packet access in a program type that has none.
    LegacyPacket { at: InsnIdx } EINVAL "BPF_LD_[ABS|IND] instructions not allowed for this program type";

    // What is held.
    /// An iterator that is not on the stack.
    IterNotOnStack { at: InsnIdx } EINVAL "arg#0 expected pointer to an iterator on stack";
    /// An iterator at a place that is not known.
    IterVariable { at: InsnIdx, reg: Reg, class: &'static str } EINVAL "iter_{class} has to be at a constant offset";
    /// An iterator that does not start a slot.
    IterOffset { at: InsnIdx, off: i64, class: &'static str } EINVAL "cannot pass in iter at an offset={off}\nexpected uninitialized iter_{class} as arg #0";
    /// Stack that is an iterator already.
    IterUninit { at: InsnIdx, class: &'static str } EINVAL "expected uninitialized iter_{class} as arg #0";
    /// Stack that is no iterator.
    IterInit { at: InsnIdx, class: &'static str } EINVAL "expected an initialized iter_{class} as arg #0";
    /// A read of an iterator.
    StackOpaque { at: InsnIdx, off: i64, byte: i64, size: i64 } EACCES "invalid read from stack off {off}+{byte} size {size}";
    /// As [`Reject::StackOpaque`], of an argument.
    StackOpaqueArgument { at: InsnIdx, reg: Reg, off: i64, byte: i64, size: i64 } EACCES
        "invalid read from stack {} off {off}+{byte} size {size}", R(*reg);
    /// A dynamic pointer that is not on the stack.
    DynptrNotOnStack { at: InsnIdx, index: usize } EINVAL "arg#{index} expected pointer to stack or const struct bpf_dynptr";
    /// A dynamic pointer at a place that is not known.
    DynptrVariable { at: InsnIdx, then: String } EINVAL "dynptr has to be at a constant offset\n{then}";
    /// A dynamic pointer that does not start a slot or has no room.
    DynptrOffset { at: InsnIdx, off: i64, then: String } EINVAL "cannot pass in dynptr at an offset={off}\n{then}";
    /// Something that cannot become a dynamic pointer.
    DynptrUninit { at: InsnIdx } EINVAL "Dynptr has to be an uninitialized dynptr";
    /// A given dynamic pointer given up.
    DynptrNotOwned { at: InsnIdx } EINVAL "cannot release unowned const bpf_dynptr";
    /// The address of a given dynamic pointer, moved down.
    DynptrNegative { at: InsnIdx, reg: Reg, off: i32 } EACCES "negative offset dynptr_ptr ptr {} off={off} disallowed", R(*reg);
    /// The address of a given dynamic pointer, moved.
    DynptrModified { at: InsnIdx, reg: Reg, off: i32 } EACCES "dereference of modified dynptr_ptr ptr {} off={off} disallowed", R(*reg);
    /// The address of a given dynamic pointer, moved by an unknown number.
    DynptrPtrVariable { at: InsnIdx, var_off: String } EACCES "variable dynptr_ptr access var_off={var_off} disallowed";
    /// Stack that is no dynamic pointer.
    DynptrInit { at: InsnIdx, index: usize } EINVAL "Expected an initialized dynptr as arg #{index}";
    /// A dynamic pointer to other memory than the call is for.
    DynptrType { at: InsnIdx, index: usize, source: &'static str } EINVAL "Expected a dynptr of type {source} as arg #{index}";
    /// A dynamic pointer given up that is none or has no reference.
    Unacquired { at: InsnIdx, number: usize } EINVAL "arg {number} is an unacquired reference";
    /// A store over a dynamic pointer that must be given up.
    DynptrOverwritten { at: InsnIdx } EINVAL "cannot overwrite referenced dynptr";
    /// A helper that would write over a dynamic pointer.
    DynptrHelperWrite { at: InsnIdx, off: i64 } EACCES "potential write to dynptr at off={off} disallowed";
    /// A dynamic pointer to other memory than a map's value.
    DynptrData { at: InsnIdx, kind: &'static str } EACCES "Unsupported reg type {kind} for bpf_dynptr_from_mem data";
    /// A kernel function's buffer that is no such memory.
    KfuncBuffer { at: InsnIdx, memory: usize, size: usize, why: String } EACCES
        "{why}\narg#{memory} arg#{size} memory, len pair leads to invalid memory access!";
    /// A writable slice in a program type that may not write packets.
    SliceWrite { at: InsnIdx } EINVAL "the prog does not allow writes to packet data";
    /// A reference that is not given up.
    ReferenceLeak { at: InsnIdx, id: u32, from: InsnIdx, what: &'static str } EINVAL
        "Unreleased reference id={id} alloc_insn={from}\n{what} would lead to reference leak";
    /// Control leaves the program within a section.
    InsideSection { at: InsnIdx, what: &'static str, section: &'static str } EINVAL "{what} cannot be used inside {section}-ed region";
    /// An RCU section within another.
    RcuNested { at: InsnIdx, name: &'static str } EINVAL "nested rcu read lock (kernel function {name})";
    /// The end of an RCU section outside of one.
    RcuUnmatched { at: InsnIdx, name: &'static str } EINVAL "unmatched rcu read unlock (kernel function {name})";
    /// The end of a section without preemption outside of one.
    PreemptUnmatched { at: InsnIdx, name: &'static str } EINVAL "unmatched attempt to enable preemption (kernel function {name})";

    // Limits.
    /// The program processes too many instructions.
    TooComplex { processed: u32 } E2BIG "BPF program is too large. Processed {processed} insn";
    /// Too many paths are waiting.
    TooManyPaths { paths: usize } E2BIG "The sequence of {paths} jumps is too complex.";
    /// A loop that cannot end.
    InfiniteLoop { at: InsnIdx } EINVAL "infinite loop detected at insn {at}";
}

fn dir_word(dir: Dir) -> &'static str {
    match dir {
        Dir::Read => "read from",
        Dir::Write => "write to",
    }
}

impl std::error::Error for Reject {}

/* Runs compiled programs on (emulated) aarch64: `harness BATCH` reads a batch, runs it and writes the outcomes to stdout.
 *
 * A batch and its outcomes are sequences of little-endian numbers and bytes; batch.rs writes the one and reads the other.
 *   batch:    u32 programs, then for each: u32 code bytes, u32 runs, u32 memory bytes (a multiple of 16), the code,
 *             and for each run: u32 tail calls left, u32 zero, u64 may_goto budget, the memory
 *   outcome of each run: u64 r0, u64 registers that were not kept, u64 tail calls left, u64 budget left, the memory
 * Code lies at CODE_BASE in the order of the programs, each at a multiple of 16, relocations already applied. The
 * context of a run is the middle of its memory. Helper N lies at HELPERS_BASE + 16 * N.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HELPERS_BASE 0x2000000000UL
#define CODE_BASE 0x2001000000UL
#define DATA_BASE 0x2100000000UL
#define DATA_BYTES (1UL << 20)
#define ENV_MARK 0x5eed5eed5eed5eedUL
#define NO_PROGRAM UINT64_MAX

/* skep-abi's RunCtx. */
struct run_ctx {
	uint32_t stop;
	uint32_t tail_calls_left;
	uint32_t cpu;
	uint32_t numa_node;
	uint64_t env;
	uint64_t may_goto_left;
};

static uint32_t program_now, run_now;

/* enter(code, ctx, run): calls the code with every callee-saved register marked, and gives r0 and, in a word, the
 * differences of those registers and of the stack pointer. */
struct outcome {
	uint64_t r0;
	uint64_t not_kept;
};
struct outcome enter(uint64_t code, uint64_t ctx, struct run_ctx *run);
__asm__(".text\n"
	".global enter\n"
	"enter:\n"
	"	stp	x29, x30, [sp, #-96]!\n"
	"	stp	x19, x20, [sp, #16]\n"
	"	stp	x21, x22, [sp, #32]\n"
	"	stp	x23, x24, [sp, #48]\n"
	"	stp	x25, x26, [sp, #64]\n"
	"	stp	x27, x28, [sp, #80]\n"
	"	mov	x29, sp\n"
	"	mov	x16, x0\n"
	"	mov	x0, x1\n"
	"	mov	x1, x2\n"
	"	mov	x19, #0x1901\n	mov	x20, #0x2002\n	mov	x21, #0x2103\n	mov	x22, #0x2204\n"
	"	mov	x23, #0x2305\n	mov	x24, #0x2406\n	mov	x25, #0x2507\n	mov	x26, #0x2608\n"
	"	mov	x27, #0x2709\n	mov	x28, sp\n"
	"	blr	x16\n"
	"	mov	x9, sp\n"
	"	eor	x1, x9, x28\n"
	"	eor	x10, x28, x29\n	orr	x1, x1, x10\n"
	"	mov	x10, #0x1901\n	eor	x10, x10, x19\n	orr	x1, x1, x10\n"
	"	mov	x10, #0x2002\n	eor	x10, x10, x20\n	orr	x1, x1, x10\n"
	"	mov	x10, #0x2103\n	eor	x10, x10, x21\n	orr	x1, x1, x10\n"
	"	mov	x10, #0x2204\n	eor	x10, x10, x22\n	orr	x1, x1, x10\n"
	"	mov	x10, #0x2305\n	eor	x10, x10, x23\n	orr	x1, x1, x10\n"
	"	mov	x10, #0x2406\n	eor	x10, x10, x24\n	orr	x1, x1, x10\n"
	"	mov	x10, #0x2507\n	eor	x10, x10, x25\n	orr	x1, x1, x10\n"
	"	mov	x10, #0x2608\n	eor	x10, x10, x26\n	orr	x1, x1, x10\n"
	"	mov	x10, #0x2709\n	eor	x10, x10, x27\n	orr	x1, x1, x10\n"
	"	mov	sp, x29\n"
	"	ldp	x27, x28, [sp, #80]\n"
	"	ldp	x25, x26, [sp, #64]\n"
	"	ldp	x23, x24, [sp, #48]\n"
	"	ldp	x21, x22, [sp, #32]\n"
	"	ldp	x19, x20, [sp, #16]\n"
	"	ldp	x29, x30, [sp], #96\n"
	"	ret\n");

/* Helpers 1 and 28: r1 + 3 r2 + 5 r3 + 7 r4 + 11 r5; leaves rubbish in every register that a call may change. */
void helper_mix(void);
__asm__(".global helper_mix\n"
	"helper_mix:\n"
	"	mov	x9, #3\n	madd	x0, x1, x9, x0\n"
	"	mov	x9, #5\n	madd	x0, x2, x9, x0\n"
	"	mov	x9, #7\n	madd	x0, x3, x9, x0\n"
	"	mov	x9, #11\n	madd	x0, x4, x9, x0\n"
	"	mov	x1, #-101\n	mov	x2, #-102\n	mov	x3, #-103\n	mov	x4, #-104\n"
	"	mov	x5, #-105\n	mov	x6, #-106\n	mov	x7, #-107\n	mov	x8, #-108\n"
	"	mov	x9, #-109\n	mov	x10, #-110\n	mov	x11, #-111\n	mov	x12, #-112\n"
	"	mov	x13, #-113\n	mov	x14, #-114\n	mov	x15, #-115\n	mov	x16, #-116\n"
	"	mov	x17, #-117\n"
	"	ret\n");

/* Helper 2: whether the sixth argument is the run context, and the stack is aligned. */
static uint64_t helper_env(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, struct run_ctx *run)
{
	uint64_t sp;

	(void)a, (void)b, (void)c, (void)d, (void)e;
	__asm__ volatile("mov %0, sp" : "=r"(sp));
	return sp % 16 ? 0 : run->env;
}

/* Helper 3: calls function r1 back through the thunk at offset r3 of the code, with the five numbers at r2. */
static uint64_t helper_call_back(uint64_t function, uint64_t arguments, uint64_t thunk, uint64_t d, uint64_t e,
				 struct run_ctx *run)
{
	uint64_t (*call)(uint64_t, uint64_t, struct run_ctx *) = (void *)(CODE_BASE + thunk);

	(void)d, (void)e;
	return call(function, arguments, run);
}

/* Helper 12: the entry at offset r3 of the code. */
static uint64_t helper_tail_call(uint64_t ctx, uint64_t map, uint64_t index)
{
	(void)ctx, (void)map;
	return index == NO_PROGRAM ? 0 : CODE_BASE + index;
}

static void die(const char *what)
{
	fprintf(stderr, "harness: %s\n", what);
	exit(2);
}

static void on_fault(int signal)
{
	char text[96];
	int length = snprintf(text, sizeof(text), "harness: signal %d in program %u, run %u\n", signal, program_now,
			      run_now);

	if (write(2, text, length) < 0)
		_exit(4);
	_exit(3);
}

static void *map_at(uint64_t base, size_t bytes)
{
	void *at = mmap((void *)base, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (at != (void *)base)
		die("the address is taken");
	return at;
}

static void seal(void *at, size_t bytes)
{
	__builtin___clear_cache((char *)at, (char *)at + bytes);
	if (mprotect(at, bytes, PROT_READ | PROT_EXEC))
		die("mprotect");
}

/* Each helper behind a jump of 16 bytes, so that its address is known when code is made. */
static void make_helpers(void)
{
	const struct {
		int id;
		void *body;
	} helpers[] = {
		{ 1, helper_mix },	     { 28, helper_mix },       { 2, helper_env },
		{ 3, helper_call_back }, { 12, helper_tail_call },
	};
	char *at = map_at(HELPERS_BASE, 4096);

	for (size_t i = 0; i < sizeof(helpers) / sizeof(*helpers); i++) {
		/* ldr x16, .+8; br x16 */
		const uint32_t jump[2] = { 0x58000050, 0xd61f0200 };

		memcpy(at + 16 * helpers[i].id, jump, 8);
		memcpy(at + 16 * helpers[i].id + 8, &helpers[i].body, 8);
	}
	seal(at, 4096);
}

static const char *input;
static size_t input_left;

static const void *take(size_t bytes)
{
	const char *at = input;

	if (bytes > input_left)
		die("the batch is short");
	input += bytes;
	input_left -= bytes;
	return at;
}

static uint32_t take_u32(void)
{
	uint32_t value;

	memcpy(&value, take(4), 4);
	return value;
}

static uint64_t take_u64(void)
{
	uint64_t value;

	memcpy(&value, take(8), 8);
	return value;
}

static void read_batch(const char *path)
{
	FILE *file = fopen(path, "rb");
	char *bytes;
	long size;

	if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0 || fseek(file, 0, SEEK_SET))
		die("cannot read the batch");
	bytes = malloc(size);
	if (!bytes || fread(bytes, 1, size, file) != (size_t)size)
		die("cannot read the batch");
	input = bytes;
	input_left = size;
}

/* Walks the batch once for the code, once for the runs. */
static size_t load_code(char *at)
{
	uint32_t programs = take_u32();
	size_t end = 0;

	for (uint32_t i = 0; i < programs; i++) {
		uint32_t code_bytes = take_u32(), runs = take_u32(), memory_bytes = take_u32();
		const void *code = take(code_bytes);

		if (at)
			memcpy(at + end, code, code_bytes);
		end = (end + code_bytes + 15) / 16 * 16;
		take((size_t)runs * (16 + memory_bytes));
	}
	return end;
}

static void run_all(char *data)
{
	uint32_t programs = take_u32();
	uint64_t offset = 0;

	for (program_now = 0; program_now < programs; program_now++) {
		uint32_t code_bytes = take_u32(), runs = take_u32(), memory_bytes = take_u32();

		if (memory_bytes > DATA_BYTES)
			die("too much memory");
		take(code_bytes);
		for (run_now = 0; run_now < runs; run_now++) {
			struct run_ctx run = { .env = ENV_MARK, .tail_calls_left = take_u32() };
			struct outcome outcome;
			uint64_t words[4];

			take_u32();
			run.may_goto_left = take_u64();
			memcpy(data, take(memory_bytes), memory_bytes);
			outcome = enter(CODE_BASE + offset, DATA_BASE + memory_bytes / 2, &run);
			words[0] = outcome.r0;
			words[1] = outcome.not_kept;
			words[2] = run.tail_calls_left;
			words[3] = run.may_goto_left;
			fwrite(words, 1, sizeof(words), stdout);
			fwrite(data, 1, memory_bytes, stdout);
		}
		offset = (offset + code_bytes + 15) / 16 * 16;
	}
}

int main(int argc, char **argv)
{
	const char *start;
	size_t left, code_bytes;
	char *code;

	if (argc != 2)
		die("usage: harness BATCH");
	signal(SIGSEGV, on_fault);
	signal(SIGILL, on_fault);
	signal(SIGBUS, on_fault);
	signal(SIGTRAP, on_fault);
	/* A branch that leads to the wrong place may never end. */
	alarm(60);
	make_helpers();
	read_batch(argv[1]);
	start = input;
	left = input_left;
	code_bytes = load_code(NULL) + 4096;
	code = map_at(CODE_BASE, code_bytes);
	input = start;
	input_left = left;
	load_code(code);
	seal(code, code_bytes);
	input = start;
	input_left = left;
	run_all(map_at(DATA_BASE, DATA_BYTES));
	return fflush(stdout) ? 4 : 0;
}

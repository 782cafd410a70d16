// Stands for a kernel: its types, a function and a variable that core_kinds.bpf.c asks about, placed otherwise.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

typedef unsigned long kernel_long;

enum state { STATE_NEW = 7, STATE_OLD = 9 };
enum wide { WIDE = 0x123456789abULL };

struct wrapped {
	long before;
	struct {
		int pid;
		union {
			unsigned long grown;
			int other;
		};
	};
	unsigned int narrow;
	int pad;
	short flag_a : 3, flag_b : 7;
	void *pointer;
	struct wrapped *next;
	int items[8];
};

struct exact { int a; unsigned long b; };
typedef void (*btf_trace_something)(void *ctx, struct wrapped *w);

struct wrapped a_wrapped;
struct exact an_exact;
enum state a_state;
enum wide a_wide;
btf_trace_something a_trace;
int kernel_number;

__attribute__((noinline)) int kernel_function(struct wrapped *w)
{
	return w->pid;
}

__attribute__((noinline)) int bpf_lsm_something(struct wrapped *w)
{
	return w->pid + a_wrapped.pid;
}

SEC("socket")
int use(void *ctx)
{
	kernel_long x = a_wrapped.grown + an_exact.a + a_state + a_wide + (long)a_trace + kernel_number;
	return x + kernel_function(&a_wrapped) + bpf_lsm_something(&a_wrapped);
}

char LICENSE[] SEC("license") = "GPL";

// Every kind of CO-RE relocation, against the types of core_kernel.bpf.c.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct wrapped___local {
	int pid;
	unsigned int grown;
	unsigned long narrow;
	int flag_a : 5, flag_b : 5;
	char *pointer;
	struct wrapped___local *next;
	int items[4];
	int missing;
};

struct exact { int a; unsigned long b; };
struct exact___other { int a; unsigned int b; };
struct absent { int x; };

#pragma clang attribute pop

enum state { STATE_NEW = 1, STATE_GONE = 2 };
enum wide { WIDE = 0x1ULL << 40 };

SEC("socket")
int offsets(struct wrapped___local *w)
{
	return w->pid + w->grown + w->narrow + w->items[3] + (long)w->pointer;
}

SEC("socket")
int questions(void *ctx)
{
	struct wrapped___local *w = ctx;
	long r = bpf_core_field_size(w->narrow) + bpf_core_field_exists(w->missing);
	r += bpf_core_field_exists(w->pid) + bpf_core_field_offset(w->items);
	r += BPF_CORE_READ_BITFIELD(w, flag_b);
	r += bpf_core_type_exists(struct absent) + bpf_core_type_exists(struct exact);
	r += bpf_core_type_size(struct wrapped___local) + bpf_core_type_size(struct absent);
	r += bpf_core_type_matches(struct exact) + bpf_core_type_matches(struct exact___other);
	r += bpf_core_type_id_kernel(struct exact) + bpf_core_type_id_local(struct exact);
	r += bpf_core_enum_value(enum state, STATE_NEW) + bpf_core_enum_value_exists(enum state, STATE_GONE);
	r += bpf_core_enum_value(enum wide, WIDE);
	return r;
}

SEC("socket")
int poisoned(struct wrapped___local *w)
{
	if (bpf_core_field_exists(w->missing))
		return w->missing;
	return bpf_core_enum_value(enum state, STATE_GONE);
}

char LICENSE[] SEC("license") = "GPL";

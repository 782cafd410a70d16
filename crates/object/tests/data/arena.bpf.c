// Variables in an arena, and an exception callback that nothing calls.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define arena __attribute__((address_space(1)))
#define BPF_MAP_TYPE_ARENA 33
#define __ulong(name, val) enum { value_of_##name = val } name

struct {
	__uint(type, BPF_MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 10);
	__ulong(map_extra, 0x1ull << 44);
} memory SEC(".maps");

int arena first;
int arena second = 5;

__attribute__((noinline)) int on_exception(__u64 cookie)
{
	return 1;
}

SEC("syscall")
__attribute__((btf_decl_tag("exception_callback:on_exception")))
int use(void *ctx)
{
	bpf_printk("%p", &memory);
	first = 3;
	return second;
}

char LICENSE[] SEC("license") = "GPL";

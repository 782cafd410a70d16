// Map definitions before BTF, in iproute2's form.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_elf_map {
	__u32 type, size_key, size_value, max_elem, flags, id, pinning, inner_id, inner_idx;
};

struct bpf_elf_map SEC("maps") counters = {
	.type = BPF_MAP_TYPE_ARRAY, .size_key = 4, .size_value = 8, .max_elem = 16, .id = 7, .inner_idx = 2,
};

struct bpf_elf_map SEC("maps") outer = {
	.type = BPF_MAP_TYPE_ARRAY_OF_MAPS, .size_key = 4, .size_value = 4, .max_elem = 4, .inner_id = 7, .inner_idx = -1,
};

SEC("tc")
int count(struct __sk_buff *skb)
{
	__u32 key = 2;
	void *inner = bpf_map_lookup_elem(&outer, &key);
	long *value = inner ? bpf_map_lookup_elem(inner, &key) : bpf_map_lookup_elem(&counters, &key);
	return value ? *value : 0;
}

char LICENSE[] SEC("license") = "GPL";

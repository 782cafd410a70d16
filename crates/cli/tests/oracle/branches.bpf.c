// Branches, loops, subprograms and several sections, for the disassembler.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 4); __type(key, int); __type(value, long); } arr SEC(".maps");
long total;
static __attribute__((noinline)) int sub(int a, int b) {
	if (a > b)
		return a * b;
	total += a;
	return (unsigned)a / (b | 1);
}
__attribute__((noinline)) int glob(struct xdp_md *c)
{
	return c->ingress_ifindex + sub(c->rx_queue_index, 3);
}
SEC("xdp")
int first(struct xdp_md *ctx) {
	int z = 0, i;
	long *l = bpf_map_lookup_elem(&arr, &z);
	if (l) {
		__sync_fetch_and_add(l, 1);
		*l ^= 5;
	}
#pragma clang loop unroll(disable)
	for (i = 0; i < 50; i++)
		z += bpf_get_prandom_u32() & 7;
	if (z > 100) return glob(ctx);
	return XDP_PASS;
}
SEC("tc") int second(struct __sk_buff *s) { return s->len > 100 ? sub(s->mark, s->len) : -1; }
SEC("xdp") int third(struct xdp_md *ctx) {
	void *d = (void *)(long)ctx->data, *e = (void *)(long)ctx->data_end; 
	if (d + 34 > e) return XDP_DROP;
	unsigned short p = *(unsigned short *)(d + 12); long long q = *(long long *)(d + 16);
	total += __builtin_bswap16(p) + (int)q + __builtin_bswap64(q);
	return p == 8 ? XDP_TX : XDP_ABORTED;
}
char LICENSE[] SEC("license") = "GPL";

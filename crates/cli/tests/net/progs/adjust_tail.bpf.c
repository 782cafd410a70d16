// Changes the end of UDP packets by `delta` bytes and sends them back: count 0 counts those for which the helper did it,
// count 1 the others, which go back as they came. The last error, negated, is count 2.
#include "counts.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __s32);
} delta SEC(".maps");

SEC("xdp")
int adjust_tail(struct xdp_md *ctx)
{
    __u32 zero = 0, two = 2;
    __s32 *by = bpf_map_lookup_elem(&delta, &zero);
    __u64 *error = bpf_map_lookup_elem(&counts, &two);
    struct ethhdr *eth;
    long result;

    if (!by || !error || !udp_to(ctx, 7002))
        return XDP_PASS;
    result = bpf_xdp_adjust_tail(ctx, *by);
    count(result ? 1 : 0);
    if (result)
        *error = -result;
    eth = (void *)(long)ctx->data;
    if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
        return XDP_DROP;
    swap_macs(eth);
    return XDP_TX;
}

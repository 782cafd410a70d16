// Of the numbered packets to port 7600, drops those whose number is divisible by `rule` (count 1) and passes the rest (count 2).
// Passes everything else (count 3).
#include "counts.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} rule SEC(".maps");

SEC("xdp")
int soak(struct xdp_md *ctx)
{
    struct udp_head *head = udp_to(ctx, 7600);
    __u32 zero = 0, *by = bpf_map_lookup_elem(&rule, &zero);
    __be32 *number = (void *)(head + 1);

    if (!head || (void *)(number + 1) > (void *)(long)ctx->data_end) {
        count(3);
        return XDP_PASS;
    }
    if (by && *by && bpf_ntohl(*number) % *by == 0) {
        count(1);
        return XDP_DROP;
    }
    count(2);
    return XDP_PASS;
}

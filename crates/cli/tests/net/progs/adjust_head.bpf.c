// Takes an outer Ethernet header of type 0x88b5 off (count 0), and sends UDP to port 7001 back with one in front
// (count 1). What the helper refuses is count 2.
#include "counts.h"

#define OUTER 0x88b5

SEC("xdp")
int adjust_head(struct xdp_md *ctx)
{
    struct ethhdr *eth = (void *)(long)ctx->data;
    struct ethhdr outer;

    if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
        return XDP_DROP;
    if (eth->h_proto == bpf_htons(OUTER)) {
        count(bpf_xdp_adjust_head(ctx, sizeof(outer)) ? 2 : 0);
        return XDP_PASS;
    }
    if (!udp_to(ctx, 7001))
        return XDP_PASS;
    outer = *eth;
    outer.h_proto = bpf_htons(OUTER);
    swap_macs(&outer);
    if (bpf_xdp_adjust_head(ctx, -(int)sizeof(outer))) {
        count(2);
        return XDP_DROP;
    }
    eth = (void *)(long)ctx->data;
    if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
        return XDP_DROP;
    *eth = outer;
    count(1);
    return XDP_TX;
}

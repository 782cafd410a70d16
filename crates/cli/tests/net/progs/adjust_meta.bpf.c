// Puts eight bytes of metadata in front of UDP packets, reads them back (count 0), and passes those to port 7000 and
// sends those to port 7001 back. What is refused or reads wrong is count 2.
#include "counts.h"

SEC("xdp")
int adjust_meta(struct xdp_md *ctx)
{
    struct udp_head *sent_back = udp_to(ctx, 7001);
    struct ethhdr *eth;
    __u64 *meta;

    if (!sent_back && !udp_to(ctx, 7000))
        return XDP_PASS;
    if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*meta))) {
        count(2);
        return XDP_PASS;
    }
    meta = (void *)(long)ctx->data_meta;
    if ((void *)(meta + 1) > (void *)(long)ctx->data)
        return XDP_DROP;
    *(volatile __u64 *)meta = 0x0123456789abcdef;
    count(*(volatile __u64 *)meta == 0x0123456789abcdef ? 0 : 2);
    if (!sent_back)
        return XDP_PASS;
    eth = (void *)(long)ctx->data;
    if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
        return XDP_DROP;
    swap_macs(eth);
    return XDP_TX;
}

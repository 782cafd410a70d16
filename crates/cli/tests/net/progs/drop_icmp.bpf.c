// Drops ICMP over IPv4 (count 0) and passes the rest (count 1); the largest packet's bytes are count 2.
#include "counts.h"

SEC("xdp")
int drop_icmp(struct xdp_md *ctx)
{
    void *end = (void *)(long)ctx->data_end;
    struct ethhdr *eth = (void *)(long)ctx->data;
    struct iphdr *ip = (void *)(eth + 1);
    __u64 bytes = ctx->data_end - ctx->data;
    __u32 at = 2;
    __u64 *most = bpf_map_lookup_elem(&counts, &at);

    if (most && bytes > *most)
        *most = bytes;
    if ((void *)(ip + 1) <= end && eth->h_proto == bpf_htons(ETH_P_IP) && ip->protocol == IPPROTO_ICMP) {
        count(0);
        return XDP_DROP;
    }
    count(1);
    return XDP_PASS;
}

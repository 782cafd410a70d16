// Counts packets by kind and passes them: 0 all, 1 IPv4, 2 IPv6, 3 ARP, 4 VLAN tag 0x8100 to be seen, 5 tag 0x88a8,
// 6 any other type; by destination 8 unicast, 9 broadcast, 10 multicast.
#include "counts.h"

SEC("xdp")
int kinds(struct xdp_md *ctx)
{
    struct ethhdr *eth = (void *)(long)ctx->data;
    int index, all = 0xff;

    if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
        return XDP_DROP;
    count(0);
    switch (bpf_ntohs(eth->h_proto)) {
    case ETH_P_IP:
        count(1);
        break;
    case ETH_P_IPV6:
        count(2);
        break;
    case ETH_P_ARP:
        count(3);
        break;
    case ETH_P_8021Q:
        count(4);
        break;
    case ETH_P_8021AD:
        count(5);
        break;
    default:
        count(6);
    }
    for (index = 0; index < ETH_ALEN; index++)
        all &= eth->h_dest[index];
    if (all == 0xff)
        count(9);
    else
        count(eth->h_dest[0] & 1 ? 10 : 8);
    return XDP_PASS;
}

// Sends UDP to port 7000 back to its sender, with addresses and ports swapped (count 0); passes the rest (count 1).
#include "counts.h"

SEC("xdp")
int swap_tx(struct xdp_md *ctx)
{
    struct udp_head *head = udp_to(ctx, 7000);
    __be32 address;
    __be16 port;

    if (!head) {
        count(1);
        return XDP_PASS;
    }
    swap_macs(&head->eth);
    // Sums stay right: both orders of the same words add up to the same.
    address = head->ip.saddr;
    head->ip.saddr = head->ip.daddr;
    head->ip.daddr = address;
    port = head->udp.source;
    head->udp.source = head->udp.dest;
    head->udp.dest = port;
    count(0);
    return XDP_TX;
}

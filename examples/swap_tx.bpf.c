// Swaps the MAC addresses and sends the packet back out of the interface it came from: writes to the packet.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int swap_tx(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data;
    void *end = (void *)(long)ctx->data_end;
    struct ethhdr *eth = data;
    unsigned char source[ETH_ALEN];

    if ((void *)(eth + 1) > end)
        return XDP_DROP;
    __builtin_memcpy(source, eth->h_source, ETH_ALEN);
    __builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
    __builtin_memcpy(eth->h_dest, source, ETH_ALEN);
    return XDP_TX;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";

// Gives the verdict whose number is the first byte after the Ethernet header, to see what becomes of each.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int verdicts(struct xdp_md *ctx)
{
    unsigned char *data = (void *)(long)ctx->data;
    unsigned char *end = (void *)(long)ctx->data_end;
    unsigned char *payload = data + ETH_HLEN;

    if (payload + 1 > end)
        return XDP_PASS;
    switch (*payload) {
    case XDP_ABORTED:
        return XDP_ABORTED;
    case XDP_DROP:
        return XDP_DROP;
    case XDP_TX:
        return XDP_TX;
    case XDP_REDIRECT:
        return bpf_redirect(ctx->ingress_ifindex, 0);
    default:
        return XDP_PASS;
    }
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";

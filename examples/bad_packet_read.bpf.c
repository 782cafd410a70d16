// Rejected: reads the packet without comparing with its end, so the read may lie past it.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int bad_packet_read(struct xdp_md *ctx)
{
    unsigned char *data = (void *)(long)ctx->data;

    return data[0] == 0xff ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";

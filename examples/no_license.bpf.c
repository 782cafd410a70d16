// Rejected: bpf_printk calls a helper for GPL-compatible programs only, and this one has no licence.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int no_license(struct xdp_md *ctx)
{
    bpf_printk("no licence");
    return XDP_PASS;
}

// Sends every packet out of the interface whose index is in a global variable, which is the map `redirect.data`.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int target_ifindex = 1;

SEC("xdp")
int redirect(struct xdp_md *ctx)
{
    return bpf_redirect(target_ifindex, 0);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";

// Redirects UDP to port 7000 to the interface whose number is in `target` (count 0); passes the rest (count 1).
#include "counts.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} target SEC(".maps");

SEC("xdp")
int redirect_if(struct xdp_md *ctx)
{
    __u32 zero = 0;
    __u32 *ifindex = bpf_map_lookup_elem(&target, &zero);

    if (!ifindex || !udp_to(ctx, 7000)) {
        count(1);
        return XDP_PASS;
    }
    count(0);
    return bpf_redirect(*ifindex, 0);
}

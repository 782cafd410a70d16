// Redirects UDP to port 7000 to the interface at key 3 of a devmap; what that gives is counted by verdict. Where the map
// is empty the flags say what becomes of the packet: it passes.
#include "counts.h"

struct {
    __uint(type, BPF_MAP_TYPE_DEVMAP);
    __uint(max_entries, 8);
    __type(key, __u32);
    __type(value, __u32);
} target SEC(".maps");

SEC("xdp")
int redirect_dev(struct xdp_md *ctx)
{
    long verdict;

    if (!udp_to(ctx, 7000)) {
        count(8);
        return XDP_PASS;
    }
    verdict = bpf_redirect_map(&target, 3, XDP_PASS);
    count(verdict & 7);
    return verdict;
}

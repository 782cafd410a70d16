// An XDP program for entries of devmaps, which no interface takes.
#include "counts.h"

SEC("xdp/devmap")
int for_devmap(struct xdp_md *ctx)
{
    count(0);
    return XDP_DROP;
}

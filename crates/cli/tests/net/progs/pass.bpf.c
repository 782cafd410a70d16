// Counts every packet and passes it.
#include "counts.h"

SEC("xdp")
int pass(struct xdp_md *ctx)
{
    count(0);
    return XDP_PASS;
}

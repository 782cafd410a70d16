// XDP_ABORTED for UDP to port 7000, a verdict that does not exist for port 7001, passes the rest.
#include "counts.h"

SEC("xdp")
int aborts(struct xdp_md *ctx)
{
    if (udp_to(ctx, 7000)) {
        count(0);
        return XDP_ABORTED;
    }
    if (udp_to(ctx, 7001)) {
        count(1);
        return 99;
    }
    return XDP_PASS;
}

// Counts every packet and sends it back as it is.
#include "counts.h"

SEC("xdp")
int all_tx(struct xdp_md *ctx)
{
    count(0);
    return XDP_TX;
}

// Does anything to the ends of every packet (count 0): moves one of them by some bytes, which the helper does (count 1) or
// refuses (count 2), and returns any verdict that drops, passes or sends back (count 4 and its number).
#include "counts.h"

SEC("xdp")
int adjust_any(struct xdp_md *ctx)
{
    __u32 chance = bpf_get_prandom_u32();
    int by = (int)(chance >> 8 & 0xff) - 128;
    __u32 verdict = XDP_DROP + (chance >> 16) % 3;
    long result;

    // Now and then so far that it cannot be meant.
    if (!(chance >> 24))
        by *= 1000;
    switch (chance & 3) {
    case 0:
        result = bpf_xdp_adjust_head(ctx, by);
        break;
    case 1:
        result = bpf_xdp_adjust_tail(ctx, by);
        break;
    case 2:
        result = bpf_xdp_adjust_meta(ctx, by);
        break;
    default:
        result = bpf_xdp_adjust_meta(ctx, -8);
        result |= bpf_xdp_adjust_head(ctx, by);
    }
    count(0);
    count(result ? 2 : 1);
    count(4 + verdict);
    return verdict;
}

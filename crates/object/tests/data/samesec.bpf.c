// A program that calls a function of its own section, which is not .text.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
__attribute__((noinline)) int helper(struct xdp_md *ctx)
{
	volatile int x = ctx->rx_queue_index;
	return x & 1;
}

SEC("xdp")
int caller(struct xdp_md *ctx)
{
	return helper(ctx) + 1;
}

char LICENSE[] SEC("license") = "GPL";

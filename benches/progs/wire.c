/* The verdicts, for `cargo xtask bench net`: what is measured is the way to and from the program, so that it does little. */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/* Frames seen. One receiver at a time. */
__u64 handled = 0;
/* Where `redirect` sends them. */
const volatile __u32 target = 0;

SEC("xdp") int drop(struct xdp_md *ctx)
{
	handled++;
	return XDP_DROP;
}

SEC("xdp") int pass(struct xdp_md *ctx)
{
	handled++;
	return XDP_PASS;
}

SEC("xdp") int tx(struct xdp_md *ctx)
{
	handled++;
	return XDP_TX;
}

SEC("xdp") int redirect(struct xdp_md *ctx)
{
	handled++;
	return bpf_redirect(target, 0);
}

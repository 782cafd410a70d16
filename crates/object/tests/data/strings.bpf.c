// String literals, which the compiler merges into a section without a BTF description.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int literals(struct xdp_md *ctx)
{
	const char *name = ctx->rx_queue_index ? "many" : "one";

	bpf_trace_printk("queue %s", 9, name);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";

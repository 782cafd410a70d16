// Several programs in one section, programs that are not loaded unless asked for, flags that come from section names.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int one(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp")
int two(struct xdp_md *ctx)
{
	return XDP_DROP;
}

SEC("?xdp")
int optional(struct xdp_md *ctx)
{
	return XDP_TX;
}

SEC("xdp.frags")
int frags(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("tcx/ingress")
int a_program_with_a_long_name(struct __sk_buff *skb)
{
	return -1;
}

SEC("socket")
int filter(struct __sk_buff *skb)
{
	return skb->len;
}

SEC("syscall")
int sleepy(void *ctx)
{
	return 0;
}

SEC("kprobe/do_nothing")
int probe(void *ctx)
{
	return 0;
}

SEC("cgroup/connect4")
int connect(struct bpf_sock_addr *ctx)
{
	return 1;
}

char LICENSE[] SEC("license") = "GPL";

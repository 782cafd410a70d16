// Subprograms of every linkage, called from two programs in different orders, some through others, one as a callback.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static __attribute__((noinline)) int leaf(int x)
{
	volatile int y = x;
	return y * 3;
}

__attribute__((noinline)) int global_add(int a, int b)
{
	return leaf(a) + b;
}

__attribute__((noinline, weak)) int weak_sub(int a)
{
	return a - 7;
}

__attribute__((noinline, visibility("hidden"))) int hidden_mul(int a)
{
	volatile int y = a;
	return leaf(y) * 5;
}

static long each(__u32 index, void *ctx)
{
	*(__u32 *)ctx += index;
	return 0;
}

SEC("xdp")
int first(struct xdp_md *ctx)
{
	__u32 sum = 0;

	bpf_loop(4, each, &sum, 0);
	return (global_add(ctx->ingress_ifindex, 2) + weak_sub(3) + sum) & 1 ? XDP_PASS : XDP_DROP;
}

SEC("tc")
int second(struct __sk_buff *skb)
{
	return (hidden_mul(skb->len) + weak_sub(skb->mark)) & 1;
}

char LICENSE[] SEC("license") = "GPL";

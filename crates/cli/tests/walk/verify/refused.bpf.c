// One program for each of the commonest refusals. None is accepted; the report of each is in refused.txt.
// clang -O2 -g -target bpf -mcpu=v3 -ffile-prefix-map=$PWD=. -ffile-compilation-dir=. -c refused.bpf.c -o refused.bpf.o
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct value {
	__u64 count;
	char name[8];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct value);
} values SEC(".maps");

const volatile __u32 limit = 5;

static __always_inline struct value *find(__u32 key)
{
	return bpf_map_lookup_elem(&values, &key);
}

// A bound that covers too little.
SEC("xdp")
int packet_bound(struct xdp_md *ctx)
{
	unsigned char *data = (void *)(long)ctx->data;
	unsigned char *data_end = (void *)(long)ctx->data_end;

	if (data + 14 > data_end)
		return XDP_PASS;
	return data[14] == 0x45 ? XDP_DROP : XDP_PASS;
}

// A packet pointer that a helper has made useless.
SEC("xdp")
int packet_moved(struct xdp_md *ctx)
{
	unsigned char *data = (void *)(long)ctx->data;
	unsigned char *data_end = (void *)(long)ctx->data_end;

	if (data + 14 > data_end)
		return XDP_PASS;
	if (bpf_xdp_adjust_head(ctx, -4))
		return XDP_PASS;
	return data[0] == 1 ? XDP_DROP : XDP_PASS;
}

// A pointer that a comparison with the wrong outcome puts at the end.
SEC("xdp")
int packet_wrong_branch(struct xdp_md *ctx)
{
	unsigned char *data = (void *)(long)ctx->data;
	unsigned char *data_end = (void *)(long)ctx->data_end;

	if (data + 1 > data_end)
		return data[0];
	return XDP_PASS;
}

// No null check.
SEC("xdp")
int null_unchecked(struct xdp_md *ctx)
{
	struct value *value = find(ctx->rx_queue_index);

	value->count++;
	return XDP_PASS;
}

// An index that is checked for too large a value.
SEC("xdp")
int value_outside(struct xdp_md *ctx)
{
	struct value *value = find(0);
	__u32 index = ctx->rx_queue_index;

	if (!value || index > 12)
		return XDP_PASS;
	return value->name[index] ? XDP_DROP : XDP_PASS;
}

// An index that nobody checks.
SEC("xdp")
int value_unbounded(struct xdp_md *ctx)
{
	struct value *value = find(0);
	__u32 index = ctx->rx_queue_index;

	if (!value)
		return XDP_PASS;
	return value->name[index] ? XDP_DROP : XDP_PASS;
}

// An index that may be negative.
SEC("xdp")
int value_negative(struct xdp_md *ctx)
{
	struct value *value = find(0);
	__s32 index = ctx->rx_queue_index;

	if (!value || index > 7)
		return XDP_PASS;
	return value->name[index] ? XDP_DROP : XDP_PASS;
}

// An index of 64 bits without any bound.
SEC("xdp")
int value_unbounded_64(struct xdp_md *ctx)
{
	struct value *value = find(0);

	if (!value)
		return XDP_PASS;
	return value->name[value->count] ? XDP_DROP : XDP_PASS;
}

// A constant.
SEC("xdp")
int constant_write(struct xdp_md *ctx)
{
	*(volatile __u32 *)&limit = ctx->rx_queue_index;
	return XDP_PASS;
}

// A field that the context of another type has.
SEC("socket")
int context_field(struct __sk_buff *skb)
{
	return *(volatile __u32 *)((void *)skb + 300);
}

// A field that can only be read.
SEC("xdp")
int context_write(struct xdp_md *ctx)
{
	ctx->rx_queue_index = 1;
	return XDP_PASS;
}

// A context that is moved before it is passed on.
SEC("xdp")
int context_moved(struct xdp_md *ctx)
{
	struct xdp_md *moved = ctx + 1;

	asm volatile("" : "+r"(moved));
	return bpf_xdp_adjust_head(moved, 4) ? XDP_DROP : XDP_PASS;
}

// A number as an address.
SEC("xdp")
int number_as_address(struct xdp_md *ctx)
{
	return *(volatile __u32 *)(long)ctx->rx_queue_index ? XDP_DROP : XDP_PASS;
}

// A helper of other program types.
SEC("xdp")
int helper_of_others(struct xdp_md *ctx)
{
	return bpf_skb_vlan_pop((void *)ctx) ? XDP_DROP : XDP_PASS;
}

// An argument of the wrong kind.
SEC("xdp")
int argument_kind(struct xdp_md *ctx)
{
	void *key = (void *)(long)ctx->rx_queue_index;

	return bpf_map_lookup_elem(&values, key) ? XDP_DROP : XDP_PASS;
}

// A map that the helper is not for.
SEC("xdp")
int map_type(struct xdp_md *ctx)
{
	struct value value = {};

	return bpf_map_push_elem(&values, &value, 0) ? XDP_DROP : XDP_PASS;
}

// A size without upper bound.
SEC("xdp")
int size_unbounded(struct xdp_md *ctx)
{
	char buffer[16] = {};
	struct value *value = find(0);
	__s64 size = value ? value->count : 0;

	if (size > 16)
		return XDP_PASS;
	return bpf_csum_diff(0, 0, (void *)buffer, size, 0) ? XDP_DROP : XDP_PASS;
}

// A size that may be negative.
SEC("tp/syscalls/sys_enter_write")
int size_negative(struct value *args)
{
	char buffer[16];

	bpf_probe_read_kernel(buffer, args[1].count, 0);
	return 0;
}

// A size that may be zero.
SEC("xdp")
int size_zero(struct xdp_md *ctx)
{
	char text[8] = "text";

	return bpf_trace_printk(text, ctx->rx_queue_index & 7) ? XDP_DROP : XDP_PASS;
}

// A write beyond an array on the stack.
SEC("xdp")
int stack_outside(struct xdp_md *ctx)
{
	char buffer[8];

	asm volatile("*(u64 *)(%0 + 8) = 0" : : "r"(buffer) : "memory");
	return XDP_PASS;
}

// An index into the stack that may be too large.
SEC("xdp")
int stack_variable(struct xdp_md *ctx)
{
	volatile char buffer[16] = {};

	buffer[ctx->rx_queue_index & 31] = 1;
	return buffer[0];
}

// A register that only one branch sets.
SEC("xdp")
int uninitialised(struct xdp_md *ctx)
{
	int result;

	asm volatile("if %1 > 3 goto +1\n"
		     "r7 = 1\n"
		     "%0 = r7"
		     : "=r"(result)
		     : "r"(ctx->rx_queue_index)
		     : "r7");
	return result;
}

// A call that clobbers what is used afterwards.
SEC("xdp")
int lost_in_call(struct xdp_md *ctx)
{
	int result;

	asm volatile("r2 = 1\n"
		     "call 7\n"
		     "%0 = r2"
		     : "=r"(result)
		     :
		     : "r0", "r1", "r2", "r3", "r4", "r5");
	return result;
}

// A value that programs of the type may not return.
SEC("cgroup_skb/egress")
int return_range(struct __sk_buff *skb)
{
	return skb->len;
}

// A loop without end.
SEC("xdp")
int endless_loop(struct xdp_md *ctx)
{
	volatile int zero = 0;

	while (!ctx->rx_queue_index)
		asm volatile("" : : "r"(zero));
	return XDP_PASS;
}

// A division by the constant zero.
SEC("xdp")
int divided_by_zero(struct xdp_md *ctx)
{
	__u32 queue = ctx->rx_queue_index;

	asm volatile("%0 /= 0" : "+r"(queue));
	return queue;
}

// A pointer subtracted from a number.
SEC("xdp")
int pointer_subtracted(struct xdp_md *ctx)
{
	long number = 100;

	asm volatile("%0 -= %1" : "+r"(number) : "r"(ctx));
	return number;
}

// Two pointers added.
SEC("xdp")
int pointers_added(struct xdp_md *ctx)
{
	long sum = (long)ctx;

	asm volatile("%0 += r10" : "+r"(sum));
	return sum;
}

// A pointer moved before the null check.
SEC("xdp")
int null_moved(struct xdp_md *ctx)
{
	struct value *value = find(1);
	char *name = value->name;

	asm volatile("" : "+r"(name));
	return name ? *name : XDP_PASS;
}

// A stack access that is not aligned.
SEC("xdp")
int misaligned(struct xdp_md *ctx)
{
	asm volatile("*(u32 *)(r10 - 6) = 0" : : : "memory");
	return XDP_PASS;
}

// An atomic operation on the context.
SEC("xdp")
int atomic_context(struct xdp_md *ctx)
{
	__sync_fetch_and_add((__u32 *)((void *)ctx + 16), 1);
	return XDP_PASS;
}

// An instruction that nothing leads to.
SEC("xdp")
int unreachable(struct xdp_md *ctx)
{
	asm volatile("r0 = 2\n"
		     "exit\n"
		     "r0 = 1\n"
		     "exit");
	__builtin_unreachable();
}

// Too much stack in functions that call each other.
static __noinline int inner(struct xdp_md *ctx)
{
	volatile char buffer[300] = {};

	return buffer[ctx->rx_queue_index & 255];
}

SEC("xdp")
int too_much_stack(struct xdp_md *ctx)
{
	volatile char buffer[300] = {};

	buffer[ctx->rx_queue_index & 255] = 1;
	return inner(ctx) + buffer[3];
}

// The mistake is in a function that is called, on a branch.
static __noinline int parse(unsigned char *data, unsigned char *data_end)
{
	if (data + 20 > data_end)
		return XDP_PASS;
	if (data[0] == 0x45)
		return data[20];
	return XDP_DROP;
}

SEC("xdp")
int in_function(struct xdp_md *ctx)
{
	unsigned char *data = (void *)(long)ctx->data;
	unsigned char *data_end = (void *)(long)ctx->data_end;

	if (ctx->rx_queue_index > 3)
		return XDP_PASS;
	return parse(data, data_end);
}

// A socket that is not released on one path.
SEC("tc")
int not_released(struct __sk_buff *skb)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sock = bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);

	if (!sock)
		return 0;
	if (sock->family == 2)
		return 1;
	bpf_sk_release(sock);
	return 0;
}

// A socket that is used after its release.
SEC("tc")
int released(struct __sk_buff *skb)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sock = bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);

	if (!sock)
		return 0;
	bpf_sk_release(sock);
	return sock->family;
}

// A field that a socket does not have.
SEC("tc")
int socket_field(struct __sk_buff *skb)
{
	struct bpf_sock *sock = skb->sk;

	if (!sock)
		return 0;
	return *(volatile __u32 *)((void *)sock + 200);
}

// A pointer that is beyond the end where it is accessed.
SEC("xdp")
int packet_beyond(struct xdp_md *ctx)
{
	unsigned char *data = (void *)(long)ctx->data;
	unsigned char *data_end = (void *)(long)ctx->data_end;
	unsigned char *next = data + 8;

	asm volatile("" : "+r"(next));
	if (next > data_end)
		return next[-4];
	return XDP_PASS;
}

// An offset that is too large for any pointer.
SEC("xdp")
int value_far(struct xdp_md *ctx)
{
	struct value *value = find(0);

	return value ? value->name[1 << 30] : XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";

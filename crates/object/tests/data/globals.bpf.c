// Global and static variables in every kind of data section.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int bss_global;
static volatile int bss_static;
long data_global = 42;
static volatile int data_static = 7;
const volatile int ro_global = 99;
static const volatile short ro_static[3] = { 1, 2, 3 };
int custom SEC(".data.custom") = 5;
const volatile int ro_custom SEC(".rodata.custom") = 6;
int bss_custom SEC(".bss.custom");

struct pair {
	int a;
	char b;
} pair = { 1, 'x' };

SEC("xdp")
int sum(struct xdp_md *ctx)
{
	bss_static += ro_global;
	bss_global += data_static;
	data_global += ro_static[ctx->rx_queue_index & 1];
	data_static++;
	custom += ro_custom;
	bss_custom += pair.a;
	pair.b++;
	return bss_static + data_global ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "MIT";
__u32 VERSION SEC("version") = 0x060c00;

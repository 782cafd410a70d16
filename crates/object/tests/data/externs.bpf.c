// Externs: a kernel option, a weak option, a weak kernel symbol, a weak kernel function.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int LINUX_KERNEL_VERSION __kconfig;
extern int CONFIG_NO_SUCH_OPTION __kconfig __weak;
extern const void no_such_symbol __ksym __weak;
extern int no_such_function(int x) __ksym __weak;

SEC("xdp")
int needs(struct xdp_md *ctx)
{
	return LINUX_KERNEL_VERSION ? XDP_PASS : XDP_DROP;
}

SEC("tc")
int weak(struct __sk_buff *skb)
{
	if (&no_such_symbol)
		return 1;
	if (no_such_function)
		return no_such_function(2);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

// Weak externs that nothing provides: the program loads and sees zero.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern const void no_such_symbol __ksym __weak;
extern int no_such_function(int x) __ksym __weak;

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

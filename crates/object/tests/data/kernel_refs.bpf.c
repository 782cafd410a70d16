// Typed externs and attach targets, against the types of core_kernel.bpf.c.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifndef __weak
#define __weak __attribute__((weak))
#endif
#ifndef __ksym
#define __ksym __attribute__((section(".ksyms")))
#endif

struct wrapped___local {
	int pid;
};

extern int kernel_function(struct wrapped___local *w) __ksym;
extern int kernel_function___flavour(struct wrapped___local *w) __ksym;
extern int no_function(void) __ksym __weak;
extern const int kernel_number __ksym;
extern const int no_number __ksym __weak;

SEC("tc")
int externs(struct __sk_buff *ctx)
{
	int r = kernel_function((void *)ctx) + kernel_function___flavour((void *)ctx);
	if (no_function)
		r += no_function();
	return r + (long)&kernel_number + (long)&no_number;
}

SEC("tp_btf/something")
int on_tracepoint(void *ctx)
{
	return 0;
}

SEC("fentry/kernel_function")
int on_entry(void *ctx)
{
	return 0;
}

SEC("fexit.s/kernel_function")
int on_exit(void *ctx)
{
	return 0;
}

SEC("lsm/something")
int on_hook(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

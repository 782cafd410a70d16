// One program in .text, without a section name that says its type, and without a licence.
#include <linux/bpf.h>

int lonely(struct xdp_md *ctx)
{
	return XDP_PASS;
}

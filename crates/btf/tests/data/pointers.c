#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#define NI __attribute__((noinline))
struct nm { int x; };
#define __tag(x) __attribute__((btf_type_tag(#x)))
static NI int c1(struct nm __tag(usr) *s) { bpf_printk("%p",s); return s->x; }
static NI int c2(char **const *x, volatile char vc, const int *const *const y, struct nm v) { bpf_printk("%p",x); return vc+(x==0)+v.x; }
static NI int c3(void (*f)(struct nm a, int), const struct nm *const p, int (**pp)(const char *s), struct nm (*arr[3])(int)) { bpf_printk("%p %p %p",f, pp, arr); return p->x; }
static NI int c4(volatile const int *a, unsigned long (*m)[2][3], long e, struct nm **z) { bpf_printk("%p",a); return *a; }
SEC("xdp") int prot3(struct xdp_md *ctx) { struct nm n={ctx->rx_queue_index}; int k=1;
 return c1((void*)&n)+c2((void*)&n,k,(void*)&n,n)+c3((void*)&n,(void*)&n,(void*)&n,(void*)&n)+c4(&k,(void*)&n,5,0); }
char LICENSE[] SEC("license") = "GPL";

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
enum e1 { A, B=5, C=-1 };
typedef int (*fn_t)(int);
struct in { short s; };
typedef const struct in * in_t;
#define NI __attribute__((noinline))
static NI int a1(enum e1 e, struct in *p, const char *s, volatile int *const v) { bpf_printk("%d",e); return e + p->s + *s + *v; }
static NI void a2(const int * const *x, unsigned long long y, unsigned char *arr, int (*am)[3]) { bpf_printk("%d %d",**x,(int)y+arr[0]+am[0][1]); }
static NI const char *a3(in_t t, union bpf_attr *u, int (*fp)(int, char*), fn_t f) { bpf_printk("%d %p", t->s, fp); return (void*)f; }
NI int a4(int a, enum e1 z) { bpf_printk("%d",a); return a+z; }
NI int a5(void) { bpf_printk("x"); return 1; }
static NI struct in *a6(void **pp, void *restrict r, char **argv, _Bool b) { bpf_printk("%p",pp); return r; }
SEC("xdp") int vals(struct xdp_md *ctx) { struct in i={2}; int x=ctx->rx_queue_index; const int *px=&x; unsigned char ar[2]={1,2}; int am[2][3]={{x}};
 void *vp=0; char *av=0; char c=3;
 a2(&px, x, ar, am); const char *r3=a3(&i,(void*)&i,(void*)&am,(void*)&am); a6(&vp,&i,&av,x);
 return a1(x,&i,&c,&x) + a4(x,B) + a5() + (r3==0); }
char LICENSE[] SEC("license") = "GPL";

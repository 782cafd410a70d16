#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
char q[]="it's \"q\" \\ /<>"; 
typedef char ch_t; ch_t t[3]="ab"; const char cc[4]="xy"; volatile char vc[3]="vv"; char big[200]="zz"; 
struct { int a; union { int b; }; union { int c; char d[3];}; struct { int a2; } ; } two;
struct pk { char a; int b; } __attribute__((packed)) p = {1,2}; int *arrp[2] = {(void*)0x1234,0}; long neg=-1;
enum { ONE=1 } en1 = 1; short sh[2]={-1,1}; union { unsigned char b[2]; } ub[2];
__int128 huge = ((__int128)0x12 << 64) | 0x34; unsigned char uch='A'; enum e64 { L64 = 0x100000000ULL} m64 = 5;
extern int kf(void) __ksym __weak;
SEC("xdp") int qq(struct xdp_md *ctx) { int i=ctx->rx_queue_index&1; return q[i]+t[i]+cc[i]+vc[i]+big[i]+two.a+two.b+p.b+(arrp[i]!=0)+neg+en1+sh[i]+ub[i].b[0]+(int)huge+uch+m64; }
char LICENSE[] SEC("license") = "GPL";

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
typedef unsigned char u8; typedef unsigned long long u64;
enum e1 { A, B=5, C=-1 };
enum e8 { X8=0, Y8=200 } __attribute__((packed));
enum e64 { L64 = 0x100000000ULL, M64=7 };
enum es64 { SL64 = -0x100000000LL, SM64=7 };
typedef int (*fn_t)(int);
struct in { short s; unsigned short us; };
union un { int i; char c[4]; };
struct all {
  char c; signed char sc; u8 uc; _Bool b;
  short s; unsigned short us; int i; unsigned u; long l; unsigned long ul;
  __int128 i128; unsigned __int128 u128;
  
  enum e1 e; enum e1 e_unk; enum e8 e8; enum e64 e64; enum es64 es64;
  int bf1:3; unsigned bf2:5; int bf3:20; u64 bf4:40; _Bool bfb:1; enum e1 bfe:4;
  void *p; struct all *self; fn_t fn;
  char str[8]; char str_nonul[4]; char emb[4]; u8 bytes[4]; signed char sarr[3]; int ia[3]; int md[2][2]; char mc[2][4];
  struct in in; struct in ina[2]; union un un;
  struct { int anon_a; union { int anon_b; char anon_c; }; };
  const volatile int cv; int empty[0]; struct {} es; 
  const char *name; char flex[];
};
struct all g = { .c='x', .sc=-3,.uc=65,.b=1,.s=-2,.us=3,.i=-5,.u=6,.l=-7,.ul=8,.i128=-1,.u128=((unsigned __int128)1<<100)+5,
 .e=B,.e_unk=77,.e8=Y8,.e64=L64,.es64=SL64,.bf1=-1,.bf2=17,.bf3=-100,.bf4=0x8000000001ULL,.bfb=1,.bfe=B,
 .str="hi\"\\\n\t",.str_nonul={'a','b','c','d'},.emb={'a',0,'b',0},.bytes={1,2,3,4},.sarr={'a','b',0},.ia={1,-2,3},.md={{1,2},{3,4}},.mc={"ab","cd"},
 .in={-1,65535},.ina={{1,2},{3,4}},.un={.i=0x41424344},.anon_a=9,.anon_b=10,.cv=11};
static volatile int st = 4; char ch = 7; char ch2='\''; char ch3 = '"'; char ch4='\\'; char ch5='\n'; char uni[]="h\xc3\xa9\x80\x01\x1f/"; char nonpr[4]="\x01""b"; char empt[4]; 
u8 u8s[3]={1,2,3}; _Bool bb=2?1:0; void *ptr; enum e1 en = C; __int128 q = 5; __int128 qn=-2;
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4); __type(key, struct in); __type(value, enum e1);} hm SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 3); __type(key, int); __type(value, u64);} am SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 2); __type(key, int); __type(value, struct in);} pm SEC(".maps");
SEC("xdp") int vals(struct xdp_md *ctx) { int k=0; struct in kk={1,2}; enum e1 v=B; bpf_map_update_elem(&hm,&kk,&v,0); u64*p=bpf_map_lookup_elem(&am,&k); if(p) *p=0x1122334455667788ULL; struct in*q2=bpf_map_lookup_elem(&pm,&k); if(q2) q2->s=st; 
 return g.i+ch+ch2+ch3+ch4+ch5+uni[ctx->rx_queue_index&3]+nonpr[ctx->rx_queue_index&3]+empt[ctx->rx_queue_index&3]+u8s[ctx->rx_queue_index&1]+bb+(ptr!=0)+en+(int)q+(int)qn+(int)g.l; }
char LICENSE[] SEC("license") = "GPL";

// Maps of every common type and programs with subprograms, loops, atomics and callbacks; the names say what they are.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct key { int a; char name[4]; };
struct val { unsigned long long n; int arr[3]; unsigned f:3; unsigned g:5; void *p; _Bool b; enum { AA=1, BB=-2 } e; char s[8]; struct { unsigned char x; } in; __int128 big; };
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 8); __type(key, struct key); __type(value, struct val); } h SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 4); __type(key, int); __type(value, long); } arr SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 2); __uint(key_size, 4); __uint(value_size, 20); } plain SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 5); __uint(key_size, 8); __uint(value_size, 40); } plainh SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 2); __type(key, int); __type(value, long); } pca SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_HASH); __uint(max_entries, 4); __uint(key_size, 4); __uint(value_size, 12); } pch SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 3); __uint(key_size, 4); __uint(value_size, 4); } jt SEC(".maps");
struct inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); } in1 SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 2); __type(key, int); __array(values, struct inner); } aom SEC(".maps") = { .values = { &in1 } };
struct { __uint(type, BPF_MAP_TYPE_QUEUE); __uint(max_entries, 2); __uint(value_size, 4); } q SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_STACK); __uint(max_entries, 2); __type(value, int); } st SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } rb SEC(".maps");
long total; const volatile int cfg = 7; char txt[16] = "hey"; static int hid = 3;
static __attribute__((noinline)) int sub(int a, int b) { if (a > b) return a * b; total += a; return (unsigned)a / (b | 1); }
__attribute__((noinline)) int glob(struct xdp_md *c) { return c->ingress_ifindex + cfg + sub(c->rx_queue_index, 3); }
static long cb(__u32 i, void *ctx) { *(int*)ctx += i; return 0; }
SEC("xdp") int first(struct xdp_md *ctx) {
  void *d = (void*)(long)ctx->data, *e = (void*)(long)ctx->data_end;
  struct key k = {}; struct val v = {}; long *l; int z = 0, i;
  if (d + 14 > e) return XDP_DROP;
  k.a = ((unsigned char*)d)[12]; k.name[0] = 'x';
  l = bpf_map_lookup_elem(&arr, &z); if (l) __sync_fetch_and_add(l, 1);
  v.n = bpf_ktime_get_ns();
  bpf_map_update_elem(&h, &k, &v, 0);
  for (i = 0; i < 5; i++) z += ((unsigned char*)d)[i] * i;
  bpf_loop(4, cb, &z, 0);
  switch (z & 3) { case 0: return glob(ctx); case 1: bpf_tail_call(ctx, &jt, 1); break; default: txt[z & 7] = z; hid++; }
  return XDP_PASS;
}
SEC("tc") int second(struct __sk_buff *s) { 
  long long x = s->len; x = x << 3 | s->mark; if ((int)x < 0) s->mark = x >> 2; s->cb[0] = bpf_get_prandom_u32();
  l: ; long *p; int z = 1; p = bpf_map_lookup_elem(&pca, &z); if (p) { *p ^= x; __sync_fetch_and_or(p, 3); x = __sync_lock_test_and_set(p, x); }
  char buf[64]; __builtin_memset(buf, s->protocol, 64); bpf_skb_store_bytes(s, 0, buf, 20, 0); return x == 5 ? 1 : 0; }
char LICENSE[] SEC("license") = "GPL";

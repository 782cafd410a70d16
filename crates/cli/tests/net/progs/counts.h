// What every program here shares: counters that the test reads, and the parsing of a UDP packet's head.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

// Atomic, because packets may arrive on several CPUs at once and the tests want exact numbers.
static __always_inline void count(__u32 what)
{
    __u64 *value = bpf_map_lookup_elem(&counts, &what);

    if (value)
        __sync_fetch_and_add(value, 1);
}

struct udp_head {
    struct ethhdr eth;
    struct iphdr ip;
    struct udphdr udp;
} __attribute__((packed));

// The headers of a UDP packet over IPv4 without options to `port`, else NULL.
static __always_inline struct udp_head *udp_to(struct xdp_md *ctx, __u16 port)
{
    struct udp_head *head = (void *)(long)ctx->data;

    if ((void *)(head + 1) > (void *)(long)ctx->data_end)
        return 0;
    if (head->eth.h_proto != bpf_htons(ETH_P_IP) || head->ip.protocol != IPPROTO_UDP)
        return 0;
    return head->udp.dest == bpf_htons(port) ? head : 0;
}

static __always_inline void swap_macs(struct ethhdr *eth)
{
    unsigned char source[ETH_ALEN];

    __builtin_memcpy(source, eth->h_source, ETH_ALEN);
    __builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
    __builtin_memcpy(eth->h_dest, source, ETH_ALEN);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";

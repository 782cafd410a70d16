// Counts packets by EtherType in a hash, and packets and bytes in an array with a value for each CPU.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct total {
    __u64 packets;
    __u64 bytes;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, __u16);
    __type(value, __u64);
} by_ethertype SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct total);
} totals SEC(".maps");

static void count_ethertype(__u16 type)
{
    __u64 one = 1;
    __u64 *count = bpf_map_lookup_elem(&by_ethertype, &type);

    // Another CPU may count the same type at this moment, hence the atomic addition.
    if (count)
        __sync_fetch_and_add(count, 1);
    else
        bpf_map_update_elem(&by_ethertype, &type, &one, BPF_NOEXIST);
}

SEC("xdp")
int count(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data;
    void *end = (void *)(long)ctx->data_end;
    struct ethhdr *eth = data;
    __u32 zero = 0;

    // A lookup may find nothing, also in an array: the verifier wants the check.
    struct total *total = bpf_map_lookup_elem(&totals, &zero);
    if (total) {
        total->packets++;
        total->bytes += end - data;
    }
    if ((void *)(eth + 1) <= end)
        count_ethertype(bpf_ntohs(eth->h_proto));
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";

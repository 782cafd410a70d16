/* Calls helpers with many arguments and leaves what they gave in maps, for the same object on skep and on Linux. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define SLOTS 64
#define TEXT 64

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, __u32);
    __type(value, char[TEXT]);
    __uint(max_entries, SLOTS);
} texts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, __u32);
    __type(value, __s64);
    __uint(max_entries, SLOTS);
} numbers SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, __u64);
    __type(value, __u32);
    __uint(max_entries, 2);
} table SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, __u32);
    __type(value, __u64);
    __uint(max_entries, 2);
} counters SEC(".maps");

int signed_value = -7;
const char word[] = "word";
__u8 address4[4] = {192, 0, 2, 33};
__u8 address6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x42};

static __always_inline void number(__u32 slot, __s64 value)
{
    __s64 *place = bpf_map_lookup_elem(&numbers, &slot);
    if (place)
        *place = value;
}

#define PRINT(slot, fmt, args...) ({ \
    __u32 _slot = (slot); \
    char *_text = bpf_map_lookup_elem(&texts, &_slot); \
    if (_text) \
        number(_slot, BPF_SNPRINTF(_text, TEXT, fmt, ##args)); \
})

SEC("xdp")
int snprintf_battery(struct xdp_md *ctx)
{
    __u64 big = 0x123456789abcdef0ull;
    PRINT(0, "plain");
    PRINT(1, "%d %i %u", signed_value, signed_value, signed_value);
    PRINT(2, "%x %X %lx %llX", 0xabcd, 0xabcd, big, big);
    PRINT(3, "%ld %lu %lld %llu", (long)signed_value, big, (long long)signed_value, big);
    PRINT(4, "[%5d] [%-5d] [%05d] [%+d] [% d]", 42, 42, 42, 42, 42);
    PRINT(5, "[%5d] [%-5d] [%05d] [%+d] [% d]", -42, -42, -42, -42, -42);
    PRINT(6, "[%20llx] [%-20llx]", big, big);
    PRINT(7, "[%3c] [%-3c] [%c]", 'a', 'b', 'c');
    PRINT(8, "%s", word);
    PRINT(9, "%pi4 %pI4", address4, address4);
    PRINT(10, "%pi6 %pI6", address6, address6);
    PRINT(11, "100%% of %d%%", 5);
    PRINT(12, "0123456789012345678901234567890123456789012345678901234567890123456789 %d", 1);
    PRINT(13, "%px", 0x1234);
    PRINT(14, "%p", 0);
    PRINT(15, "[%08x] [%8x] [%-8x]", 0xbeef, 0xbeef, 0xbeef);
    PRINT(16, "%d %d %d %d %d %d %d %d %d %d %d %d", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
    PRINT(17, "[%0+5d] [%+05d] [%-05d]", 7, 7, 7);
    PRINT(18, "[%2s] [%10s] [%-10s]", word, word, word);
    PRINT(19, "%u %x", -1, -1);
    PRINT(20, "%llu %llx", -1, -1);
    return XDP_PASS;
}

SEC("xdp")
int table_battery(struct xdp_md *ctx)
{
    __u64 key = 1;
    __u32 value = 10;
    number(0, bpf_map_update_elem(&table, &key, &value, BPF_EXIST));
    number(1, bpf_map_update_elem(&table, &key, &value, BPF_NOEXIST));
    number(2, bpf_map_update_elem(&table, &key, &value, BPF_NOEXIST));
    __u32 *old = bpf_map_lookup_elem(&table, &key);
    if (!old)
        return XDP_ABORTED;
    value = 11;
    number(3, bpf_map_update_elem(&table, &key, &value, BPF_ANY));
    /* What was looked up before the update keeps the value of then. */
    number(4, *old);
    __u32 *now = bpf_map_lookup_elem(&table, &key);
    number(5, now ? *now : -1);
    if (now)
        __sync_fetch_and_add(now, 5);
    key = 2;
    number(6, bpf_map_update_elem(&table, &key, &value, BPF_ANY));
    key = 3;
    number(7, bpf_map_update_elem(&table, &key, &value, BPF_ANY));
    number(8, bpf_map_delete_elem(&table, &key));
    key = 2;
    number(9, bpf_map_delete_elem(&table, &key));
    number(10, bpf_map_delete_elem(&table, &key));
    key = 3;
    number(11, bpf_map_update_elem(&table, &key, &value, BPF_ANY));
    number(12, bpf_map_update_elem(&table, &key, &value, 77));
    __u32 index = 1;
    __u64 count = 5;
    number(13, bpf_map_update_elem(&counters, &index, &count, BPF_ANY));
    number(14, bpf_map_update_elem(&counters, &index, &count, BPF_NOEXIST));
    __u64 *mine = bpf_map_lookup_elem(&counters, &index);
    number(15, mine ? *mine : -1);
    number(16, bpf_map_delete_elem(&counters, &index));
    index = 2;
    number(17, bpf_map_update_elem(&counters, &index, &count, BPF_ANY));
    number(18, bpf_map_lookup_elem(&counters, &index) == 0);
    return XDP_DROP;
}

SEC("xdp")
int trace_battery(struct xdp_md *ctx)
{
    bpf_printk("one %d", 1);
    bpf_printk("four %d %d %d %d", 1, 2, 3, 4);
    bpf_printk("text %s and %pI4", word, address4);
    bpf_printk("newline\n");
    bpf_printk("%llx|%-6d|%06d", 0xfeedfacecafebeefull, signed_value, signed_value);
    return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";

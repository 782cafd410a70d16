// Not an XDP program.
#include "counts.h"

SEC("socket")
int filter(struct __sk_buff *skb)
{
    count(0);
    return 0;
}

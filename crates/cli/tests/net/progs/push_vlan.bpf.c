// Not under test: for Linux's tc on the sender's side, which tags UDP to ports 7000 and 7001 with VLAN 5 beside the frame (in the
// buffer's metadata, as a NIC or a VLAN device does) where 8021q devices are not built in.
#include "counts.h"
#include <linux/pkt_cls.h>

SEC("tc")
int push_vlan(struct __sk_buff *skb)
{
    struct udp_head *head = (void *)(long)skb->data;

    if ((void *)(head + 1) > (void *)(long)skb->data_end)
        return TC_ACT_OK;
    if (head->eth.h_proto == bpf_htons(ETH_P_IP) && head->ip.protocol == IPPROTO_UDP &&
        (head->udp.dest == bpf_htons(7000) || head->udp.dest == bpf_htons(7001)))
        bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 5);
    return TC_ACT_OK;
}

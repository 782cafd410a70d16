// Sends frames from standard input, each behind its length in two big-endian bytes, on the interface named by the argument.
// A stand-in until skep_sys has packet sockets: safe Rust alone cannot bind one.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
    struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = argc > 1 ? if_nametoindex(argv[1]) : 0 };
    unsigned char head[2], frame[65536];
    int fd = socket(AF_PACKET, SOCK_RAW, 0);

    if (fd < 0 || bind(fd, (void *)&address, sizeof(address)))
        return perror("packet socket"), 1;
    while (fread(head, 2, 1, stdin) == 1) {
        size_t length = head[0] << 8 | head[1];

        if (fread(frame, 1, length, stdin) != length)
            return fprintf(stderr, "short frame\n"), 1;
        if (send(fd, frame, length, 0) != (ssize_t)length)
            return perror("send"), 1;
    }
    return 0;
}

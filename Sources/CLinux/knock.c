#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "CLinux.h"

// The filter is there before the socket is bound: on a busy host everything else would fill its queue, and an answer
// would be lost. Source: the kernel's Documentation/networking/filter.rst; 6 is TCP.
int cl_knock_socket(uint16_t ethertype, uint16_t port) {
    struct sock_filter four[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 0, 4),
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_filter six[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 0, 3),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 42),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    int is_six = ethertype == ETH_P_IPV6;
    struct sock_fprog filter = {
        .len = is_six ? sizeof six / sizeof *six : sizeof four / sizeof *four,
        .filter = is_six ? six : four,
    };
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    struct sockaddr_ll all;
    memset(&all, 0, sizeof all);
    all.sll_family = AF_PACKET;
    all.sll_protocol = htons(ethertype);
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0 &&
        bind(fd, (struct sockaddr *)&all, sizeof all) == 0)
        return fd;
    int code = errno;
    close(fd);
    errno = code;
    return -1;
}

int cl_knock_send(int fd, unsigned device, uint16_t ethertype, const uint8_t hardware[6], const void *bytes,
                  size_t count) {
    struct sockaddr_ll to;
    memset(&to, 0, sizeof to);
    to.sll_family = AF_PACKET;
    to.sll_protocol = htons(ethertype);
    to.sll_ifindex = (int)device;
    to.sll_halen = 6;
    memcpy(to.sll_addr, hardware, 6);
    return (int)sendto(fd, bytes, count, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to);
}

// Groups first: afterwards we may not change them any more.
int cl_become(uid_t user, gid_t group, const char *name) {
    if ((name ? initgroups(name, group) : setgroups(0, NULL)) != 0) return -1;
    if (setresgid(group, group, group) != 0) return -1;
    return setresuid(user, user, user);
}

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <grp.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "CLinux.h"

int cl_knock_socket(uint16_t ethertype) {
    return socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ethertype));
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

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "CLinux.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

int cl_packet_open(uint32_t size, uint32_t blocks, uint32_t retire_ms, void **ring) {
    // Protocol 0: nothing comes before it is bound, so no other device's frames get in.
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    int version = TPACKET_V3;
    // V3 takes tp_frame_size only for its arithmetic: frames of any size up to the block's are packed tightly.
    struct tpacket_req3 request = {
        .tp_block_size = size,
        .tp_block_nr = blocks,
        .tp_frame_size = 4096,
        .tp_frame_nr = size / 4096 * blocks,
        .tp_retire_blk_tov = retire_ms,
    };
    if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) == 0 &&
        setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) == 0) {
        void *memory = mmap(NULL, (size_t)size * blocks, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory != MAP_FAILED) {
            *ring = memory;
            return fd;
        }
    }
    int code = errno;
    close(fd);
    errno = code;
    return -1;
}

int cl_packet_bind(int fd, int index, int skip_outgoing) {
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = index};
    // Kernels before 4.20 lack it; the reader passes over what it lets through.
    if (skip_outgoing) setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &skip_outgoing, sizeof skip_outgoing);
    return bind(fd, (struct sockaddr *)&address, sizeof address);
}

int cl_packet_statistics(int fd, uint32_t *packets, uint32_t *drops) {
    struct tpacket_stats_v3 counts;
    socklen_t length = sizeof counts;
    memset(&counts, 0, sizeof counts);
    if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &counts, &length) != 0) return -1;
    *packets = counts.tp_packets;
    *drops = counts.tp_drops;
    return 0;
}

int cl_block_open(void *block, uint32_t size, struct cl_cursor *cursor) {
    struct tpacket_block_desc *header = block;
    if (!(__atomic_load_n(&header->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) return 0;
    cursor->left = header->hdr.bh1.num_pkts;
    cursor->next = (uint8_t *)block + header->hdr.bh1.offset_to_first_pkt;
    cursor->end = (uint8_t *)block + size;
    return 1;
}

int cl_block_next(struct cl_cursor *cursor, struct cl_frame *frame) {
    const size_t head = TPACKET_ALIGN(sizeof(struct tpacket3_hdr));
    if (cursor->left == 0 || (size_t)(cursor->end - cursor->next) < head + sizeof(struct sockaddr_ll)) return 0;
    const struct tpacket3_hdr *packet = (const void *)cursor->next;
    const struct sockaddr_ll *from = (const void *)(cursor->next + head);
    size_t room = (size_t)(cursor->end - cursor->next);
    if (packet->tp_mac > room || packet->tp_snaplen > room - packet->tp_mac) return 0;
    frame->bytes = cursor->next + packet->tp_mac;
    frame->kept = packet->tp_snaplen;
    frame->length = packet->tp_len;
    frame->network = packet->tp_net >= packet->tp_mac ? packet->tp_net - packet->tp_mac : 0;
    frame->protocol = ntohs(from->sll_protocol);
    frame->hardware = from->sll_hatype;
    frame->kind = from->sll_pkttype;
    cursor->left--;
    if (packet->tp_next_offset == 0 || packet->tp_next_offset > room) cursor->left = 0;
    else cursor->next += packet->tp_next_offset;
    return 1;
}

void cl_block_close(void *block) {
    struct tpacket_block_desc *header = block;
    __atomic_store_n(&header->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
}

int cl_socket_error(int fd) {
    int code = 0;
    socklen_t length = sizeof code;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : -1;
}

int cl_device_is_up(int fd, const char *name) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (ioctl(fd, SIOCGIFFLAGS, &request) != 0) return -1;
    return (request.ifr_flags & IFF_UP) != 0;
}

int cl_send_datagram(int fd, const uint8_t *address, int length, uint16_t port, const void *bytes, size_t count) {
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (length == 4) memcpy(&four.sin_addr, address, 4);
    else memcpy(&six.sin6_addr, address, 16);
    const struct sockaddr *to = length == 4 ? (struct sockaddr *)&four : (struct sockaddr *)&six;
    return (int)sendto(fd, bytes, count, 0, to, length == 4 ? sizeof four : sizeof six);
}

ssize_t cl_find(const void *bytes, size_t count, const void *wanted, size_t length) {
    const uint8_t *found = memmem(bytes, count, wanted, length);
    return found ? found - (const uint8_t *)bytes : -1;
}

void cl_hurry_thread(int nice) { setpriority(PRIO_PROCESS, 0, nice); }

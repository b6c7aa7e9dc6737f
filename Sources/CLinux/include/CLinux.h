// The Linux calls and macros that Swift cannot import. Each entry says why it is here.
//
// Only prototypes stand here: with _GNU_SOURCE in a header, Swift would see a second definition of glibc's own
// structures and refuse both. The bodies, and _GNU_SOURCE, are in the .c files.
#ifndef CLINUX_H
#define CLINUX_H

#include <stdint.h>
#include <sys/types.h>

// No wrapper, and a union of structures: bpf(2), BPF_PROG_QUERY. How many programs are attached to a link (by index)
// or a cgroup (by descriptor), or -1. The types are those of `linux/bpf.h`, enum bpf_attach_type.
int cl_attached_programs(uint32_t target, uint32_t type);

// Guarded by _GNU_SOURCE, which the Glibc module map does not set.
int cl_setns(int fd, int kind);
int cl_unshare(int flags);
int cl_pipe2(int fds[2], int flags);
int cl_accept4(int fd, int flags);
int cl_dup3(int from, int to, int flags);
int cl_epoll_create(void);
int cl_eventfd(void);
int cl_timerfd(void);
// Fires once after `milliseconds`, then every `period` milliseconds (0: never again).
int cl_timerfd_set(int fd, int64_t milliseconds, int64_t period);
enum {
    CL_NEWNS = 0x00020000,
    CL_NEWUTS = 0x04000000,
    CL_NEWNET = 0x40000000,
    CL_NEWPID = 0x20000000
};

// epoll_event is a packed union: Swift imports neither the packing nor the union well.
enum { CL_EPOLL_ADD = 1, CL_EPOLL_REMOVE = 2, CL_EPOLL_MODIFY = 3 };
enum { CL_EPOLL_IN = 1, CL_EPOLL_OUT = 4, CL_EPOLL_ERROR = 8, CL_EPOLL_HANGUP = 16 };
enum { CL_EPOLL_PEER_CLOSED = 0x2000 };  // EPOLLRDHUP
// EPOLLET: bit 31, which is not an int.
#define CL_EPOLL_EDGE 0x80000000u
int cl_epoll_control(int ep, int operation, int fd, uint32_t events, uint64_t token);
// Waits for one round of events; fills `events` and `tokens`, both of `capacity` entries (64 at most).
int cl_epoll_wait(int ep, uint32_t *events, uint64_t *tokens, int capacity, int timeout_ms);

// Variadic calls.
int cl_open(const char *path, int flags, mode_t mode);
int cl_openat(int dir, const char *path, int flags, mode_t mode);
int cl_fcntl(int fd, int command, int argument);
int cl_ioctl(int fd, unsigned long request, void *argument);
int cl_prctl(int option, unsigned long a, unsigned long b);

// No glibc wrapper that Swift can see.
int cl_pidfd_open(pid_t pid);
int cl_pidfd_send_signal(int pidfd, int signal);
// A descriptor of ours for another process's open file, or -1.
int cl_pidfd_getfd(int pidfd, int fd);
int cl_close_range(unsigned first, unsigned last);
// Gives the allocator's free pages back to the system.
void cl_malloc_trim(void);

// sigset_t is opaque in Swift. Blocks the listed signals in this thread and returns a descriptor that reads them.
int cl_signalfd(const int *signals, int count);
// Reads one pending signal number from a signalfd, or -1.
int cl_signalfd_read(int fd);
void cl_ignore_sigpipe(void);

// sockaddr_un's fixed array and sizeof arithmetic. -1 with ENAMETOOLONG where the path does not fit.
int cl_unix_bind(int fd, const char *path);
int cl_unix_connect(int fd, const char *path);
// struct linger. Makes the next close of a TCP socket a reset.
int cl_reset_on_close(int fd);
// SO_PEERCRED needs struct ucred, which is guarded by _GNU_SOURCE.
int cl_peer_uid(int fd, uid_t *uid);

// Function-like wait macros.
int cl_exited(int status);
int cl_exit_status(int status);
int cl_signalled_by(int status);

// posix_spawn with what a child of ours needs: default signals, an empty mask, its own session if asked, and only
// descriptors 0, 1 and 2. A descriptor of -1 means /dev/null.
// Returns 0 or an errno value.
int cl_spawn(pid_t *pid, const char *path, char *const argv[], char *const envp[], int in, int out, int err,
             int new_session, const char *directory);

// struct sockaddr_ll and socket filters are not in Swift's Glibc. A packet socket for what TCP sends to `port` over IPv4
// or IPv6 (by its Ethernet type), on every device, without the Ethernet header; and one such payload to a hardware
// address by a device, past all routes.
int cl_knock_socket(uint16_t ethertype, uint16_t port);
int cl_knock_send(int fd, unsigned device, uint16_t ethertype, const uint8_t hardware[6], const void *bytes,
                  size_t count);
// setgroups and its like are guarded by _GNU_SOURCE. Becomes another user for good, in every thread; 0 or -1.
int cl_become(uid_t user, gid_t group, const char *name);

// A name for the thread in ps and in a core dump.
void cl_name_thread(const char *name);

// `environ` is a mutable global, which Swift 6 refuses.
char **cl_environment(void);

// Terminal width in columns, or 0 where `fd` is no terminal. (ioctl is variadic, winsize a macro's argument.)
int cl_terminal_width(int fd);

// Packet sockets: the ring's structures are unions of versions, and its macros are function-like.
// A frame in a ring, as the kernel describes it.
struct cl_frame {
    const uint8_t *bytes;
    uint32_t kept;      // bytes that are here
    uint32_t length;    // bytes that there were
    uint32_t network;   // where the network layer's header begins
    uint16_t protocol;  // the kernel's Ethernet type, in host order
    uint16_t hardware;  // ARPHRD_*
    uint8_t kind;       // PACKET_HOST, PACKET_OUTGOING, ...
};
// The place in a block while its frames are taken one after the other.
struct cl_cursor {
    const uint8_t *next;
    const uint8_t *end;
    uint32_t left;
};
enum { CL_PACKET_OUTGOING = 4, CL_HARDWARE_ETHER = 1, CL_HARDWARE_LOOPBACK = 772 };
// A TPACKET_V3 socket with a ring of `blocks` blocks of `size` bytes, mapped at `*ring`; bound to nothing yet.
int cl_packet_open(uint32_t size, uint32_t blocks, uint32_t retire_ms, void **ring);
// From now on every frame of the device, both ways, goes into the ring. Loopback shows each frame once if asked.
int cl_packet_bind(int fd, int index, int skip_outgoing);
// Counts since the last call; a drop is also a packet.
int cl_packet_statistics(int fd, uint32_t *packets, uint32_t *drops);
// Whether a block is ours to read; if so the cursor is put before its first frame.
int cl_block_open(void *block, uint32_t size, struct cl_cursor *cursor);
int cl_block_next(struct cl_cursor *cursor, struct cl_frame *frame);
// Gives a block back to the kernel.
void cl_block_close(void *block);
// SO_ERROR, which is cleared by it: 0 or an errno value, or -1.
int cl_socket_error(int fd);
// SIOCGIFFLAGS: whether the device has IFF_UP; -1 where there is no such device.
int cl_device_is_up(int fd, const char *name);
// sockaddr_in and sockaddr_in6 behind one pointer: sends one datagram to 4 or 16 bytes of address.
int cl_send_datagram(int fd, const uint8_t *address, int length, uint16_t port, const void *bytes, size_t count);

// memmem is guarded by _GNU_SOURCE. Its offset, or -1.
ssize_t cl_find(const void *bytes, size_t count, const void *wanted, size_t length);
// setpriority's first argument is an enum in glibc. Puts this thread before others, as far as it may.
void cl_hurry_thread(int nice);

#endif

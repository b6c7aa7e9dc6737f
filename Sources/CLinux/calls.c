#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "CLinux.h"


// Guarded by _GNU_SOURCE, which the Glibc module map does not set.
int cl_setns(int fd, int kind) { return setns(fd, kind); }
int cl_unshare(int flags) { return unshare(flags); }
int cl_pipe2(int fds[2], int flags) { return pipe2(fds, flags); }
int cl_accept4(int fd, int flags) { return accept4(fd, NULL, NULL, flags); }
int cl_dup3(int from, int to, int flags) { return dup3(from, to, flags); }
int cl_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }
int cl_timerfd_set(int fd, int64_t milliseconds, int64_t period) {
    struct itimerspec when = {
        .it_interval = {.tv_sec = period / 1000, .tv_nsec = period % 1000 * 1000000},
        .it_value = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000},
    };
    return timerfd_settime(fd, 0, &when, NULL);
}
int cl_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }
int cl_timerfd(void) {
    return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
}

// epoll_event is a packed union: Swift imports neither the packing nor the union well.
int cl_epoll_control(int ep, int operation, int fd, uint32_t events, uint64_t token) {
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = events;
    event.data.u64 = token;
    return epoll_ctl(ep, operation, fd, &event);
}
// Waits for one round of events; fills `events` and `tokens`, both of `capacity` entries.
int cl_epoll_wait(int ep, uint32_t *events, uint64_t *tokens, int capacity,
                  int timeout_ms) {
    struct epoll_event ready[64];
    if (capacity > 64) capacity = 64;
    int n = epoll_wait(ep, ready, capacity, timeout_ms);
    for (int i = 0; i < n; i++) {
        events[i] = ready[i].events;
        tokens[i] = ready[i].data.u64;
    }
    return n;
}

// Variadic calls.
int cl_open(const char *path, int flags, mode_t mode) { return open(path, flags, mode); }
int cl_openat(int dir, const char *path, int flags, mode_t mode) {
    return openat(dir, path, flags, mode);
}
int cl_fcntl(int fd, int command, int argument) { return fcntl(fd, command, argument); }
int cl_ioctl(int fd, unsigned long request, void *argument) {
    return ioctl(fd, request, argument);
}
int cl_prctl(int option, unsigned long a, unsigned long b) {
    return prctl(option, a, b, 0UL, 0UL);
}

// No glibc wrapper in Debian 12's headers that Swift can see.
int cl_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
int cl_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}
int cl_pidfd_getfd(int pidfd, int fd) { return (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0); }
int cl_close_range(unsigned first, unsigned last) {
    return (int)syscall(SYS_close_range, first, last, 0);
}

void cl_malloc_trim(void) { malloc_trim(0); }

// sigset_t is opaque in Swift; a signalfd over a short list is all that is needed.
int cl_signalfd(const int *signals, int count) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}
// Reads one pending signal number from a signalfd, or -1.
int cl_signalfd_read(int fd) {
    struct signalfd_siginfo info;
    return read(fd, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : -1;
}
void cl_ignore_sigpipe(void) { signal(SIGPIPE, SIG_IGN); }

// sockaddr_un's fixed array and sizeof arithmetic. Return -1 with ENAMETOOLONG where the path does not fit.
static int cl_unix_address(const char *path, struct sockaddr_un *out, socklen_t *length) {
    size_t n = strlen(path);
    if (n >= sizeof out->sun_path) { errno = ENAMETOOLONG; return -1; }
    memset(out, 0, sizeof *out);
    out->sun_family = AF_UNIX;
    memcpy(out->sun_path, path, n + 1);
    *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    return 0;
}
int cl_unix_bind(int fd, const char *path) {
    struct sockaddr_un address;
    socklen_t length;
    if (cl_unix_address(path, &address, &length) < 0) return -1;
    return bind(fd, (struct sockaddr *)&address, length);
}
int cl_unix_connect(int fd, const char *path) {
    struct sockaddr_un address;
    socklen_t length;
    if (cl_unix_address(path, &address, &length) < 0) return -1;
    return connect(fd, (struct sockaddr *)&address, length);
}
// struct linger. Makes the next close of a TCP socket a reset.
int cl_reset_on_close(int fd) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}
// SO_PEERCRED needs struct ucred, which is guarded by _GNU_SOURCE.
int cl_peer_uid(int fd, uid_t *uid) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) return -1;
    *uid = credentials.uid;
    return 0;
}

// Function-like wait macros.
int cl_exited(int status) { return WIFEXITED(status); }
int cl_exit_status(int status) { return WEXITSTATUS(status); }
int cl_signalled_by(int status) { return WIFSIGNALED(status) ? WTERMSIG(status) : 0; }


// A name for the thread in ps and in a core dump.
void cl_name_thread(const char *name) { prctl(PR_SET_NAME, (unsigned long)name, 0UL, 0UL, 0UL); }

// `environ` is a mutable global, which Swift 6 refuses.
char **cl_environment(void) { extern char **environ; return environ; }

// Terminal width, or 0 where `fd` is no terminal.
int cl_terminal_width(int fd) {
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

// *Source:* `linux/bpf.h`, union bpf_attr, the part for BPF_PROG_QUERY (16).
int cl_attached_programs(uint32_t target, uint32_t type) {
    struct {
        uint32_t target, type, query_flags, attach_flags;
        uint64_t ids;
        uint32_t count, padding;
        // The kernel writes a revision here whatever size it is told; the rest is for those to come.
        uint64_t program_flags, links, link_flags, revision, rest[8];
    } query = {.target = target, .type = type};
    // With no room for numbers the kernel only counts, and says where it would have had more to tell.
    if (syscall(SYS_bpf, 16, &query, sizeof query) < 0 && errno != ENOSPC) return -1;
    return (int)query.count;
}

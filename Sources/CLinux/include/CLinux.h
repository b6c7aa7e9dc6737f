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

// A name for the thread in ps and in a core dump.
void cl_name_thread(const char *name);

// `environ` is a mutable global, which Swift 6 refuses.
char **cl_environment(void);

// Terminal width in columns, or 0 where `fd` is no terminal. (ioctl is variadic, winsize a macro's argument.)
int cl_terminal_width(int fd);

#endif

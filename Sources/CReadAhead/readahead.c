#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "CReadAhead.h"

struct read_ahead {
    struct read_ahead *next;
    int fd;
    // The last read took all that there was, and nothing has been said to have come since.
    int drained;
    // The end of the stream has been told of, and has to be read after the last byte: there will be no other edge.
    int ended;
    // The socket had no room when it was last written to.
    int full;
    // The stream is over once the buffer is empty: with an errno, or 0 for its orderly end.
    int over;
    int failure;
    size_t start, end, capacity;
    uint64_t fills;
    char bytes[];
};

// The newest first: where libssh has closed a socket and the number is in use again, the later one counts.
static _Thread_local struct read_ahead *first;

static struct read_ahead *find(int fd) {
    struct read_ahead *each = first;
    while (each && each->fd != fd) each = each->next;
    return each;
}

struct read_ahead *read_ahead_open(int fd, size_t capacity) {
    struct read_ahead *self = malloc(sizeof *self + capacity);
    if (!self) return NULL;
    *self = (struct read_ahead){.next = first, .fd = fd, .capacity = capacity};
    first = self;
    return self;
}

void read_ahead_close(struct read_ahead *self) {
    struct read_ahead **link = &first;
    while (*link && *link != self) link = &(*link)->next;
    if (*link) *link = self->next;
    // It holds only what is encrypted.
    free(self);
}

void read_ahead_arrived(struct read_ahead *self, int ended) {
    self->drained = 0;
    if (ended) self->ended = 1;
}
int read_ahead_pending(const struct read_ahead *self) {
    return self->end > self->start || (!self->drained && !self->over);
}
uint64_t read_ahead_fills(const struct read_ahead *self) { return self->fills; }

// Reads as much as fits into an empty buffer. libssh takes any failure of a read for the end of the connection, so
// that there is nothing now must stay apart from that.
static void fill(struct read_ahead *self) {
    ssize_t count;
    do {
        count = recvfrom(self->fd, self->bytes, self->capacity, MSG_DONTWAIT, NULL, NULL);
    } while (count < 0 && errno == EINTR);
    self->start = 0;
    self->end = count > 0 ? (size_t)count : 0;
    self->fills++;
    // A short read has emptied the socket, and what comes later makes an edge.
    if (count > 0) {
        self->drained = (size_t)count < self->capacity && !self->ended;
    } else if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        self->drained = 1;
    } else {
        self->over = 1;
        self->failure = count < 0 ? errno : 0;
    }
}

static int readable(struct read_ahead *self) {
    if (self->start == self->end && !self->over && !self->drained) fill(self);
    return self->end > self->start || self->over;
}

int poll(struct pollfd *fds, nfds_t count, int milliseconds) {
    struct read_ahead *self = first && count == 1 ? find(fds[0].fd) : NULL;
    short found = 0;
    if (self) {
        if (fds[0].events & POLLIN && readable(self)) found |= POLLIN;
        // Room is taken for granted until a write says otherwise.
        int asks = fds[0].events & POLLOUT;
        if (asks && !self->full) found |= POLLOUT;
        if ((found || milliseconds == 0) && !(asks && self->full)) {
            fds[0].revents = found;
            return found != 0;
        }
        // Only the kernel knows of new room, also while there are bytes to be read.
        if (found) milliseconds = 0;
    }
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    int ready = ppoll(fds, count, milliseconds < 0 ? NULL : &pause, NULL);
    if (!self || ready < 0) return ready;
    if (fds[0].revents & POLLOUT) self->full = 0;
    if (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) self->drained = 0;
    fds[0].revents |= found;
    return fds[0].revents != 0;
}

ssize_t recv(int fd, void *buffer, size_t size, int flags) {
    struct read_ahead *self = first && flags == 0 ? find(fd) : NULL;
    if (!self) return recvfrom(fd, buffer, size, flags, NULL, NULL);
    // Without a poll before it, or after one that found an error to be read.
    if (self->start == self->end) self->drained = 0;
    if (!readable(self)) {
        errno = EAGAIN;
        return -1;
    }
    size_t count = self->end - self->start;
    if (count == 0) {
        errno = self->failure;
        return self->failure ? -1 : 0;
    }
    if (count > size) count = size;
    memcpy(buffer, self->bytes + self->start, count);
    self->start += count;
    return (ssize_t)count;
}

ssize_t send(int fd, const void *buffer, size_t size, int flags) {
    ssize_t count = sendto(fd, buffer, size, flags, NULL, 0);
    struct read_ahead *self = first ? find(fd) : NULL;
    if (!self) return count;
    if (count >= 0) {
        self->full = (size_t)count < size;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        // poll had no reason to say that there is no room; a failure would end the session.
        self->full = 1;
        return 0;
    }
    return count;
}

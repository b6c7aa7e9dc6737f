// A buffer beneath libssh, which reads its socket in pieces of 4 KiB with a poll(2) before each, and polls before each
// write as well. For a GiB that is half a million system calls.
//
// libssh has no way to be given another reader, but it calls poll, recv and send by their ordinary names. readahead.c
// defines these three, and a definition in the program comes before the C library's, for libssh as an archive and as a shared
// object alike. For a socket that its thread has opened a read_ahead for, they serve from and fill a buffer; for every
// other descriptor, and on every other thread, they are what they always were. Nothing else that runs on a tunnel's thread
// calls them: its own sockets are read with read(2) and waited for with epoll(7).
#ifndef CREADAHEAD_H
#define CREADAHEAD_H

#include <stddef.h>
#include <stdint.h>

struct read_ahead;

// Buffers up to `capacity` bytes of what comes in on `fd`, for the calling thread only; NULL where memory runs out.
// Pages of the buffer that were never filled cost nothing.
struct read_ahead *read_ahead_open(int fd, size_t capacity);
// What is still in the buffer is lost. On the thread that opened it.
void read_ahead_close(struct read_ahead *self);
// Something came in on the socket since its last short read, or its end (`ended`): an edge of epoll(7) says so.
void read_ahead_arrived(struct read_ahead *self, int ended);
// Whether there are bytes that libssh has not taken yet, or may be: in the buffer, or in the socket.
int read_ahead_pending(const struct read_ahead *self);
// How many times it was filled: so that a test can tell that libssh's calls do come here.
uint64_t read_ahead_fills(const struct read_ahead *self);

#endif

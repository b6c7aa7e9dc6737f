#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include "CLinux.h"

// Descriptors are lifted above 2 first, so that a caller may hand over 0, 1 or 2 in any order.
static int place(posix_spawn_file_actions_t *actions, int from, int to) {
    if (from < 0)
        return posix_spawn_file_actions_addopen(actions, to, "/dev/null", to == 0 ? O_RDONLY : O_WRONLY, 0);
    return posix_spawn_file_actions_adddup2(actions, from, to);
}

int cl_spawn(pid_t *pid, const char *path, char *const argv[], char *const envp[], int in, int out, int err,
             int new_session, const char *directory) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int given[3] = {in, out, err}, lifted[3] = {-1, -1, -1}, result = 0;
    short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;

    for (int i = 0; i < 3; i++) {
        if (given[i] < 0) continue;
        lifted[i] = fcntl(given[i], F_DUPFD_CLOEXEC, 3);
        if (lifted[i] < 0) { result = errno; goto close_lifted; }
    }
    sigemptyset(&none);
    sigfillset(&all);
    if (new_session) flags |= POSIX_SPAWN_SETSID;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, flags);
    posix_spawn_file_actions_init(&actions);
    for (int i = 0; i < 3 && result == 0; i++) result = place(&actions, lifted[i], i);
    // What we were started with ourselves is not close-on-exec, and may be anything.
    if (result == 0) result = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    if (result == 0 && directory) result = posix_spawn_file_actions_addchdir_np(&actions, directory);
    if (result == 0) result = posix_spawn(pid, path, &actions, &attributes, argv, envp);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
close_lifted:
    for (int i = 0; i < 3; i++)
        if (lifted[i] >= 0) close(lifted[i]);
    return result;
}

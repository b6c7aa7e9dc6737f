#define LIBSSH_LEGACY_0_4 0
#include <libssh/libssh.h>
#include <libssh/callbacks.h>

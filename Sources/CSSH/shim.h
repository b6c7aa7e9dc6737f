#define LIBSSH_LEGACY_0_4 0
#include <libssh/libssh.h>
#include <libssh/callbacks.h>
// ssh_send_keepalive is declared among the server's calls, though clients need it just as much.
#include <libssh/server.h>

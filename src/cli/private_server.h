#pragma once

// A server of this command's own, for when there is no other: `stax record -o FILE` in a container,
// or a question about a run file. It listens nowhere; its only clients are ours, over socket pairs,
// and it leaves when the last of them has closed its end, once the run file is complete. So it is
// gone, in good order, however this command ends.

#include "base/err.h"
#include "rpc/client.h"

#include <sys/types.h>

struct private_server {
    pid_t pid; // 0: none
};

// Starts one, connected to the clients (which are CLIENT_INIT). `runs_folder` as its --runs-dir: ""
// for none, NULL for the usual one. 0, or a negative errno with a line for people.
int private_server_start(struct private_server *ret, struct client *const clients[],
                         size_t n_clients, const char *runs_folder, struct err *reterr);

// After client_fini() of all: waits until its work is done. Accepts one that was not started.
void private_server_wait(struct private_server *server);

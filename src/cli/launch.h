#pragma once

// A program that is started, but waits just before its exec until it is released.
//
//     stax record                    child
//     launch_suspended ──fork──►     waits for one byte
//     (the server arms capture)
//     launch_release   ──byte──►     execvp
//                      ◄─error───    only when that failed
//
// The child keeps terminal, streams, environment, signals and folder. It is reaped only by
// launch_reap(): until then /proc/PID stays readable for the server's final accounting.

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

struct launch {
    pid_t pid;      // 0: none
    int pidfd;      // readable once it has ended
    int release_fd; // a byte lets it go; closing it ends it
    int failure_fd; // an errno when exec failed, else end of file
};

#define LAUNCH_INIT                                                                                \
    (struct launch)                                                                                \
    {                                                                                              \
        .pidfd = -1, .release_fd = -1, .failure_fd = -1                                            \
    }

// Whether execvp() will find something to execute by that name: 0 or a negative errno. Only to tell
// early; what counts is launch_release().
int launch_check(const char *command);

// 0 or a negative errno. `argv` ends with NULL. To be called before descriptors are opened that
// the program must not see even for a moment.
int launch_suspended(struct launch *ret, char **argv, struct err *reterr);

// Lets it go. A negative errno when it could not be executed; it has ended then.
int launch_release(struct launch *launch);

// Ends it and reaps it.
void launch_kill(struct launch *launch);

// Waits for its end and reaps it: its exit status, or 128 + signal.
int launch_reap(struct launch *launch);

void launch_fini(struct launch *launch);

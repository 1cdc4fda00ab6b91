#pragma once

// What a thread waits for at this moment, from outside: /proc and the target's memory.
//
//     /proc/PID/task/TID/wchan      the kernel function that it waits in. Permitted to whoever may
//                                   read the process (PTRACE_MODE_READ), which a user's own are
//     /proc/PID/task/TID/syscall    the system call with its arguments. Needs PTRACE_MODE_ATTACH:
//                                   kernel.yama.ptrace_scope, another user, or a process that is
//                                   not dumpable may stand in the way; `not_details` then says
//                                   which
//     its memory                    the object behind a futex (capture/linux/futex.h)
//     …/syscall again               still the same wait: else what was read may be of two waits
//
// Nothing is stopped and nobody is asked, so all of it may be a lie of the target, and reading its
// memory may block for as long as it likes (userfaultfd, a file on a dead server).

#include "capture/capture.h"

// One line of /proc/PID/task/TID/syscall, see proc(5).
struct look_syscall {
    bool running; // and nothing else is known
    bool inside;  // of a system call; false: it waits for something else, such as a page
    uint64_t number;
    uint64_t args[6];
    uint64_t sp_addr;
    uint64_t pc_addr;
};

// Pure. False when it is not such a line.
bool look_syscall_parse(struct slice line, struct look_syscall *ret);

// The content of a wchan as the name of a function: without what compilers add behind a dot
// (`.constprop.0`, `.isra.0`, `.part.0`, `.cold`), "" when the kernel names none. Pure.
void look_place_parse(struct slice wchan, char ret[CAPTURE_PLACE_BYTES]);

// The number of a thread in its own pid namespace, from its /proc/PID/status, and how many
// namespaces deep that is below ours (0: in ours). False when it does not say. Pure.
bool look_status_parse(struct slice status, uint32_t *ret_tid, uint32_t *ret_depth);

// Fills in the answer. Returns the time until which it is known to have held, or 0 when the thread
// does not wait.
uint64_t look_at(struct capture_look *look);

// capture_backend.look
void look_threads(struct capture_look *looks, size_t n);

// CAPTURE_WAIT_DETAILS: in general, and for a process that exists.
void look_probe(struct capture_ability_state *ret);
void look_probe_process(uint32_t pid, struct capture_ability_state *ret);

#pragma once

// Where a tracepoint's raw bytes hold what, from the description that the kernel gives of it
// (events/SYSTEM/NAME/format in tracefs). Pure.
//
//     field:pid_t pid;    offset:24;    size:4;    signed:1;     (there are tabs in between)

#include "base/bytes.h"

struct tracepoint_field {
    uint32_t off;
    uint32_t size_bytes;
};

// Finds the field of that name; for `char comm[16]` that is "comm". False when there is none, or
// none that lies within 64 KiB.
bool tracepoint_find_field(struct slice format, const char *name, struct tracepoint_field *ret);

// What is read of sched:sched_waking.
struct waking_format {
    uint32_t flags_off;     // 1 byte: common_flags
    uint32_t waker_tid_off; // 4 bytes: common_pid
    uint32_t wakee_tid_off; // 4 bytes: pid
};

// common_flags, include/linux/trace_events.h.
enum { TRACEPOINT_HARD_INTERRUPT = 0x08, TRACEPOINT_SOFT_INTERRUPT = 0x10 };

// False when the description lacks a field or has it in another size.
bool waking_format_parse(struct slice format, struct waking_format *ret);

struct waking {
    uint8_t flags;
    uint32_t waker_tid;
    uint32_t wakee_tid;
};

// False when the bytes end before the fields do.
bool waking_parse(const struct waking_format *format, struct slice raw, struct waking *ret);

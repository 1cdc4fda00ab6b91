#pragma once

// A run as of one moment: how far each of its tables goes, and what may still change in place.
//
// A spool keeps the moment that is in its file and takes a new one; what it writes is the
// difference between the two (spool_writer.h).
//
// The moment is a time H, the store's last_ns when it is taken: everything of all events before H
// is in it, and nothing of H or later, of which there may be more to come. That stays for the next
// one. When no event has come since the last one, what is of H belongs to it, too: a quiet run
// shall be in its file to the end. The order in which the store is read makes that true while its
// writer goes on:
//
//     last_ns ► threads ► rows      what a thread does is as of H: store.h says why
//     rows ► stacks ► frames ► …    a row comes after what it names, so that is read after the row
//
// A thread whose stay off the CPU ended between H and the look at it is off at H all the same: the
// row of that stay tells, see moment.c.

#include "base/vec.h"
#include "store/paging.h"

struct thread_state {
    uint64_t ended_ns; // 0: lives
    string_id name;
    struct thread_off off; // since_ns 0: on a CPU
};

struct process_state {
    uint64_t ended_ns;
    string_id name;
    image_id main_image;
};

struct moment {
    uint64_t last_ns;
    uint64_t ended_ns; // 0: the run goes on
    uint64_t rows[ROW_TABLES];
    uint64_t n_waits; // of the rows of intervals, those that are no INTERVAL_RUNNABLE: the writer's
    uint32_t n_stacks;
    uint32_t n_frames;
    uint32_t n_images;
    uint32_t n_strings;
    VEC(struct thread_state) threads;
    VEC(struct process_state) processes;
    VEC(uint64_t) images_until_ns;
    VEC(uint64_t) codes_ended_ns;
    uint64_t accounts[ACCOUNT_COUNT];
    uint64_t events[STORE_EVENT_KINDS];
};

// A run of which nothing is known yet, but what store_new() makes.
void moment_init(struct moment *moment);
void moment_fini(struct moment *moment);

// Of a run that goes on, or is over. `moment` is one that was initialised or taken before; what it
// has room for is used again. `previous_ns` is the last_ns of the one before; 0: there is none. Any
// one thread.
void moment_take(struct moment *moment, const struct store *store, uint64_t previous_ns);

#pragma once

// For tests of run files: runs made by chance, of everything that a store can hold; whether two are
// the same; and folders that go away.

#include "store/paging.h"

#include <stdbool.h>

struct random_run {
    struct store *store;
    uint64_t random;
    uint64_t now_ns;
};

void random_run_init(struct random_run *run, uint64_t seed);

// So many events happen. For the thread that writes the store.
void random_run_go_on(struct random_run *run, size_t n_events);

// As the recording ends a run: nobody is off any more.
void random_run_end(struct random_run *run);

uint64_t random_next(uint64_t *random, uint64_t n); // 0 … n - 1

// Whether everything in `copy` is as in the first rows of `store`, up to the time of its end.
// Asserts (ASSERT) that it is. `is_whole`: and that there is nothing else.
void check_is_prefix(const struct store *store, const struct store *copy, bool is_whole);

// Reads all that is in a store, and asserts that what is named exists. A sum of it.
uint64_t store_walk(const struct store *store);

// A new folder, and its end with all that is in it. Freed by the second.
char *folder_make(void);
void folder_remove(char *folder);
char *folder_path(const char *folder, const char *name); // freed by the caller
size_t folder_count(const char *folder);                 // of files

void file_put(const char *path, const void *bytes, size_t n);

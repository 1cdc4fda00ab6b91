#pragma once

// What the tests of this folder share: files of their own, and a look at what binutils say.

#include "base/text.h"

#include <stdbool.h>

// Of the shared library test_fixture.c, which has a build-id and a .symtab.
extern int fixture_data;
int fixture_global(int x);
int __fixture_alias_with_a_long_name(int x);

// Of another one, test_debug_frame.c.
int debug_frame_function(int x);

// The path of the file that holds this address of ours, on the heap.
char *path_of_code(const void *code);

// A fresh directory that everybody may enter, on the heap; and its end, with all that is in it.
char *directory_new(void);
void directory_remove(const char *path);

// `directory`/`name`, on the heap.
char *path_join(const char *directory, const char *name);

// Makes the directories that a file of this path needs.
void directory_make_for(const char *path);

void file_write(const char *path, const void *bytes, size_t n);
void file_copy(const char *from, const char *to);

// Runs a program and takes what it prints. False when there is no such program.
bool command_output(char *const argv[], struct text *text);

// Fixtures of debug files; false when there is no objcopy. `from` has symbols and DWARF.
bool strip_all(const char *from, const char *to);
bool keep_debug(const char *from, const char *to);

// `directory`/.build-id/ab/cdef….debug, on the heap.
struct build_id;
char *build_id_path(const char *directory, const struct build_id *id);

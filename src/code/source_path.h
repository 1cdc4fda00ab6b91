#pragma once

// Where the text of a source file may be, from what its debug information calls it. Pure: nothing
// is opened here.
//
// A name is made absolute by the folder of its compilation (image/source_files.h has done that) and
// normalized as text: "/build/x/csu/../elf/./rtld.c" is "/build/x/elf/rtld.c". One that climbs
// above where it begins, or that has LIMIT_NAME_BYTES or more, is refused: it names nothing. So no
// `..` is ever given to open(2).
//
// One may still be relative: builds that hide their folder, as Debian's do, call it "."
// ("./elf/x.c" is "elf/x.c" here). Of these only a substitution makes something that can be looked
// for.
//
// Substitutions are those of gdb's `set substitute-path`: FROM is replaced by TO where it is a
// whole leading part of the path ("/build" fits "/build/x", not "/builder"; "." fits all that are
// relative). The longest FROM that fits goes first; one substitution, not several in a row.

#include "base/err.h"
#include "base/text.h"
#include "base/vec.h"

enum { RUST_HASH_DIGITS = 40 };

struct source_map {
    char *from; // owned; both without a slash at their end, but for "/" itself
    char *to;   // owned
};

struct source_maps {
    VEC(struct source_map) list;
};

void source_maps_fini(struct source_maps *maps); // a zeroed one is empty, and ready

// Replaces an earlier one of the same FROM.
void source_maps_add(struct source_maps *maps, const char *from, const char *to);
void source_maps_copy(struct source_maps *to, const struct source_maps *from);
bool source_maps_equal(const struct source_maps *a, const struct source_maps *b);

// For what users say: 0, or -EINVAL when FROM can't be normalized or TO is not absolute, and which.
// One that was added unchecked never fits, or leads nowhere.
int source_map_check(const char *from, const char *to, struct err *reterr);

// Adds the normalized form of `path`. False, and nothing is added: see above.
bool source_path_normalize(const char *path, struct text *to);
bool source_path_is_absolute(const char *path);

// Adds what the substitutions make of a normalized path: absolute and normalized. False: none fits,
// or what it makes is no path.
bool source_path_substitute(const struct source_maps *maps, const char *path, struct text *to);

// Of a file of Rust's own library, as the compiler names it: "/rustc/<hash>/library/core/src/…".
// The commit's 40 hexadecimal digits and the rest of the path, both within `path`. False: it is
// none.
bool source_path_of_rust(const char *path, struct slice *ret_hash, const char **ret_rest);

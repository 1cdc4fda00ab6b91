#pragma once

// The sources of Rust's own library on this machine, by the commit that they are of. Functions of
// that library are in every Rust program, compiled elsewhere from files that are called
// /rustc/<commit>/library/….
//
//     $RUSTUP_HOME or ~/.rustup
//       toolchains/<name>/lib/rustlib/
//         multirust-channel-manifest.toml     says the commit:
//             [pkg.rust-src]
//             version = "1.95.0 (59807616e 2026-04-14)"       its first digits, or, in older ones,
//             git_commit_hash = "59807616e1fa2540724b…"       all of them
//         src/rust/library/…                  only with the component rust-src
//
// Sources of which nothing says the commit are not used: lines of another one would look right and
// be wrong. Debian's own compiler needs none of this: it calls these files
// /usr/src/rustc-<version>/library/…, which is where its package rust-src puts them.
//
// Belongs to one thread.

#include "base/bytes.h"
#include "base/vec.h"
#include "image/library.h"

#include <stdbool.h>

enum { RUST_COMMIT_BYTES = 41, RUST_COMMIT_MIN = 7 };

// What a manifest says that its rust-src is of (pure): digits of the commit, at least
// RUST_COMMIT_MIN. False: nothing.
bool rust_manifest_commit(struct slice manifest, char to[static RUST_COMMIT_BYTES]);

struct rust_toolchain {
    char *path;
    struct image_stamp stamp; // of its manifest
    char commit[RUST_COMMIT_BYTES];
};

struct rust_sources {
    char *path; // with toolchains in it; NULL: there is no home
    VEC(struct rust_toolchain) toolchains;
};

void rust_sources_init(struct rust_sources *sources); // reads the environment
void rust_sources_fini(struct rust_sources *sources);

// The path of a file of that commit (40 digits), on the heap; NULL: there is none.
char *rust_sources_find(struct rust_sources *sources, struct slice commit, const char *rest);

#pragma once

// A growing array of any type, with its length beside it:
//
//     VEC(uint64_t) addrs = {0};
//     vec_push(&addrs, addr);
//     for (size_t i = 0; i < addrs.n; i++) { use(addrs.at[i]); }
//     vec_fini(&addrs);
//
// Elements move when it grows: keep indices, not pointers. A zeroed one is empty and valid.

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#define VEC(type)                                                                                  \
    struct {                                                                                       \
        type *at;                                                                                  \
        size_t n;                                                                                  \
        size_t room;                                                                               \
    }

#define vec_fini(v)                                                                                \
    do {                                                                                           \
        free((v)->at);                                                                             \
        (v)->at = NULL;                                                                            \
        (v)->n = (v)->room = 0;                                                                    \
    } while (0)

// Makes room for at least `wanted` elements in all.
#define vec_reserve(v, wanted)                                                                     \
    do {                                                                                           \
        size_t vec_wanted_ = (wanted);                                                             \
        if (vec_wanted_ > (v)->room) {                                                             \
            (v)->room = MAX(vec_wanted_, MAX((v)->room * 2, (size_t)8));                           \
            (v)->at = alloc_resize((v)->at, (v)->room, sizeof *(v)->at);                           \
        }                                                                                          \
    } while (0)

// The value is made first, so it may itself look at or push to the same vector.
#define vec_push(v, ...)                                                                           \
    do {                                                                                           \
        __typeof__(*(v)->at) vec_value_ = (__VA_ARGS__);                                           \
        vec_reserve((v), (v)->n + 1);                                                              \
        (v)->at[(v)->n++] = vec_value_;                                                            \
    } while (0)

#define vec_pop(v)   ((v)->at[--(v)->n])
#define vec_last(v)  (&(v)->at[(v)->n - 1])
#define vec_clear(v) ((v)->n = 0)

// Grows to `wanted` elements, the new ones zeroed. Never shrinks.
#define vec_grow_zeroed(v, wanted)                                                                 \
    do {                                                                                           \
        size_t vec_to_ = (wanted);                                                                 \
        if (vec_to_ > (v)->n) {                                                                    \
            vec_reserve((v), vec_to_);                                                             \
            memset((v)->at + (v)->n, 0, (vec_to_ - (v)->n) * sizeof *(v)->at);                     \
            (v)->n = vec_to_;                                                                      \
        }                                                                                          \
    } while (0)

#define vec_remove_at(v, index)                                                                    \
    do {                                                                                           \
        size_t vec_index_ = (index);                                                               \
        memmove((v)->at + vec_index_, (v)->at + vec_index_ + 1,                                    \
                ((v)->n - vec_index_ - 1) * sizeof *(v)->at);                                      \
        (v)->n--;                                                                                  \
    } while (0)

#define vec_insert_at(v, index, ...)                                                               \
    do {                                                                                           \
        size_t vec_index_ = (index);                                                               \
        vec_reserve((v), (v)->n + 1);                                                              \
        memmove((v)->at + vec_index_ + 1, (v)->at + vec_index_,                                    \
                ((v)->n - vec_index_) * sizeof *(v)->at);                                          \
        (v)->at[vec_index_] = (__VA_ARGS__);                                                       \
        (v)->n++;                                                                                  \
    } while (0)

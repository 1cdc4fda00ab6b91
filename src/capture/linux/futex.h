#pragma once

// What a thread waits for that waits on a futex: told by the arguments of its system call and the
// bytes around the word.
//
// To the kernel a futex is a number in memory, and a mutex, a semaphore and a condition variable
// all wait in the same function. But the C library always waits in the same few ways. This is
// glibc's, 64 bits, little-endian; offsets are bytes from the start of the object, which are the
// same on x86-64 and AArch64. `W` is FUTEX_WAIT, `B` is FUTEX_WAIT_BITSET, and each may carry
// FUTEX_PRIVATE_FLAG, which must agree with what the object says about being shared.
//
//     object             call                   layout, and what has to hold
//
//     pthread_mutex_t    W or, with a timeout,  lock 0 ◄ word · owner 8 · nusers 12 · kind 16
//                        B; value 2             0 < owner, 0 < nusers, kind has known bits only
//       robust           the same; value is     word = the owner's tid | FUTEX_WAITERS
//                        the word
//       priority ceiling the same; value is     as the plain one
//                        ceiling << 19 | 2
//     PI mutex           FUTEX_LOCK_PI, _PI2    word & FUTEX_TID_MASK is the owner: this is the
//                                               kernel's own contract, whatever the library
//     sem_t              B, value 0             value 0 ◄ word · nwaiters 4 · private 8
//                                               0 < nwaiters, private is 0 or 128 (shared)
//     pthread_cond_t     B, value 0             wseq 0 · g1_start 8 · g_refs 16 · g_size 24 ·
//       glibc 2.25–2.40                         g1_orig_size 32 · wrefs 36 · g_signals 40, 44 ◄
//       word
//                                               wrefs >> 3 waiters, of them g_refs[i] >> 1 in i
//       glibc 2.41–      B, any value           wseq 0 · g1_start 8 · g_size 16 ·
//                                               g1_orig_size 24 · wrefs 28 · g_signals 32, 36 ◄
//                                               word
//     pthread_join       W or B, shared; value  the word is the tid of the thread that is waited
//                        is a tid of the        for, inside of its struct pthread; the kernel
//                        process                clears it at its end (CLONE_CHILD_CLEARTID)
//     all others         W or B                 a lock: rwlock, barrier, once, stdio and malloc
//                                               locks, and those of other libraries and languages
//
// Sources. Mutex: sysdeps/nptl/bits/struct_mutex.h, nptl/pthreadP.h (the bits of `kind`),
// nptl/pthread_mutex_lock.c, nptl/lowlevellock.c. Semaphore: nptl's internaltypes.h (struct
// new_sem), nptl/sem_waitcommon.c. Condition: sysdeps/nptl/bits/thread-shared-types.h,
// nptl/pthread_cond_wait.c (its long comment). Join: nptl/pthread_join_common.c. PI: futex(2).
// Checked with the debug information of glibc 2.36 and, in the tests, with living objects.
//
// A guess stays possible: the words of another library may look like one of these. So all that is
// known must agree, and what agrees with nothing is called a lock without an owner.

#include "capture/capture.h"

// The memory that is looked at, around the word: a condition variable begins 44 bytes before it,
// the kind of a mutex ends 20 bytes after its beginning.
enum { FUTEX_BEFORE_BYTES = 44, FUTEX_AFTER_BYTES = 20 };

struct futex_wait {
    uint64_t addr; // of the word: first argument
    uint32_t op;   // second
    uint32_t value;
    bool timeout;         // the fourth is not NULL
    bool value_is_thread; // the caller looked: `value` is the tid of a thread of the same process
    uint64_t memory_addr; // where `memory` begins; it may hold less than wanted, or nothing
    struct slice memory;
};

struct futex_object {
    enum capture_object
        object;         // UNKNOWN: the call does not wait for a futex, or no memory is known
    uint32_t owner_tid; // as the target counts; 0: not known
};

// Pure.
void futex_classify(const struct futex_wait *wait, struct futex_object *ret);

// Whether a wait with these arguments could be for the end of a thread: then it is worth finding
// out whether `value` is one.
bool futex_may_join(const struct futex_wait *wait);

// Why a thread waits for such an object. False when the object says no more than that there is a
// futex.
bool futex_reason(enum capture_object object, enum event_reason *ret);

#pragma once

// Time. Everything inside is CLOCK_MONOTONIC in nanoseconds, the clock that capture backends stamp
// their records with; wall time (CLOCK_REALTIME, since 1970) is only for showing to people.

#include "base/base.h"

enum { NS_PER_S = 1000000000, NS_PER_MS = 1000000 };

uint64_t clock_now_ns(void);
uint64_t clock_unix_ns(void);

// CPU time of the calling thread and of the whole process so far.
uint64_t clock_thread_cpu_ns(void);
uint64_t clock_process_cpu_ns(void);

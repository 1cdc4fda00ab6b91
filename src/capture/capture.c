#include "capture/capture.h"

const char *capture_ability_name(enum capture_ability ability)
{
    static const char *const names[CAPTURE_ABILITY_COUNT] = {
        [CAPTURE_KERNEL_STACKS] = "kernel_stacks",
        [CAPTURE_KERNEL_SYMBOLS] = "kernel_symbols",
        [CAPTURE_OFF_CPU] = "off_cpu",
        [CAPTURE_OFF_CPU_STACKS] = "off_cpu_stacks",
        [CAPTURE_WAIT_DETAILS] = "wait_details",
        [CAPTURE_WAKEUPS] = "wakeups",
        [CAPTURE_STACK_COPIES] = "stack_copies",
        [CAPTURE_PMU] = "pmu",
        [CAPTURE_BUILD_IDS] = "build_ids",
        [CAPTURE_LOST_SAMPLES] = "lost_samples",
    };
    ASSERT(ability >= 0 && ability < CAPTURE_ABILITY_COUNT);
    return names[ability];
}

const char *capture_object_name(enum capture_object object)
{
    static const char *const names[] = {
        [CAPTURE_OBJECT_UNKNOWN] = "",
        [CAPTURE_OBJECT_MUTEX] = "mutex",
        [CAPTURE_OBJECT_LOCK] = "lock",
        [CAPTURE_OBJECT_CONDITION] = "condition",
        [CAPTURE_OBJECT_SEMAPHORE] = "semaphore",
        [CAPTURE_OBJECT_THREAD] = "thread",
    };
    ASSERT(object >= 0 && object < ARRAY_LEN(names));
    return names[object];
}

#include "event/event.h"

const char *event_kind_name(enum event_kind kind)
{
    static const char *const names[EVENT_KIND_COUNT] = {
        [EVENT_SAMPLE] = "sample",
        [EVENT_SWITCH_OUT] = "switch_out",
        [EVENT_SWITCH_IN] = "switch_in",
        [EVENT_WAKEUP] = "wakeup",
        [EVENT_WAIT_SEEN] = "wait_seen",
        [EVENT_IMAGE_MAPPED] = "image_mapped",
        [EVENT_IMAGE_UNMAPPED] = "image_unmapped",
        [EVENT_CODE_LOADED] = "code_loaded",
        [EVENT_CODE_MOVED] = "code_moved",
        [EVENT_EXEC] = "exec",
        [EVENT_THREAD_STARTED] = "thread_started",
        [EVENT_PROCESS_FORKED] = "process_forked",
        [EVENT_THREAD_NAMED] = "thread_named",
        [EVENT_THREAD_EXITED] = "thread_exited",
        [EVENT_LOST] = "lost",
        [EVENT_THROTTLED] = "throttled",
    };
    ASSERT(kind >= 0 && kind < EVENT_KIND_COUNT);
    return names[kind];
}

const char *event_reason_name(enum event_reason reason)
{
    static const char *const names[EVENT_REASON_COUNT] = {
        [EVENT_REASON_IDLE] = "idle",           [EVENT_REASON_LOCK] = "lock",
        [EVENT_REASON_SEMAPHORE] = "semaphore", [EVENT_REASON_IPC] = "ipc",
        [EVENT_REASON_IO_READ] = "io_read",     [EVENT_REASON_IO_WRITE] = "io_write",
        [EVENT_REASON_READINESS] = "readiness", [EVENT_REASON_SLEEP] = "sleep",
        [EVENT_REASON_CONNECT] = "connect",     [EVENT_REASON_OTHER] = "other",
    };
    ASSERT(reason >= 0 && reason < EVENT_REASON_COUNT);
    return names[reason];
}

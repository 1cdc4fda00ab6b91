#include "cli/waits.h"

#include "cli/format.h"
#include "cli/session.h"

// In the order of every answer (spec: idle lock sem ipc ioR ioW ready sleep conn other).
static const struct {
    const char *json;
    const char *field;
    const char *shown;
    char letter;
} reasons[WAITS_REASONS] = {
    {"idle", "idle_ns", "idle", '.'},
    {"lock", "lock_ns", "lock", 'L'},
    {"semaphore", "semaphore_ns", "sem", 'S'},
    {"ipc", "ipc_ns", "ipc", 'i'},
    {"io_read", "io_read_ns", "ioR", 'r'},
    {"io_write", "io_write_ns", "ioW", 'w'},
    {"readiness", "readiness_ns", "ready", 'p'},
    {"sleep", "sleep_ns", "sleep", 'z'},
    {"connect", "connect_ns", "conn", 'c'},
    {"other", "other_ns", "other", 'o'},
};

const char *const waits_reason_words[] = {
    "idle", "lock",  "sem",       "ipc",     "ioR",      "ioW",       "ready",   "sleep",
    "conn", "other", "semaphore", "io_read", "io_write", "readiness", "connect", NULL,
};

// A reason that is less than this share of a wait is not worth naming.
static const double NAMED_SHARE = 0.1;

const char *waits_reason_of_word(const char *word)
{
    for (size_t i = 0; word != NULL && i < WAITS_REASONS; i++) {
        if (strcmp(word, reasons[i].shown) == 0 || strcmp(word, reasons[i].json) == 0) {
            return reasons[i].json;
        }
    }
    return NULL;
}

const char *waits_shown(size_t reason)
{
    return reason < WAITS_REASONS ? reasons[reason].shown : "-";
}

const char *waits_shown_name(const char *json_name)
{
    for (size_t i = 0; i < WAITS_REASONS; i++) {
        if (strcmp(json_name, reasons[i].json) == 0) {
            return reasons[i].shown;
        }
    }
    return "-";
}

char waits_letter(size_t reason)
{
    return reason < WAITS_REASONS ? reasons[reason].letter : ' ';
}

const char *waits_field(size_t reason)
{
    ASSERT(reason < WAITS_REASONS);
    return reasons[reason].field;
}

struct waits waits_read(const json_t *off_cpu)
{
    struct waits waits = {.largest = WAITS_REASONS};
    uint64_t largest_ns = 0;
    for (size_t i = 0; i < WAITS_REASONS; i++) {
        waits.ns[i] = result_u64(off_cpu, reasons[i].field);
        waits.total_ns += waits.ns[i];
        if (waits.ns[i] > largest_ns) {
            largest_ns = waits.ns[i];
            waits.largest = i;
        }
    }
    return waits;
}

void waits_put_reasons(struct text *to, const struct waits *waits)
{
    if (waits->largest == WAITS_REASONS) {
        return;
    }
    double all_ns = (double)waits->total_ns;
    text_add(to, reasons[waits->largest].shown);
    if ((double)waits->ns[waits->largest] > (1 - NAMED_SHARE) * all_ns) {
        return;
    }
    text_addf(to, " %.0f%%", 100 * (double)waits->ns[waits->largest] / all_ns);
    for (size_t i = 0; i < WAITS_REASONS; i++) {
        double share = (double)waits->ns[i] / all_ns;
        if (i != waits->largest && share >= NAMED_SHARE) {
            text_addf(to, ", %s %.0f%%", reasons[i].shown, 100 * share);
        }
    }
}

// ---- Stacks and wakers -------------------------------------------------------------------------

static bool is_kernel(const json_t *frame)
{
    return result_text(frame, "binary")[0] == '['; // [kernel], or a module
}

void waits_put_stack(struct text *to, const json_t *stack, size_t max_user, bool approximate)
{
    size_t n = json_array_size(stack);
    size_t n_user = 0;
    text_add(to, approximate && n > 0 ? "~" : "");
    for (size_t i = 0; i < n; i++) {
        const json_t *frame = json_array_get(stack, i);
        bool user = !is_kernel(frame);
        if (i > 0 && !user) {
            continue; // of the kernel, where it waits says enough
        }
        if (user && max_user > 0 && n_user == max_user) {
            text_add(to, " < …");
            return;
        }
        n_user += user;
        const char *name = result_text(frame, "function_name");
        text_add(to, i > 0 ? " < " : "");
        text_add_escaped(to, name, strlen(name));
        text_add(to, result_bool(frame, "inlined") ? " (inlined)" : "");
    }
}

void waits_put_waker(struct text *to, const json_t *holder)
{
    const json_t *tid = json_object_get(holder, "waker_tid");
    const char *name = result_text(holder, "waker_name");
    const char *function = result_text(holder, "waker_function_name");
    if (tid == NULL) {
        return;
    }
    if (json_integer_value(tid) > 0) {
        text_addf(to, "%lld ", (long long)json_integer_value(tid));
    }
    text_add_escaped(to, name, strlen(name));
    if (function[0] != 0) {
        text_add(to, " in ");
        text_add_escaped(to, function, strlen(function));
    }
}

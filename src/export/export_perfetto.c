// Perfetto's trace format, for ui.perfetto.dev.
//
//     Trace ── TracePacket ── PerfSample             a sample: its thread, its stack
//                          ── TrackEvent             a stay off the CPU: begin, end
//                          ── TrackDescriptor        a process, a thread
//                          ── ClockSnapshot          what the times are
//                          ── InternedData           stacks, frames, binaries, names, by number
//
// A packet brings what nobody has mentioned before it, so nothing is kept but a note for each id
// that it has been. Numbers are our own ids, plus one where those begin at 0: a number is never 0.
// Packets stand in the file by kind; readers sort them by time, and of one time as they stand.
//
// Fields are those of https://github.com/google/perfetto/tree/main/protos/perfetto/trace:
// trace_packet, trace_packet_defaults, clock_snapshot, profiling/profile_common,
// profiling/profile_packet, interned_data/interned_data, track_event/* and ../common/perf_events.

#include "export/export_timeline.h"
#include "export/proto.h"

#include <stdlib.h>

enum {
    TRACE_PACKET = 1,
    PACKET_CLOCK_SNAPSHOT = 6,
    PACKET_TIMESTAMP = 8,
    PACKET_SEQUENCE_ID = 10,
    PACKET_TRACK_EVENT = 11,
    PACKET_INTERNED_DATA = 12,
    PACKET_SEQUENCE_FLAGS = 13,
    PACKET_DEFAULTS = 59,
    PACKET_TRACK_DESCRIPTOR = 60,
    PACKET_PERF_SAMPLE = 66,
    PACKET_FIRST_ON_SEQUENCE = 87,
    DEFAULTS_PERF_SAMPLE = 12,
    DEFAULTS_CLOCK_ID = 58,
    PERF_DEFAULTS_TIMEBASE = 1,
    TIMEBASE_FREQUENCY = 2,
    TIMEBASE_COUNTER = 4,
    TIMEBASE_CLOCK = 11,
    SNAPSHOT_CLOCK = 1,
    SNAPSHOT_PRIMARY_CLOCK = 2,
    CLOCK_ID = 1,
    CLOCK_TIMESTAMP = 2,
    DESCRIPTOR_UUID = 1,
    DESCRIPTOR_PROCESS = 3,
    DESCRIPTOR_THREAD = 4,
    DESCRIPTOR_PARENT_UUID = 5,
    PROCESS_PID = 1,
    PROCESS_NAME = 6,
    THREAD_PID = 1,
    THREAD_TID = 2,
    THREAD_NAME = 5,
    INTERNED_CATEGORIES = 1,
    INTERNED_EVENT_NAMES = 2,
    INTERNED_ANNOTATION_NAMES = 3,
    INTERNED_FUNCTION_NAMES = 5,
    INTERNED_FRAMES = 6,
    INTERNED_CALLSTACKS = 7,
    INTERNED_BUILD_IDS = 16,
    INTERNED_MAPPING_PATHS = 17,
    INTERNED_MAPPINGS = 19,
    INTERNED_ANNOTATION_STRINGS = 29,
    STRING_ID = 1, // of every kind of interned string
    STRING_BYTES = 2,
    MAPPING_ID = 1,
    MAPPING_BUILD_ID = 2,
    MAPPING_PATH = 7,
    FRAME_ID = 1,
    FRAME_FUNCTION_NAME = 2,
    FRAME_MAPPING = 3,
    FRAME_ADDR = 4,
    CALLSTACK_ID = 1,
    CALLSTACK_FRAMES = 2,
    SAMPLE_PID = 2,
    SAMPLE_TID = 3,
    SAMPLE_CALLSTACK = 4,
    SAMPLE_CPU_MODE = 5,
    SAMPLE_UNWIND_ERROR = 16,
    EVENT_CATEGORY = 3,
    EVENT_ANNOTATION = 4,
    EVENT_TYPE = 9,
    EVENT_NAME = 10,
    EVENT_TRACK = 11,
    EVENT_CALLSTACK = 56,
    ANNOTATION_NAME = 1,
    ANNOTATION_BOOL = 2,
    ANNOTATION_STRING = 17,
};

// Values of such fields.
enum { STATE_CLEARED = 1, STATE_NEEDED = 2 }; // sequence flags
enum { CLOCK_REALTIME_ID = 1, CLOCK_MONOTONIC_ID = 3 };
enum { COUNTER_CPU_CLOCK = 1, PERF_CLOCK_MONOTONIC = 2 };
enum { MODE_KERNEL = 1, MODE_USER = 2 };
enum { TYPE_BEGIN = 1, TYPE_END = 2 };
enum { ERROR_UNKNOWN = 0, ERROR_MEMORY = 2, ERROR_UNWIND_INFO = 3, ERROR_TOO_DEEP = 6 };

// What is ours.
enum { SEQUENCE_ID = 1, CATEGORY_OFF_CPU = 1 };
enum { ANNOTATION_FUNCTION = 1, ANNOTATION_WAKER, ANNOTATION_APPROXIMATE };
enum { NAME_RUNNABLE = EVENT_REASON_COUNT + 1 }; // reasons: plus one

// Numbers of threads, as tracks and as strings, are not those of processes or functions.
#define PROCESS_UUIDS (UINT64_C(1) << 33)
#define WAKER_STRINGS (UINT64_C(1) << 33)

struct perfetto {
    thread_id next_thread;    // to be described
    VEC(uint8_t) has_process; // by process_id; likewise all of the following by their ids
    VEC(uint8_t) has_stack;
    VEC(uint8_t) has_name;     // function_id
    VEC(uint8_t) has_function; // function_id, as an annotation
    VEC(uint8_t) has_waker;    // thread_id
    VEC(uint8_t) has_image;
    VEC(uint64_t) first_frame; // by frame_id: number of its outermost function; 0: none yet
    uint64_t n_frames;         // numbers given
    VEC(frame_id) path;        // of one stack, innermost first
    VEC(uint64_t) numbers;     // of its frames, outermost first
    struct text interned;      // for the packet that is being made
    struct text packet;        // messages that are being made: each is part of the one before
    struct text message;
    struct text inner;
    struct text innermost;
};

// ---- Packets -----------------------------------------------------------------------------------

// The packet in hand goes out, with what it refers to for the first time.
static void put_packet(struct export *export, uint64_t flags)
{
    struct perfetto *p = export->state;
    proto_u64(&p->packet, PACKET_SEQUENCE_ID, SEQUENCE_ID);
    proto_u64(&p->packet, PACKET_SEQUENCE_FLAGS, flags);
    if (p->interned.n > 0) {
        proto_message(&p->packet, PACKET_INTERNED_DATA, &p->interned);
        text_clear(&p->interned);
    }
    proto_message(export_out_text(&export->out), TRACE_PACKET, &p->packet);
    text_clear(&p->packet);
    export_out_drain(&export->out);
}

// True: it was there already.
#define TEST_AND_SET(vec, id)                                                                      \
    __extension__({                                                                                \
        vec_grow_zeroed((vec), (size_t)(id) + 1);                                                  \
        uint8_t was_set_ = (vec)->at[id];                                                          \
        (vec)->at[id] = 1;                                                                         \
        was_set_ != 0;                                                                             \
    })

static void intern_bytes(struct perfetto *p, uint32_t kind, uint64_t number, const void *bytes,
                         size_t n)
{
    text_clear(&p->innermost);
    proto_u64(&p->innermost, STRING_ID, number);
    proto_bytes(&p->innermost, STRING_BYTES, bytes, n);
    proto_message(&p->interned, kind, &p->innermost);
}

static void intern_string(struct perfetto *p, uint32_t kind, uint64_t number, struct slice string)
{
    text_clear(&p->innermost);
    proto_u64(&p->innermost, STRING_ID, number);
    proto_string(&p->innermost, STRING_BYTES, (const char *)string.data, string.n);
    proto_message(&p->interned, kind, &p->innermost);
}

// ---- The beginning -----------------------------------------------------------------------------

static void add_clock(struct perfetto *p, uint64_t clock, uint64_t time_ns)
{
    text_clear(&p->inner);
    proto_u64(&p->inner, CLOCK_ID, clock);
    proto_u64(&p->inner, CLOCK_TIMESTAMP, time_ns);
    proto_message(&p->message, SNAPSHOT_CLOCK, &p->inner);
}

static void put_clocks(struct export *export)
{
    struct perfetto *p = export->state;
    text_clear(&p->message);
    add_clock(p, CLOCK_MONOTONIC_ID, export->source->store->started_ns);
    add_clock(p, CLOCK_REALTIME_ID, export->source->started_unix_ns);
    proto_u64(&p->message, SNAPSHOT_PRIMARY_CLOCK, CLOCK_MONOTONIC_ID);
    proto_message(&p->packet, PACKET_CLOCK_SNAPSHOT, &p->message);
}

static void put_defaults(struct export *export)
{
    struct perfetto *p = export->state;
    text_clear(&p->innermost);
    if (export->source->frequency_hz > 0) {
        proto_u64(&p->innermost, TIMEBASE_FREQUENCY, export->source->frequency_hz);
    }
    proto_u64(&p->innermost, TIMEBASE_COUNTER, COUNTER_CPU_CLOCK);
    proto_u64(&p->innermost, TIMEBASE_CLOCK, PERF_CLOCK_MONOTONIC);
    text_clear(&p->inner);
    proto_message(&p->inner, PERF_DEFAULTS_TIMEBASE, &p->innermost);
    text_clear(&p->message);
    proto_u64(&p->message, DEFAULTS_CLOCK_ID, CLOCK_MONOTONIC_ID);
    proto_message(&p->message, DEFAULTS_PERF_SAMPLE, &p->inner);
    proto_message(&p->packet, PACKET_DEFAULTS, &p->message);
}

static void intern_words(struct perfetto *p)
{
    intern_string(p, INTERNED_CATEGORIES, CATEGORY_OFF_CPU, slice_of_text("off-cpu"));
    for (enum event_reason reason = 0; reason < EVENT_REASON_COUNT; reason++) {
        struct slice name = slice_of_text(event_reason_name(reason));
        intern_string(p, INTERNED_EVENT_NAMES, (uint64_t)reason + 1, name);
    }
    intern_string(p, INTERNED_EVENT_NAMES, NAME_RUNNABLE, slice_of_text("runnable"));
    intern_string(p, INTERNED_ANNOTATION_NAMES, ANNOTATION_FUNCTION, slice_of_text("function"));
    intern_string(p, INTERNED_ANNOTATION_NAMES, ANNOTATION_WAKER, slice_of_text("woken by"));
    intern_string(p, INTERNED_ANNOTATION_NAMES, ANNOTATION_APPROXIMATE,
                  slice_of_text("stack of another such wait"));
}

static void begin(struct export *export)
{
    struct perfetto *p = NEW(struct perfetto);
    export->state = p;
    put_clocks(export);
    put_defaults(export);
    intern_words(p);
    proto_u64(&p->packet, PACKET_FIRST_ON_SEQUENCE, 1);
    put_packet(export, STATE_CLEARED);
}

// ---- Processes and threads ---------------------------------------------------------------------

static uint64_t process_uuid(process_id process)
{
    return PROCESS_UUIDS + process;
}

static uint64_t thread_uuid(thread_id thread)
{
    return (uint64_t)thread + 1;
}

static void put_process(struct export *export, process_id id, const struct process_row *row)
{
    struct perfetto *p = export->state;
    const struct store *store = export->source->store;
    if (TEST_AND_SET(&p->has_process, id)) {
        return;
    }
    struct slice name = strings_get(&store->strings, atomic_load(&row->name));
    text_clear(&p->inner);
    proto_u64(&p->inner, PROCESS_PID, row->pid);
    proto_string(&p->inner, PROCESS_NAME, (const char *)name.data, name.n);
    text_clear(&p->message);
    proto_u64(&p->message, DESCRIPTOR_UUID, process_uuid(id));
    proto_message(&p->message, DESCRIPTOR_PROCESS, &p->inner);
    proto_message(&p->packet, PACKET_TRACK_DESCRIPTOR, &p->message);
    put_packet(export, STATE_NEEDED);
}

static void put_thread(struct export *export, thread_id thread)
{
    struct perfetto *p = export->state;
    const struct store *store = export->source->store;
    const struct thread_row *row = store_thread(store, thread);
    struct slice name = strings_get(&store->strings, atomic_load(&row->name));
    const struct process_row *process = export_process(export, row->process);
    if (process != NULL) {
        put_process(export, row->process, process);
    }
    text_clear(&p->inner);
    proto_u64(&p->inner, THREAD_PID, row->pid);
    proto_u64(&p->inner, THREAD_TID, row->tid);
    proto_string(&p->inner, THREAD_NAME, (const char *)name.data, name.n);
    text_clear(&p->message);
    proto_u64(&p->message, DESCRIPTOR_UUID, thread_uuid(thread));
    if (process != NULL) {
        proto_u64(&p->message, DESCRIPTOR_PARENT_UUID, process_uuid(row->process));
    }
    proto_message(&p->message, DESCRIPTOR_THREAD, &p->inner);
    proto_message(&p->packet, PACKET_TRACK_DESCRIPTOR, &p->message);
    put_packet(export, STATE_NEEDED);
}

static bool more(struct export *export, uint64_t max_rows)
{
    struct perfetto *p = export->state;
    const struct fold *fold = export->source->fold;
    for (uint64_t i = 0; i < max_rows && p->next_thread < fold->threads.n; i++, p->next_thread++) {
        if (fold->keep.threads.at[p->next_thread]) {
            put_thread(export, p->next_thread);
        }
    }
    return p->next_thread < fold->threads.n;
}

// ---- Stacks ------------------------------------------------------------------------------------

static void need_image(struct export *export, image_id image)
{
    struct perfetto *p = export->state;
    if (TEST_AND_SET(&p->has_image, image)) {
        return;
    }
    uint64_t number = image;
    struct slice build_id = export_build_id(export, image);
    intern_string(p, INTERNED_MAPPING_PATHS, number, export_image_path(export, image));
    if (build_id.n > 0) {
        intern_bytes(p, INTERNED_BUILD_IDS, number, build_id.data, build_id.n);
    }
    text_clear(&p->inner);
    proto_u64(&p->inner, MAPPING_ID, number);
    if (build_id.n > 0) {
        proto_u64(&p->inner, MAPPING_BUILD_ID, number);
    }
    proto_u64(&p->inner, MAPPING_PATH, number);
    proto_message(&p->interned, INTERNED_MAPPINGS, &p->inner);
}

static void add_frame(struct export *export, frame_id frame, function_id function, uint64_t number)
{
    struct perfetto *p = export->state;
    const struct frame_row *row = stacks_get_frame(&export->source->store->stacks, frame);
    uint64_t name = (uint64_t)function + 1;
    if (!TEST_AND_SET(&p->has_name, function)) {
        const char *text = names_function(export->source->names, function)->name;
        intern_string(p, INTERNED_FUNCTION_NAMES, name, slice_of_text(text));
    }
    uint64_t addr = row->off;
    bool has_addr = export_frame_addr(export, frame, &addr) ||
                    (row->image != 0 &&
                     store_image(export->source->store, row->image)->kind == IMAGE_ROW_ANONYMOUS);
    if (has_addr) {
        need_image(export, row->image);
    }
    text_clear(&p->inner);
    proto_u64(&p->inner, FRAME_ID, number);
    proto_u64(&p->inner, FRAME_FUNCTION_NAME, name);
    if (has_addr) {
        proto_u64(&p->inner, FRAME_MAPPING, row->image);
        proto_u64(&p->inner, FRAME_ADDR, addr);
    }
    proto_message(&p->interned, INTERNED_FRAMES, &p->inner);
}

static struct inlined_list inlined_at(const struct export *export, frame_id frame)
{
    return export->source->tree->physical ? (struct inlined_list){0}
                                          : names_inlined_at(export->source->names, frame);
}

// The numbers of a place's functions, outermost first, are added to those of the stack.
static void add_place(struct export *export, frame_id frame)
{
    struct perfetto *p = export->state;
    struct inlined_list inlined = inlined_at(export, frame);
    vec_grow_zeroed(&p->first_frame, (size_t)frame + 1);
    if (p->first_frame.at[frame] == 0) {
        p->first_frame.at[frame] = p->n_frames + 1;
        add_frame(export, frame, names_of_frame(export->source->names, frame), ++p->n_frames);
        for (uint32_t i = 0; i < inlined.n; i++) {
            add_frame(export, frame, inlined.at[i], ++p->n_frames);
        }
    }
    for (uint32_t i = 0; i <= inlined.n; i++) {
        vec_push(&p->numbers, p->first_frame.at[frame] + i);
    }
}

// The empty stack has no number.
static void need_stack(struct export *export, stack_id stack)
{
    struct perfetto *p = export->state;
    const struct stacks *stacks = &export->source->store->stacks;
    if (stack == STACK_ROOT || TEST_AND_SET(&p->has_stack, stack)) {
        return;
    }
    vec_clear(&p->numbers);
    for (stack_id id = stack; id != STACK_ROOT; id = stacks_get(stacks, id)->caller) {
        vec_push(&p->path, stacks_get(stacks, id)->frame);
    }
    while (p->path.n > 0) {
        add_place(export, vec_pop(&p->path));
    }
    text_clear(&p->inner);
    proto_u64(&p->inner, CALLSTACK_ID, stack);
    for (size_t i = 0; i < p->numbers.n; i++) { // not packed: the schema is proto2
        proto_u64(&p->inner, CALLSTACK_FRAMES, p->numbers.at[i]);
    }
    proto_message(&p->interned, INTERNED_CALLSTACKS, &p->inner);
}

// ---- Samples -----------------------------------------------------------------------------------

static uint64_t unwind_error_of(enum truncation truncation)
{
    switch (truncation) {
    case TRUNCATED_NO_UNWIND_INFO:
    case TRUNCATED_BAD_UNWIND_INFO:
    case TRUNCATED_NOT_LOADED:
        return ERROR_UNWIND_INFO;
    case TRUNCATED_COPY_TOO_SHORT:
    case TRUNCATED_UNREADABLE:
    case TRUNCATED_LOST:
        return ERROR_MEMORY;
    case TRUNCATED_TOO_DEEP:
        return ERROR_TOO_DEEP;
    case TRUNCATED_NOT_COPIED:
    case TRUNCATION_COUNT:
        break;
    }
    return ERROR_UNKNOWN;
}

static void put_sample(struct export *export, uint64_t time_ns, thread_id thread,
                       stack_id row_stack)
{
    struct perfetto *p = export->state;
    const struct calltree *tree = export->source->tree;
    const struct thread_row *row = store_thread(export->source->store, thread);
    stack_id stack = export_known_stack(export, row_stack);
    node_id node = tree->of_stack.at[stack];
    const struct function *leaf = calltree_function(tree, node);
    const struct function *truncation = calltree_truncation(tree, node);
    need_stack(export, stack);
    text_clear(&p->message);
    proto_u64(&p->message, SAMPLE_PID, row->pid);
    proto_u64(&p->message, SAMPLE_TID, row->tid);
    if (stack != STACK_ROOT) {
        proto_u64(&p->message, SAMPLE_CALLSTACK, stack);
        proto_u64(&p->message, SAMPLE_CPU_MODE, leaf->is_kernel ? MODE_KERNEL : MODE_USER);
    }
    if (truncation != NULL) {
        uint64_t error = unwind_error_of(truncation->truncation);
        proto_u64(&p->message, SAMPLE_UNWIND_ERROR, error);
    }
    proto_u64(&p->packet, PACKET_TIMESTAMP, time_ns);
    proto_message(&p->packet, PACKET_PERF_SAMPLE, &p->message);
    put_packet(export, STATE_NEEDED);
}

// ---- Stays off the CPU -------------------------------------------------------------------------

static void annotate(struct perfetto *p, uint64_t name, uint32_t kind, uint64_t value)
{
    text_clear(&p->inner);
    proto_u64(&p->inner, ANNOTATION_NAME, name);
    proto_u64(&p->inner, kind, value);
    proto_message(&p->message, EVENT_ANNOTATION, &p->inner);
}

static uint64_t need_function(struct export *export, const struct export_stay *stay)
{
    struct perfetto *p = export->state;
    const struct calltree *tree = export->source->tree;
    function_id id = tree->nodes.at[tree->of_stack.at[stay->stack]].function;
    uint64_t number = (uint64_t)id + 1;
    if (!TEST_AND_SET(&p->has_function, id)) {
        intern_string(p, INTERNED_ANNOTATION_STRINGS, number, slice_of_text(stay->function->name));
    }
    return number;
}

// An interrupt is one more thread.
static uint64_t need_waker(struct export *export, thread_id waker)
{
    struct perfetto *p = export->state;
    uint32_t place = waker == THREAD_INTERRUPT ? 0 : waker + 1;
    if (!TEST_AND_SET(&p->has_waker, place)) {
        CLEANUP(text_fini) struct text name = {0};
        export_add_waker(&name, export, waker);
        intern_string(p, INTERNED_ANNOTATION_STRINGS, WAKER_STRINGS + place,
                      (struct slice){(const uint8_t *)text_get(&name), name.n});
    }
    return WAKER_STRINGS + place;
}

static void put_event(struct export *export, uint64_t type, uint64_t time_ns, thread_id thread)
{
    struct perfetto *p = export->state;
    proto_u64(&p->message, EVENT_TYPE, type);
    proto_u64(&p->message, EVENT_TRACK, thread_uuid(thread));
    proto_u64(&p->packet, PACKET_TIMESTAMP, time_ns);
    proto_message(&p->packet, PACKET_TRACK_EVENT, &p->message);
    put_packet(export, STATE_NEEDED);
}

static void put_stay(struct export *export, const struct interval *interval)
{
    struct perfetto *p = export->state;
    struct export_stay stay = export_stay_of(export, interval);
    need_stack(export, stay.stack);
    text_clear(&p->message);
    proto_u64(&p->message, EVENT_CATEGORY, CATEGORY_OFF_CPU);
    proto_u64(&p->message, EVENT_NAME,
              stay.runnable ? (uint64_t)NAME_RUNNABLE : (uint64_t)stay.reason + 1);
    if (stay.function != NULL) {
        annotate(p, ANNOTATION_FUNCTION, ANNOTATION_STRING, need_function(export, &stay));
    }
    if (stay.has_waker) {
        annotate(p, ANNOTATION_WAKER, ANNOTATION_STRING, need_waker(export, stay.waker));
    }
    if ((interval->flags & INTERVAL_APPROXIMATE) != 0) {
        annotate(p, ANNOTATION_APPROXIMATE, ANNOTATION_BOOL, 1);
    }
    if (stay.stack != STACK_ROOT) {
        proto_u64(&p->message, EVENT_CALLSTACK, stay.stack);
    }
    put_event(export, TYPE_BEGIN, interval->start_ns, interval->thread);
    text_clear(&p->message);
    put_event(export, TYPE_END, interval->start_ns + interval->duration_ns, interval->thread);
}

static void end(struct export *export)
{
    export_open_runnable(export, put_stay);
}

static void free_state(struct export *export)
{
    struct perfetto *p = export->state;
    if (p == NULL) {
        return;
    }
    vec_fini(&p->has_process);
    vec_fini(&p->has_stack);
    vec_fini(&p->has_name);
    vec_fini(&p->has_function);
    vec_fini(&p->has_waker);
    vec_fini(&p->has_image);
    vec_fini(&p->first_frame);
    vec_fini(&p->path);
    vec_fini(&p->numbers);
    text_fini(&p->interned);
    text_fini(&p->packet);
    text_fini(&p->message);
    text_fini(&p->inner);
    text_fini(&p->innermost);
    free(TAKE(export->state));
}

const struct export_format export_perfetto = {
    .name = "perfetto",
    .summary = "ui.perfetto.dev",
    .begin = begin,
    .more = more,
    .sample = put_sample,
    .interval = put_stay,
    .end = end,
    .free = free_state,
};

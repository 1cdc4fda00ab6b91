#pragma once

// From the bytes of one PERF_RECORD_* to one `struct event`. Pure; nothing is copied: stacks and
// names of the event point into the record.
//
// Every event that we open samples the same things first (PERF_PREFIX), so that a record tells its
// time, its thread and the event that wrote it, whatever else is in it:
//
//     PERF_RECORD_SAMPLE   header | id ip pid tid time cpu | what the event's layout adds
//     all others           header | fields of the type     | pid tid time cpu id      (sample_id)
//
// What an event adds to its samples is its layout; the id says which event it was. Formats:
// linux/perf_event.h, enum perf_event_type.

#include "base/map.h"
#include "capture/perf/perf_regs.h"
#include "event/event.h"

#include <linux/perf_event.h>

enum { PERF_LAYOUTS_MAX = 16 };

#define PERF_PREFIX                                                                                \
    ((uint64_t)(PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |     \
                PERF_SAMPLE_CPU))

// What a sample of an event stands for.
enum perf_meaning {
    PERF_MEANS_CPU_TIME,   // its thread has used `weight_ns` of a CPU
    PERF_MEANS_SWITCH_OUT, // its thread is about to leave the CPU; the SWITCH record comes next
    PERF_MEANS_WAKEUP,     // its thread makes another one ready; which one, the raw bytes tell
};

// What samples of an event hold after the prefix, and what they mean.
struct perf_layout {
    enum perf_meaning meaning;
    bool callchain;               // PERF_SAMPLE_CALLCHAIN
    bool raw;                     // PERF_SAMPLE_RAW
    const struct perf_regs *regs; // PERF_SAMPLE_REGS_USER and PERF_SAMPLE_STACK_USER; NULL: neither
    uint32_t level;     // how far the stack is copied (deep.h): above 0, of one thread only
    uint64_t weight_ns; // CPU time that a sample stands for
    uint32_t max_stack; // where the kernel's walk ends, kernel and user part together
};

// Which layout the event with some id has. As long as there is only one, nobody needs to be added.
// A thread that inherits an event writes that event's id.
struct perf_layouts {
    struct perf_layout at[PERF_LAYOUTS_MAX];
    uint32_t n;
    struct map by_id;
};

void perf_layouts_fini(struct perf_layouts *layouts);

// The layout of the event that wrote the record; NULL when nobody knows such an event.
const struct perf_layout *perf_layouts_find(const struct perf_layouts *layouts,
                                            const struct perf_event_header *record);

// Who wrote a record and when.
struct perf_stamp {
    uint64_t id;
    uint32_t pid; // the thread that was running
    uint32_t tid;
    uint32_t cpu;
    uint64_t time_ns;
};

// False when the record is too short to have one; *ret is zeroed then.
bool perf_record_stamp(const struct perf_event_header *record, struct perf_stamp *ret);

enum perf_outcome {
    PERF_OK = 0,
    PERF_E_IGNORED = 1, // sound, and nothing that an event tells
    PERF_E_BAD = 2,     // makes no sense
};

// All `record->size` bytes of the record are there, aligned to 8 bytes. The event borrows from it,
// and from `regs`, which takes the registers of a sample: the caller keeps it for as long as the
// event. It may be NULL with layouts without registers.
//
// PROCESS_FORKED comes with recorded = false: whether it is depends on what was opened. Samples
// that do not mean CPU time are ignored here: they are only parts of an event (perf_sample_parse).
enum perf_outcome perf_record_parse(const struct perf_layout *layout,
                                    const struct perf_event_header *record, struct event_regs *regs,
                                    struct event *ret);

// What a sample holds behind its prefix, where it lies: in the record.
struct perf_sample {
    const uint64_t *ip;    // NULL: not sampled
    const uint64_t *chain; // with its markers; n_chain = 0 without one
    uint64_t n_chain;
    struct slice raw;  // bytes of the tracepoint, padded at the end
    struct slice regs; // their values in the order of the layout's table; empty when not known
    struct slice copy; // of the stack, from the stack pointer upwards
    bool copy_cut;     // as long as it could be: there may have been more
};

// False when the record does not hold what it says. `record` is a PERF_RECORD_SAMPLE. Cheap: the
// chain is not looked into.
bool perf_sample_parse(const struct perf_layout *layout, const struct perf_event_header *record,
                       struct perf_sample *ret);

// The stack of a sample: its chain, or else the address where the thread was; its registers, which
// are put into `regs` (see above), and the copy. Borrows.
void perf_sample_stack(const struct perf_layout *layout, const struct perf_event_header *record,
                       const struct perf_sample *sample, struct event_regs *regs,
                       struct event_stack *ret);

// What is not a sample: `fields` are those of its type, without what is the same in all records.
// The event's time, and whatever else its fields do not say, must be there already.
enum perf_outcome perf_fields_parse(const struct perf_event_header *record, struct slice fields,
                                    struct event *ret);

// The rest of a sample from its registers on, as every sample has it: struct perf_sample's `regs`,
// `copy` and `copy_cut`. A reader that goes bad: the record does not hold what it says.
void perf_sample_parse_chain(struct reader *from, struct perf_sample *ret);
void perf_sample_parse_regs(const struct perf_regs *table, struct reader *from,
                            struct perf_sample *ret);
void perf_sample_parse_copy(struct reader *from, struct perf_sample *ret);

// What kind of memory is mapped under this name, which is the kernel's (as in /proc/PID/maps).
enum event_image_kind perf_image_kind(struct slice path);

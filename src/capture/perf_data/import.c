// A file of `perf record` in place of a live target.
//
//     open    header ─► events, features ─► records up to the first that has a time ─► roles
//     drain   records ─► rounds, sorted (perf_rounds.h) ─► events (perf_deliver.h) ─► sink
//
// The clock is that of the file. Drains deliver in slices, as fast as they are asked for.

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "capture/capture.h"
#include "capture/perf_data/perf_deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { SLICE_RECORDS = 65536 };

static const char kernel_path_start[] = "[kernel ";

struct import {
    struct capture base;
    int fd;
    uint64_t file_changed_unix_ns;
    struct perf_data_header header;
    struct perf_data_events events;
    struct perf_data_facts facts;
    struct text tracing;
    struct perf_kernel kernel;
    struct perf_stream stream;
    struct perf_rounds rounds;
    struct perf_deliver deliver;
    struct text foreign_kernel; // "[kernel 6.1.0-18-amd64]"; "": it is ours
    bool has_auxtrace;
    bool whole_cpus;
    bool at_end; // of the stream
    bool told_end;
    bool stopped;
    struct err why; // the stream ended like that; "": as it should
    uint64_t n_records;
};

static struct import *import_of(struct capture *capture)
{
    return CONTAINER_OF(capture, struct import, base);
}

// ---- Sections
// ------------------------------------------------------------------------------------

// What is there of it, up to the limit.
static int read_section(const struct import *import, struct perf_section section, struct text *ret)
{
    char bytes[16384];
    uint64_t left = MIN(section.size_bytes, (uint64_t)LIMIT_PERF_SECTION_BYTES);
    text_clear(ret);
    while (left > 0) {
        ssize_t n = pread(import->fd, bytes, (size_t)MIN(left, (uint64_t)sizeof bytes),
                          (off_t)(section.off + ret->n));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : 0;
        }
        text_add_bytes(ret, bytes, (size_t)n);
        left -= (uint64_t)n;
    }
    return 0;
}

static struct slice slice_of(const struct text *text)
{
    return (struct slice){(const uint8_t *)text->at, text->n};
}

static bool parse_section(struct reader *from, struct perf_section *ret)
{
    ret->off = read_u64(from);
    ret->size_bytes = read_u64(from);
    return !from->bad && ret->off <= INT64_MAX && ret->size_bytes <= INT64_MAX - ret->off;
}

static int read_events(struct import *import, struct err *reterr)
{
    CLEANUP(text_fini) struct text attrs = {0};
    CLEANUP(text_fini) struct text ids = {0};
    int r = read_section(import, import->header.attrs, &attrs);
    struct reader from = reader_of(slice_of(&attrs));
    size_t n_entry = (size_t)import->header.attr_bytes;
    while (r == 0 && reader_left(&from) >= n_entry) {
        struct reader entry = reader_of(read_slice(&from, n_entry));
        struct slice attr = read_slice(&entry, n_entry - 2 * sizeof(uint64_t));
        struct perf_section section;
        if (!parse_section(&entry, &section)) {
            return err_set(reterr, EINVAL, "has a damaged list of events: record again");
        }
        r = read_section(import, section, &ids);
        if (r == 0 && !perf_data_events_add(&import->events, attr, slice_of(&ids))) {
            return err_set(reterr, EINVAL, "has events that stax can't read (%zu are sound)",
                           import->events.at.n);
        }
    }
    return r < 0 ? err_set(reterr, -r, "cannot be read: %s", strerror(-r)) : 0;
}

static void take_feature(struct import *import, unsigned feature, struct slice section)
{
    if (feature == PERF_FEATURE_EVENT_DESC) {
        perf_data_events_name(&import->events, section);
    } else if (feature == PERF_FEATURE_AUXTRACE) {
        import->has_auxtrace = true;
    } else if (feature == PERF_FEATURE_TRACING_DATA) {
        text_clear(&import->tracing);
        text_add_bytes(&import->tracing, section.data, section.n);
    } else {
        perf_data_facts_read(&import->facts, feature, section);
    }
}

// Their table stands behind the data; in a file that was cut there is none, or half of it.
static void read_features(struct import *import)
{
    struct perf_section table = {.off = import->header.data.off + import->header.data.size_bytes,
                                 .size_bytes = 0};
    for (unsigned i = 0; i < PERF_FEATURE_LIMIT; i++) {
        table.size_bytes += perf_data_has(&import->header, i) ? 2 * sizeof(uint64_t) : 0;
    }
    CLEANUP(text_fini) struct text entries = {0};
    CLEANUP(text_fini) struct text bytes = {0};
    read_section(import, table, &entries);
    struct reader from = reader_of(slice_of(&entries));
    for (unsigned i = 0; i < PERF_FEATURE_LIMIT && !from.bad; i++) {
        struct perf_section section;
        if (perf_data_has(&import->header, i) && parse_section(&from, &section) &&
            read_section(import, section, &bytes) == 0) {
            take_feature(import, i, slice_of(&bytes));
        }
    }
}

// ---- Records
// -------------------------------------------------------------------------------------

static void take_attr(struct import *import, struct slice body)
{
    struct perf_event_attr attr;
    if (!perf_attr_parse(body, &attr)) {
        return;
    }
    size_t n = attr.size == 0 ? PERF_ATTR_SIZE_VER0 : attr.size;
    perf_data_events_add(&import->events, (struct slice){body.data, n},
                         (struct slice){body.data + n, body.n - n});
}

// Records that say what in files stands in sections. 0, or an outcome as perf_stream_next().
static int take_user_record(struct import *import, const struct perf_stream_record *record)
{
    struct slice body = {record->at + sizeof record->header,
                         record->header.size - sizeof record->header};
    struct reader from = reader_of(body);
    switch (record->header.type) {
    case PERF_USER_ATTR:
        take_attr(import, body);
        break;
    case PERF_USER_FEATURE: {
        uint64_t feature = read_u64(&from);
        if (feature < PERF_FEATURE_LIMIT) {
            take_feature(import, (unsigned)feature, read_slice(&from, reader_left(&from)));
        }
        break;
    }
    case PERF_USER_TRACING_DATA:
        text_clear(&import->tracing);
        return perf_stream_take(&import->stream, read_u32(&from), &import->tracing);
    case PERF_USER_BUILD_ID:
        perf_data_facts_read_build_id(&import->facts, record->header.misc, body);
        break;
    case PERF_USER_THREAD_MAP:
        import->whole_cpus = read_u64(&from) > 0 && read_u64(&from) == UINT64_MAX;
        break;
    case PERF_USER_FINISHED_ROUND:
        perf_rounds_end(&import->rounds);
        break;
    case PERF_USER_AUXTRACE_INFO:
    case PERF_USER_AUXTRACE:
        import->has_auxtrace = true;
        return PERF_STREAM_BAD;
    default:
        break;
    }
    return 0;
}

// Where the kernel lay, as perf made up a mapping of it.
static void look_at_kernel(struct import *import, const struct perf_event_header *record,
                           const struct perf_event_attr *attr)
{
    struct perf_stamp stamp;
    struct event event;
    bool is_kernel = (record->misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_KERNEL;
    if ((record->type == PERF_RECORD_MMAP || record->type == PERF_RECORD_MMAP2) && is_kernel &&
        perf_attr_stamp(attr, record, &stamp) &&
        perf_fields_parse(record, perf_attr_fields(attr, record), &event) == PERF_OK) {
        perf_kernel_read_mapping(&import->kernel, event.image_mapped.path,
                                 event.image_mapped.file_off);
    }
}

static void take_record(struct import *import, const struct perf_stream_record *record)
{
    // A copy, where it is not aligned, would be of no use: nothing of it is kept.
    _Alignas(uint64_t) uint8_t bytes[UINT16_MAX + 1];
    const struct perf_event_header *aligned = (const void *)record->at;
    if ((uintptr_t)record->at % sizeof(uint64_t) != 0) {
        memcpy(bytes, record->at, record->header.size);
        aligned = (const void *)bytes;
    }
    uint32_t event = perf_data_events_find(&import->events, aligned);
    struct perf_stamp stamp = {0};
    if (event != PERF_EVENT_NONE) {
        const struct perf_event_attr *attr = &import->events.at.at[event].attr;
        perf_attr_stamp(attr, aligned, &stamp);
        look_at_kernel(import, aligned, attr);
    }
    perf_rounds_push(&import->rounds, record, stamp.time_ns, event);
    import->n_records++;
}

// The stream is over, or makes no sense from here on: what has been read is the run.
static void end_stream(struct import *import, int outcome)
{
    import->at_end = true;
    perf_rounds_end_all(&import->rounds);
    unsigned long long n = import->n_records;
    if (outcome == PERF_STREAM_CUT) {
        err_set(&import->why, EBADMSG,
                "the file is cut off: the %llu records up to there are shown", n);
    } else if (outcome == PERF_STREAM_BAD && import->has_auxtrace) {
        err_set(&import->why, EBADMSG,
                "traces of the processor (AUXTRACE) follow, which stax can't "
                "read: the %llu records before them are shown",
                n);
    } else if (outcome == PERF_STREAM_BAD) {
        err_set(&import->why, EBADMSG,
                "the file is damaged: the %llu records up to there are shown", n);
    } else if (outcome < 0) {
        err_set(&import->why, -outcome, "the file can't be read on (%s): %llu records are shown",
                strerror(-outcome), n);
    }
}

static void read_record(struct import *import)
{
    struct perf_stream_record record;
    int r = perf_stream_next(&import->stream, &record);
    if (r == PERF_STREAM_OK && record.header.type >= PERF_USER_ATTR) {
        r = take_user_record(import, &record);
    } else if (r == PERF_STREAM_OK) {
        take_record(import, &record);
    }
    if (r != PERF_STREAM_OK) {
        end_stream(import, r);
    }
}

// Reads on until something is ready to be handed on, or all has been read.
static void pull(struct import *import)
{
    while (!import->at_end && perf_rounds_peek(&import->rounds) == NULL) {
        read_record(import);
    }
}

// Until something is ready that has a time. What perf made up has none.
static void pull_first(struct import *import)
{
    size_t n_ready = 0;
    uint64_t first_ns = 0;
    while (!import->at_end && first_ns == 0) {
        read_record(import);
        if (import->rounds.n_ready != n_ready) {
            n_ready = import->rounds.n_ready;
            first_ns = perf_rounds_first_ns(&import->rounds);
        }
    }
}

// ---- Open
// ----------------------------------------------------------------------------------------

static int open_file(struct import *import, const char *path, struct err *reterr)
{
    import->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (import->fd < 0 || fstat(import->fd, &st) < 0) {
        int number = errno;
        return err_set(reterr, number, "cannot be opened: %s", strerror(number));
    }
    if (S_ISDIR(st.st_mode)) {
        return err_set(reterr, EINVAL,
                       "is a directory (perf record --threads?): record without --threads");
    }
    if (!S_ISREG(st.st_mode)) {
        return err_set(reterr, EINVAL, "is no file: save what perf record writes first");
    }
    import->file_changed_unix_ns = (uint64_t)st.st_mtim.tv_sec * NS_PER_S +
                                   (uint64_t)st.st_mtim.tv_nsec;
    return 0;
}

static enum event_arch arch_of(const char *machine)
{
    return strcmp(machine, "x86_64") == 0    ? EVENT_ARCH_X86_64
           : strcmp(machine, "aarch64") == 0 ? EVENT_ARCH_AARCH64
                                             : EVENT_ARCH_NONE;
}

// Stacks, binaries and their names are looked at with the tables of this machine.
static int check_arch(const struct import *import, enum event_arch *ret, struct err *reterr)
{
    struct utsname here;
    ASSERT(uname(&here) == 0);
    *ret = arch_of(here.machine);
    const char *there = import->facts.arch;
    if (there != NULL && strcmp(there, here.machine) != 0) {
        return err_set(reterr, EINVAL, "was recorded on %.40s: import it on such a machine", there);
    }
    return 0;
}

static int check_content(const struct import *import, struct err *reterr)
{
    if (import->has_auxtrace) {
        return err_set(reterr, EINVAL,
                       "holds traces of the processor (AUXTRACE: intel_pt, arm_spe …), which stax "
                       "can't read: record cycles or cpu-clock");
    }
    if (perf_rounds_first_ns(&import->rounds) == 0) {
        return err_set(reterr, EINVAL, "holds no records%s%s",
                       import->why.text[0] != 0 ? ": " : "; did the program run at all?",
                       import->why.text);
    }
    return 0;
}

// The kernel of the recording, unless it is the one that runs here.
static void judge_kernel(struct import *import)
{
    struct err why;
    import->kernel.osrelease = import->facts.osrelease;
    import->kernel.build_id = perf_data_facts_build_id(&import->facts,
                                                       slice_of_text("[kernel.kallsyms]"));
    if (perf_kernel_is_ours(&import->kernel, &why)) {
        return;
    }
    import->deliver.foreign_kernel = true;
    text_addf(&import->foreign_kernel, "%s%.100s]", kernel_path_start,
              import->facts.osrelease == NULL ? "?" : import->facts.osrelease);
    struct err *note = &import->base.note;
    if (note->text[0] == 0) {
        err_set(note, 0, "kernel functions have no names: %s", why.text);
    }
}

static void set_ability(struct import *import, enum capture_ability ability, bool available,
                        const char *reason)
{
    struct capture_ability_state *state = &import->base.abilities.at[ability];
    *state = (struct capture_ability_state){.available = available};
    if (!available) {
        err_set(&state->reason, ENOTSUP, "%s", reason);
    }
}

static void import_probe(struct capture_abilities *ret)
{
    *ret = (struct capture_abilities){0};
    for (int i = 0; i < CAPTURE_ABILITY_COUNT; i++) {
        err_set(&ret->at[i].reason, ENOTSUP, "an imported run has what its file has");
    }
}

static void fill_abilities(struct import *import)
{
    const struct perf_roles *roles = &import->deliver.roles;
    import_probe(&import->base.abilities);
    set_ability(import, CAPTURE_KERNEL_STACKS,
                roles->has_kernel || roles->samples == PERF_EVENT_NONE,
                "perf was not permitted, or not asked, to record it");
    set_ability(import, CAPTURE_KERNEL_SYMBOLS, !import->deliver.foreign_kernel,
                "the file was recorded on another kernel than the one that runs here");
    set_ability(import, CAPTURE_OFF_CPU, roles->has_switches,
                "record with perf record --switch-events");
    set_ability(import, CAPTURE_OFF_CPU_STACKS, roles->has_switch_stacks,
                "record with perf record --switch-events -e cpu-clock,sched:sched_switch");
    set_ability(import, CAPTURE_WAKEUPS, roles->has_wakeups,
                "record with perf record -e cpu-clock,sched:sched_waking");
    set_ability(import, CAPTURE_STACK_COPIES, roles->has_copies,
                "record with perf record --call-graph dwarf");
}

static void set_times(struct import *import)
{
    const struct perf_data_facts *facts = &import->facts;
    uint64_t started_ns = perf_rounds_first_ns(&import->rounds);
    import->base.started_ns = import->deliver.started_ns = started_ns;
    // The file was closed when the recording had ended, unless it says better.
    uint64_t duration_ns = facts->last_ns - MIN(facts->last_ns, started_ns);
    import->base.started_unix_ns = facts->wall_ns != 0
                                       ? facts->wall_unix_ns + (started_ns - facts->wall_ns)
                                       : import->file_changed_unix_ns -
                                             MIN(duration_ns, import->file_changed_unix_ns);
}

static int choose_roles(struct import *import, struct err *reterr)
{
    enum event_arch arch;
    struct perf_roles *roles = &import->deliver.roles;
    int r = check_arch(import, &arch, reterr);
    r = r < 0 ? r : check_content(import, reterr);
    r = r < 0 ? r
              : perf_roles_choose(&import->events, slice_of(&import->tracing), arch,
                                  import->whole_cpus, roles, reterr);
    if (r < 0) {
        return r;
    }
    import->deliver.events = &import->events;
    import->deliver.facts = &import->facts;
    import->base.note = roles->note;
    import->base.weight_ns = roles->weight_ns;
    import->base.frequency_hz = roles->frequency_hz;
    import->base.label = import->facts.cmdline;
    import->base.arch = import->facts.arch == NULL ? ARCH_UNKNOWN
                                                   : arch_of_name(import->facts.arch);
    return 0;
}

static int open_all(struct import *import, const char *path, struct err *reterr)
{
    CLEANUP(text_fini) struct text start = {0};
    int r = open_file(import, path, reterr);
    if (r < 0) {
        return r;
    }
    r = read_section(import, (struct perf_section){.size_bytes = PERF_DATA_HEADER_BYTES}, &start);
    if (r < 0) {
        return err_set(reterr, -r, "cannot be read: %s", strerror(-r));
    }
    r = perf_data_parse_header(slice_of(&start), &import->header, reterr);
    if (r == 0 && !import->header.pipe) {
        r = read_events(import, reterr);
        read_features(import);
    }
    if (r < 0) {
        return r;
    }
    perf_stream_init(&import->stream, import->fd, &import->header);
    pull_first(import);
    r = choose_roles(import, reterr);
    if (r < 0) {
        return r;
    }
    set_times(import);
    judge_kernel(import);
    fill_abilities(import);
    import->base.poll_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    return import->base.poll_fd < 0 ? err_set(reterr, errno, "eventfd: %s", strerror(errno)) : 0;
}

static void import_close(struct capture *capture)
{
    if (capture == NULL) {
        return;
    }
    struct import *import = import_of(capture);
    perf_deliver_fini(&import->deliver);
    perf_rounds_fini(&import->rounds);
    perf_stream_fini(&import->stream);
    perf_data_events_fini(&import->events);
    perf_data_facts_fini(&import->facts);
    text_fini(&import->tracing);
    text_fini(&import->foreign_kernel);
    closep(&import->base.poll_fd);
    closep(&import->fd);
    free(import);
}

static int import_open(const struct capture_request *request, struct capture **ret,
                       struct err *reterr)
{
    if (request->replay_path == NULL) {
        return err_set(reterr, EINVAL, "nothing to import: no file was given");
    }
    struct import *import = NEW(struct import);
    struct err why = {0};
    import->base.backend = &capture_perf_data;
    import->base.poll_fd = import->fd = -1;
    perf_rounds_init(&import->rounds, &import->stream);
    perf_deliver_init(&import->deliver);
    int r = open_all(import, request->replay_path, &why);
    if (r < 0) {
        import_close(&import->base);
        return err_set(reterr, -r, "%.200s %s", request->replay_path, why.text);
    }
    *ret = &import->base;
    return 0;
}

// ---- Drain
// ---------------------------------------------------------------------------------------

static int end(struct import *import)
{
    if (!import->told_end) {
        import->told_end = true;
        struct err note = {0};
        perf_deliver_note(&import->deliver, &note);
        if (import->why.text[0] != 0) {
            import->base.note = import->why;
        } else if (note.text[0] != 0) {
            import->base.note = note;
        }
    }
    uint64_t count;
    ssize_t n = read(import->base.poll_fd, &count, sizeof count);
    (void)n; // at the second time there is nothing to read
    return CAPTURE_E_ENDED;
}

// Kernel addresses of this file belong to another kernel than ours.
static void tell_kernel(struct import *import)
{
    if (import->foreign_kernel.n == 0) {
        return;
    }
    struct event event = {.kind = EVENT_IMAGE_MAPPED, .time_ns = import->base.started_ns};
    event.image_mapped.kind = EVENT_IMAGE_KERNEL;
    event.image_mapped.path = slice_of(&import->foreign_kernel);
    import->deliver.sink(import->deliver.context, &event);
    text_clear(&import->foreign_kernel);
}

static int import_drain(struct capture *capture, bool final, event_sink_fn sink, void *context)
{
    struct import *import = import_of(capture);
    import->deliver.sink = sink;
    import->deliver.context = context;
    tell_kernel(import);
    for (size_t n = 0; (final || n < SLICE_RECORDS) && !import->stopped; n++) {
        pull(import);
        const struct perf_rounds_entry *entry = perf_rounds_peek(&import->rounds);
        if (entry == NULL) {
            return end(import);
        }
        perf_deliver(&import->deliver, entry);
        perf_rounds_pop(&import->rounds);
    }
    return import->stopped ? end(import) : CAPTURE_OK;
}

static void import_stop(struct capture *capture)
{
    import_of(capture)->stopped = true;
}

const struct capture_backend capture_perf_data = {
    .name = "perf.data",
    .probe = import_probe,
    .open = import_open,
    .drain = import_drain,
    .stop = import_stop,
    .close = import_close,
};

#include "capture/perf_data/perf_data.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>

enum { SECTION_BYTES = 2 * sizeof(uint64_t), BUILD_ID_SIZE_TOLD = 1 << 15 };

// ---- The header
// ----------------------------------------------------------------------------------

static bool begins_with(struct slice bytes, const char *text)
{
    size_t n = strlen(text);
    return bytes.n >= n && memcmp(bytes.data, text, n) == 0;
}

static int refuse(struct slice start, struct err *reterr)
{
    if (begins_with(start, "2ELIFREP")) {
        return err_set(
            reterr, EINVAL,
            "was recorded on a machine of the other byte order: import it on such a one");
    }
    if (begins_with(start, "PERFFILE")) {
        return err_set(reterr, EINVAL,
                       "was written by a perf older than Linux 2.6.37: record again");
    }
    if (begins_with(start, "SQLite format 3")) {
        return err_set(reterr, EINVAL,
                       "is not a perf.data file but perhaps a run of stax: try "
                       "`stax open`");
    }
    return err_set(reterr, EINVAL,
                   "is not a perf.data file: give one that `perf record` has written");
}

static struct perf_section read_section(struct reader *from)
{
    uint64_t off = read_u64(from);
    return (struct perf_section){.off = off, .size_bytes = read_u64(from)};
}

// Where sections end must be a number.
static bool is_sound(struct perf_section section)
{
    return section.off <= INT64_MAX && section.size_bytes <= INT64_MAX - section.off;
}

int perf_data_parse_header(struct slice start, struct perf_data_header *ret, struct err *reterr)
{
    *ret = (struct perf_data_header){0};
    if (!begins_with(start, "PERFILE2")) {
        return refuse(start, reterr);
    }
    struct reader from = reader_of(start);
    read_u64(&from);
    uint64_t header_bytes = read_u64(&from);
    if (header_bytes == PERF_DATA_PIPE_HEADER_BYTES) {
        ret->pipe = ret->unfinished = true;
        ret->data = (struct perf_section){.off = header_bytes,
                                          .size_bytes = INT64_MAX - header_bytes};
        return 0;
    }
    ret->attr_bytes = read_u64(&from);
    ret->attrs = read_section(&from);
    ret->data = read_section(&from);
    read_section(&from); // names of events, long gone
    read_bytes(&from, ret->features, sizeof ret->features);
    if (from.bad || header_bytes < PERF_DATA_HEADER_BYTES || !is_sound(ret->attrs) ||
        !is_sound(ret->data) || ret->attr_bytes < PERF_ATTR_SIZE_VER0 + SECTION_BYTES) {
        return err_set(reterr, EINVAL, "has a damaged header: record again");
    }
    if (ret->data.size_bytes == 0) { // what it will be stands there when perf ends
        ret->unfinished = true;
        ret->data.size_bytes = INT64_MAX - ret->data.off;
    }
    return 0;
}

bool perf_data_has(const struct perf_data_header *header, unsigned feature)
{
    return !header->unfinished && (header->features[feature / 64] >> feature % 64 & 1) != 0;
}

// ---- Events
// --------------------------------------------------------------------------------------

void perf_data_events_fini(struct perf_data_events *events)
{
    for (size_t i = 0; i < events->at.n; i++) {
        free(events->at.at[i].name);
    }
    vec_fini(&events->at);
    map_fini(&events->by_id);
}

// What perf calls it when nobody gave it a name.
static char *usual_name(const struct perf_event_attr *attr)
{
    static const char *const hardware[] = {"cycles",
                                           "instructions",
                                           "cache-references",
                                           "cache-misses",
                                           "branches",
                                           "branch-misses",
                                           "bus-cycles",
                                           "stalled-cycles-frontend",
                                           "stalled-cycles-backend",
                                           "ref-cycles"};
    static const char *const software[] = {
        "cpu-clock",        "task-clock",   "page-faults",  "context-switches",
        "cpu-migrations",   "minor-faults", "major-faults", "alignment-faults",
        "emulation-faults", "dummy",        "bpf-output",   "cgroup-switches"};
    struct text name = {0};
    uint64_t config = attr->config & UINT32_MAX; // above it: which PMU of several
    if (attr->type == PERF_TYPE_HARDWARE && config < ARRAY_LEN(hardware)) {
        text_add(&name, hardware[config]);
    } else if (attr->type == PERF_TYPE_SOFTWARE && config < ARRAY_LEN(software)) {
        text_add(&name, software[config]);
    } else {
        text_addf(&name, "event %u/%#llx", attr->type, (unsigned long long)attr->config);
    }
    return text_take(&name);
}

static bool add_ids(struct perf_data_events *events, struct slice ids, uint32_t index)
{
    struct reader from = reader_of(ids);
    while (reader_left(&from) >= sizeof(uint64_t)) {
        if (events->by_id.n >= LIMIT_PERF_IDS) {
            return false;
        }
        map_set(&events->by_id, read_u64(&from), index);
    }
    return true;
}

bool perf_data_events_add(struct perf_data_events *events, struct slice attr, struct slice ids)
{
    struct perf_data_event event = {0};
    if (events->at.n >= LIMIT_PERF_EVENTS || !perf_attr_parse(attr, &event.attr) ||
        !add_ids(events, ids, (uint32_t)events->at.n)) {
        return false;
    }
    event.name = usual_name(&event.attr);
    vec_push(&events->at, event);
    return true;
}

uint32_t perf_data_events_find(const struct perf_data_events *events,
                               const struct perf_event_header *record)
{
    if (events->at.n <= 1) {
        return events->at.n == 0 ? PERF_EVENT_NONE : 0;
    }
    uint64_t id = perf_attr_id(&events->at.at[0].attr, record);
    uint32_t index = map_find(&events->by_id, id);
    if (index < events->at.n) {
        return index;
    }
    // perf makes up records of what was there before; those have no id.
    return record->type == PERF_RECORD_SAMPLE ? PERF_EVENT_NONE : 0;
}

// A text as perf writes it: its length with what fills it up, and a zero behind it.
static struct slice read_string(struct reader *from)
{
    struct slice room = read_slice(from, read_u32(from));
    return (struct slice){room.data, room.n == 0 ? 0 : strnlen((const char *)room.data, room.n)};
}

static char *copy_string(struct slice text)
{
    return text.n == 0 || text.n > LIMIT_NAME_BYTES ? NULL
                                                    : alloc_text((const char *)text.data, text.n);
}

// One event of the description: the event is the one that has its first id, or stands at its place.
static void read_name(struct perf_data_events *events, uint32_t attr_bytes, uint32_t place,
                      struct reader *from)
{
    read_slice(from, attr_bytes);
    uint32_t n_ids = read_u32(from);
    struct slice name = read_string(from);
    uint64_t first_id = n_ids > 0 ? read_u64(from) : 0;
    if (n_ids > 1 && n_ids - 1 <= reader_left(from) / sizeof(uint64_t)) {
        read_slice(from, (n_ids - 1) * sizeof(uint64_t));
    } else if (n_ids > 1) {
        from->bad = true;
    }
    uint32_t known = map_find(&events->by_id, first_id);
    uint32_t index = n_ids > 0 && known != MAP_NONE ? known : place;
    char *copy = from->bad || index >= events->at.n ? NULL : copy_string(name);
    if (copy != NULL) {
        free(events->at.at[index].name);
        events->at.at[index].name = copy;
    }
}

void perf_data_events_name(struct perf_data_events *events, struct slice section)
{
    struct reader from = reader_of(section);
    uint32_t n = read_u32(&from);
    uint32_t attr_bytes = read_u32(&from);
    for (uint32_t i = 0; i < n && !from.bad; i++) {
        read_name(events, attr_bytes, i, &from);
    }
}

// ---- Features
// ------------------------------------------------------------------------------------

void perf_data_facts_fini(struct perf_data_facts *facts)
{
    for (size_t i = 0; i < facts->build_ids.n; i++) {
        free(facts->build_ids.at[i].path);
    }
    vec_fini(&facts->build_ids);
    map_fini(&facts->build_id_by_path);
    free(facts->hostname);
    free(facts->osrelease);
    free(facts->arch);
    free(facts->cmdline);
}

static void read_text_fact(struct slice section, char **ret)
{
    struct reader from = reader_of(section);
    char *text = copy_string(read_string(&from));
    if (text != NULL) {
        free(*ret);
        *ret = text;
    }
}

// The words of a command line, with blanks in between.
static void read_cmdline(struct slice section, char **ret)
{
    struct reader from = reader_of(section);
    struct text line = {0};
    uint32_t n = read_u32(&from);
    for (uint32_t i = 0; i < n && !from.bad && line.n < LIMIT_LABEL_BYTES; i++) {
        struct slice word = read_string(&from);
        text_add(&line, i == 0 ? "" : " ");
        text_add_bytes(&line, word.data, word.n);
    }
    free(*ret);
    *ret = alloc_text(text_get(&line), MIN(line.n, (size_t)LIMIT_LABEL_BYTES));
    text_fini(&line);
}

void perf_data_facts_read_build_id(struct perf_data_facts *facts, uint16_t misc, struct slice body)
{
    struct reader from = reader_of(body);
    uint8_t bytes[24];
    read_u32(&from); // pid
    read_bytes(&from, bytes, sizeof bytes);
    struct slice path = read_text(&from);
    if (from.bad || path.n == 0 || path.n >= LIMIT_NAME_BYTES ||
        facts->build_ids.n >= LIMIT_IMAGES) {
        return;
    }
    struct perf_data_build_id entry = {.path = alloc_text((const char *)path.data, path.n)};
    uint8_t told = bytes[EVENT_BUILD_ID_MAX];
    bool tells = (misc & BUILD_ID_SIZE_TOLD) != 0 && told <= EVENT_BUILD_ID_MAX;
    entry.id.n = tells ? told : EVENT_BUILD_ID_MAX;
    memcpy(entry.id.at, bytes, entry.id.n);
    map_add(&facts->build_id_by_path, hash_bytes(path.data, path.n), (uint32_t)facts->build_ids.n);
    vec_push(&facts->build_ids, entry);
}

static void read_build_ids(struct perf_data_facts *facts, struct slice section)
{
    struct reader from = reader_of(section);
    while (reader_left(&from) >= sizeof(struct perf_event_header)) {
        struct perf_event_header header;
        read_bytes(&from, &header, sizeof header);
        if (header.size < sizeof header) {
            return;
        }
        struct slice body = read_slice(&from, header.size - sizeof header);
        perf_data_facts_read_build_id(facts, header.misc, body);
    }
}

static void read_sample_time(struct perf_data_facts *facts, struct slice section)
{
    struct reader from = reader_of(section);
    uint64_t first_ns = read_u64(&from);
    uint64_t last_ns = read_u64(&from);
    if (!from.bad && first_ns <= last_ns) {
        facts->first_ns = first_ns;
        facts->last_ns = last_ns;
    }
}

static void read_clock_data(struct perf_data_facts *facts, struct slice section)
{
    struct reader from = reader_of(section);
    uint32_t version = read_u32(&from);
    read_u32(&from); // which clock: that of the samples
    uint64_t wall_unix_ns = read_u64(&from);
    uint64_t wall_ns = read_u64(&from);
    if (!from.bad && version == 1) {
        facts->wall_unix_ns = wall_unix_ns;
        facts->wall_ns = wall_ns;
    }
}

void perf_data_facts_read(struct perf_data_facts *facts, unsigned feature, struct slice section)
{
    switch (feature) {
    case PERF_FEATURE_BUILD_ID:
        read_build_ids(facts, section);
        break;
    case PERF_FEATURE_HOSTNAME:
        read_text_fact(section, &facts->hostname);
        break;
    case PERF_FEATURE_OSRELEASE:
        read_text_fact(section, &facts->osrelease);
        break;
    case PERF_FEATURE_ARCH:
        read_text_fact(section, &facts->arch);
        break;
    case PERF_FEATURE_CMDLINE:
        read_cmdline(section, &facts->cmdline);
        break;
    case PERF_FEATURE_SAMPLE_TIME:
        read_sample_time(facts, section);
        break;
    case PERF_FEATURE_CLOCK_DATA:
        read_clock_data(facts, section);
        break;
    default:
        break;
    }
}

const struct event_build_id *perf_data_facts_build_id(const struct perf_data_facts *facts,
                                                      struct slice path)
{
    size_t cursor = 0;
    uint64_t hash = hash_bytes(path.data, path.n);
    for (uint32_t i; (i = map_find_from(&facts->build_id_by_path, hash, &cursor)) != MAP_NONE;) {
        const struct perf_data_build_id *entry = &facts->build_ids.at[i];
        if (slice_equal(slice_of_text(entry->path), path)) {
            return &entry->id;
        }
    }
    return NULL;
}

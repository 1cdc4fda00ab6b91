#include "capture/perf_data/perf_attr.h"

enum { WORD = sizeof(uint64_t) };

// In the order in which a sample holds them, a word each.
static const uint64_t sample_words[] = {
    PERF_SAMPLE_IDENTIFIER, PERF_SAMPLE_IP,   PERF_SAMPLE_TID,
    PERF_SAMPLE_TIME,       PERF_SAMPLE_ADDR, PERF_SAMPLE_ID,
    PERF_SAMPLE_STREAM_ID,  PERF_SAMPLE_CPU,  PERF_SAMPLE_PERIOD,
};

// The same of the stamp at the end of all other records (attr.sample_id_all).
static const uint64_t trailer_words[] = {
    PERF_SAMPLE_TID,       PERF_SAMPLE_TIME, PERF_SAMPLE_ID,
    PERF_SAMPLE_STREAM_ID, PERF_SAMPLE_CPU,  PERF_SAMPLE_IDENTIFIER,
};

bool perf_attr_parse(struct slice bytes, struct perf_event_attr *ret)
{
    *ret = (struct perf_event_attr){0};
    if (bytes.n < PERF_ATTR_SIZE_VER0) {
        return false;
    }
    memcpy(ret, bytes.data, MIN(bytes.n, sizeof *ret));
    size_t n = ret->size == 0 ? PERF_ATTR_SIZE_VER0 : ret->size;
    if (n < PERF_ATTR_SIZE_VER0 || n > bytes.n) {
        return false;
    }
    if (n < sizeof *ret) { // what stands behind it is not its own
        memset((uint8_t *)ret + n, 0, sizeof *ret - n);
    }
    return true;
}

// ---- Words
// ---------------------------------------------------------------------------------------

static size_t trailer_bytes(const struct perf_event_attr *attr)
{
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(trailer_words) && attr->sample_id_all; i++) {
        n += (attr->sample_type & trailer_words[i]) != 0 ? WORD : 0;
    }
    return n;
}

// A word's two halves are numbers of their own: pid and tid, cpu and nothing.
static void put_word(uint64_t what, const uint8_t *word, struct perf_stamp *ret)
{
    uint64_t whole;
    uint32_t halves[2];
    memcpy(&whole, word, sizeof whole);
    memcpy(halves, word, sizeof halves);
    if (what == PERF_SAMPLE_TID) {
        ret->pid = halves[0];
        ret->tid = halves[1];
    } else if (what == PERF_SAMPLE_TIME) {
        ret->time_ns = whole;
    } else if (what == PERF_SAMPLE_CPU) {
        ret->cpu = halves[0];
    } else if (what == PERF_SAMPLE_ID || what == PERF_SAMPLE_IDENTIFIER) {
        ret->id = whole;
    }
}

static void read_words(const struct perf_event_attr *attr, const uint64_t *words, size_t n,
                       struct reader *from, struct perf_stamp *ret)
{
    for (size_t i = 0; i < n; i++) {
        if ((attr->sample_type & words[i]) != 0) {
            struct slice word = read_slice(from, WORD);
            if (word.n == WORD) {
                put_word(words[i], word.data, ret);
            }
        }
    }
}

static struct reader body_of(const struct perf_event_header *record)
{
    return reader_of((struct slice){(const uint8_t *)(record + 1), record->size - sizeof *record});
}

bool perf_attr_stamp(const struct perf_event_attr *attr, const struct perf_event_header *record,
                     struct perf_stamp *ret)
{
    *ret = (struct perf_stamp){0};
    struct reader from = body_of(record);
    if (record->type == PERF_RECORD_SAMPLE) {
        read_words(attr, sample_words, ARRAY_LEN(sample_words), &from, ret);
        return !from.bad;
    }
    size_t n = trailer_bytes(attr);
    if (n > reader_left(&from)) {
        return false;
    }
    if (n > 0) {
        read_slice(&from, reader_left(&from) - n);
        read_words(attr, trailer_words, ARRAY_LEN(trailer_words), &from, ret);
    }
    return true;
}

struct slice perf_attr_fields(const struct perf_event_attr *attr,
                              const struct perf_event_header *record)
{
    size_t n = record->size - sizeof *record;
    size_t n_trailer = trailer_bytes(attr);
    ASSERT(n_trailer <= n);
    return (struct slice){(const uint8_t *)(record + 1), n - n_trailer};
}

// ---- Whose record?
// -------------------------------------------------------------------------------

// Words between a sample's start, or a trailer's end, and the id. -1: there is none.
static int id_place(const struct perf_event_attr *attr, bool sample)
{
    static const uint64_t before = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
                                   PERF_SAMPLE_ADDR;
    static const uint64_t behind = PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU;
    if ((attr->sample_type & PERF_SAMPLE_IDENTIFIER) != 0) {
        return 0;
    }
    if ((attr->sample_type & PERF_SAMPLE_ID) == 0 || (!sample && !attr->sample_id_all)) {
        return -1;
    }
    return __builtin_popcountll(attr->sample_type & (sample ? before : behind));
}

bool perf_attr_same_id_place(const struct perf_event_attr *a, const struct perf_event_attr *b)
{
    return id_place(a, true) == id_place(b, true) && id_place(a, false) == id_place(b, false);
}

uint64_t perf_attr_id(const struct perf_event_attr *attr, const struct perf_event_header *record)
{
    bool sample = record->type == PERF_RECORD_SAMPLE;
    int place = sample || attr->sample_id_all ? id_place(attr, sample) : -1;
    size_t n_words = (record->size - sizeof *record) / WORD;
    if (place < 0 || (size_t)place >= n_words) {
        return 0;
    }
    const uint8_t *start = (const uint8_t *)(record + 1);
    const uint8_t *end = (const uint8_t *)record + record->size;
    uint64_t id;
    memcpy(&id, sample ? start + (size_t)place * WORD : end - (size_t)(place + 1) * WORD, WORD);
    return id;
}

// ---- Samples
// -------------------------------------------------------------------------------------

static void skip_words(struct reader *from, uint64_t n)
{
    if (n > reader_left(from) / WORD) {
        from->bad = true;
        return;
    }
    read_slice(from, (size_t)n * WORD);
}

static unsigned bits(uint64_t set, uint64_t of)
{
    return (unsigned)__builtin_popcountll(set & of);
}

// Values of counters, of a group or of one.
static void skip_counters(uint64_t format, struct reader *from)
{
    unsigned times = bits(format, PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING);
    unsigned each = 1 + bits(format, PERF_FORMAT_ID | PERF_FORMAT_LOST);
    if ((format & PERF_FORMAT_GROUP) == 0) {
        skip_words(from, each + times);
        return;
    }
    uint64_t n = read_u64(from);
    skip_words(from, times);
    if (n > reader_left(from) / WORD) {
        from->bad = true;
    } else {
        skip_words(from, n * each);
    }
}

enum { BRANCH_COUNTERS = 1 << 19 }; // PERF_SAMPLE_BRANCH_COUNTERS, newer than our header

static void skip_branches(const struct perf_event_attr *attr, struct reader *from)
{
    uint64_t n = read_u64(from);
    if (n > reader_left(from) / WORD) {
        from->bad = true;
        return;
    }
    skip_words(from, bits(attr->branch_sample_type, PERF_SAMPLE_BRANCH_HW_INDEX));
    skip_words(from, 3 * n);
    skip_words(from, (attr->branch_sample_type & BRANCH_COUNTERS) != 0 ? n : 0);
}

// Where the address stands in the record, which is aligned.
static const uint64_t *ip_of(const struct perf_event_attr *attr,
                             const struct perf_event_header *record)
{
    if ((attr->sample_type & PERF_SAMPLE_IP) == 0) {
        return NULL;
    }
    const uint64_t *words = (const void *)(record + 1);
    return &words[(attr->sample_type & PERF_SAMPLE_IDENTIFIER) != 0];
}

static void read_user_stack(const struct perf_event_attr *attr, const struct perf_regs *regs,
                            struct reader *from, struct perf_sample *ret)
{
    if (regs == NULL) { // behind what can't be read nothing can
        return;
    }
    if ((attr->sample_type & PERF_SAMPLE_REGS_USER) != 0) {
        perf_sample_parse_regs(regs, from, ret);
    }
    if ((attr->sample_type & PERF_SAMPLE_STACK_USER) != 0) {
        perf_sample_parse_copy(from, ret);
    }
}

bool perf_attr_sample(const struct perf_event_attr *attr, const struct perf_regs *regs,
                      const struct perf_event_header *record, struct perf_sample *ret)
{
    *ret = (struct perf_sample){0};
    struct reader from = body_of(record);
    uint64_t type = attr->sample_type;
    for (size_t i = 0; i < ARRAY_LEN(sample_words); i++) {
        skip_words(&from, bits(type, sample_words[i]));
    }
    if ((type & PERF_SAMPLE_READ) != 0) {
        skip_counters(attr->read_format, &from);
    }
    if ((type & PERF_SAMPLE_CALLCHAIN) != 0) {
        perf_sample_parse_chain(&from, ret);
    }
    if ((type & PERF_SAMPLE_RAW) != 0) {
        ret->raw = read_slice(&from, read_u32(&from));
    }
    if ((type & PERF_SAMPLE_BRANCH_STACK) != 0) {
        skip_branches(attr, &from);
    }
    read_user_stack(attr, regs, &from, ret);
    ret->ip = from.bad ? NULL : ip_of(attr, record);
    return !from.bad;
}

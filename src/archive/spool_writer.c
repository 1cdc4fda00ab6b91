#include "archive/spool_writer.h"

#include "archive/codec.h"
#include "archive/words.h"

#include <errno.h>
#include <stdio.h>

// ---- Life ---------------------------------------------------------------------------------------

static void statement_text(int which, char *to, size_t room)
{
    static const char *const texts[PUT_PIECE] = {
        [PUT_META] = "INSERT OR REPLACE INTO meta VALUES(?, ?)",
        [DELETE_META] = "DELETE FROM meta WHERE name = ?",
        [PUT_RUN] = "INSERT OR REPLACE INTO run VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [PUT_ACCOUNT] = "INSERT OR REPLACE INTO accounts VALUES(?, ?)",
        [PUT_EVENT] = "INSERT OR REPLACE INTO events VALUES(?, ?)",
        [PUT_STRING] = "INSERT INTO strings VALUES(?, ?)",
        [PUT_IMAGE] = "INSERT OR REPLACE INTO images VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
        [PUT_PROCESS] = "INSERT OR REPLACE INTO processes VALUES(?, ?, ?, ?, ?, ?, ?)",
        [PUT_THREAD] = "INSERT OR REPLACE INTO threads VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [PUT_CODE] = "INSERT OR REPLACE INTO codes VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
    };
    if (which < PUT_PIECE) {
        snprintf(to, room, "%s", texts[which]);
    } else if (which < DELETE_PIECES) {
        snprintf(to, room, "INSERT OR REPLACE INTO %s VALUES(?, ?, ?)",
                 packed_table_name((size_t)(which - PUT_PIECE)));
    } else {
        snprintf(to, room, "DELETE FROM %s WHERE first >= ? AND first < ?",
                 packed_table_name((size_t)(which - DELETE_PIECES)));
    }
}

int spool_writer_init(struct spool_writer *writer, struct run_file *file, const struct store *store,
                      struct row_reader *reader, struct err *reterr)
{
    *writer = (struct spool_writer){.file = file, .store = store, .reader = reader};
    moment_init(&writer->written);
    moment_init(&writer->next);
    int r = 0;
    for (int i = 0; r == 0 && i < SPOOL_STATEMENTS; i++) {
        char sql[128];
        statement_text(i, sql, sizeof sql);
        r = run_file_prepare(file, sql, &writer->statements[i], reterr);
    }
    return r;
}

void spool_writer_fini(struct spool_writer *writer)
{
    for (size_t i = 0; i < SPOOL_STATEMENTS; i++) {
        statementp(&writer->statements[i]);
    }
    text_fini(&writer->blob);
    vec_fini(&writer->full);
    facts_fini(&writer->facts);
    moment_fini(&writer->next);
    moment_fini(&writer->written);
}

// ---- Rows of plain tables -----------------------------------------------------------------------

// A row of numbers. What is beyond the numbers of SQLite wraps, and is wrapped back by readers.
static int put_numbers(struct spool_writer *writer, int which, const uint64_t *numbers, int n,
                       struct err *reterr)
{
    sqlite3_stmt *s = writer->statements[which];
    for (int i = 0; i < n; i++) {
        sqlite3_bind_int64(s, i + 1, (int64_t)numbers[i]);
    }
    return run_file_step(writer->file, s, reterr);
}

#define PUT_NUMBERS(writer, which, reterr, ...)                                                    \
    put_numbers(writer, which, (const uint64_t[]){__VA_ARGS__},                                    \
                (int)ARRAY_LEN(((const uint64_t[]){__VA_ARGS__})), reterr)

static bool is_text(struct slice bytes)
{
    for (size_t i = 0; i < bytes.n;) {
        size_t n = utf8_length(bytes.data + i, bytes.n - i);
        if (n == 0 || bytes.data[i] == 0) {
            return false;
        }
        i += n;
    }
    return true;
}

// As text where it is one, so that people can read it.
static void bind_bytes(sqlite3_stmt *s, int at, struct slice bytes)
{
    if (bytes.n == 0) {
        sqlite3_bind_text(s, at, "", 0, SQLITE_STATIC);
    } else if (is_text(bytes)) {
        sqlite3_bind_text(s, at, (const char *)bytes.data, (int)bytes.n, SQLITE_STATIC);
    } else {
        sqlite3_bind_blob(s, at, bytes.data, (int)bytes.n, SQLITE_STATIC);
    }
}

// ---- Facts and counts ---------------------------------------------------------------------------

static int put_fact(struct spool_writer *writer, const struct fact *fact, struct err *reterr)
{
    sqlite3_stmt *s = writer->statements[PUT_META];
    bind_bytes(s, 1, slice_of_text(fact->name));
    if (fact->is_number) {
        sqlite3_bind_int64(s, 2, (int64_t)fact->number);
    } else {
        bind_bytes(s, 2, slice_of_text(fact->text));
    }
    return run_file_step(writer->file, s, reterr);
}

static int delete_facts(struct spool_writer *writer, struct err *reterr)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < writer->facts.list.n; i++) {
        sqlite3_stmt *s = writer->statements[DELETE_META];
        bind_bytes(s, 1, slice_of_text(writer->facts.list.at[i].name));
        r = run_file_step(writer->file, s, reterr);
    }
    return r;
}

static bool same_names(const struct facts *a, const struct facts *b)
{
    for (size_t i = 0; i < a->list.n; i++) {
        if (i >= b->list.n || strcmp(a->list.at[i].name, b->list.at[i].name) != 0) {
            return false;
        }
    }
    return true;
}

// Facts change in place, mostly. If not, they are all written again.
static int put_facts(struct spool_writer *writer, const struct facts *facts, struct err *reterr)
{
    const struct facts *old = &writer->facts;
    bool in_place = same_names(old, facts);
    int r = in_place ? 0 : delete_facts(writer, reterr);
    for (size_t i = 0; r == 0 && i < facts->list.n; i++) {
        const struct fact *fact = &facts->list.at[i];
        if (!in_place || i >= old->list.n || !facts_equal(fact, &old->list.at[i])) {
            r = put_fact(writer, fact, reterr);
        }
    }
    return r;
}

static int put_accounts(struct spool_writer *writer, struct err *reterr)
{
    int r = 0;
    for (enum account i = 0; r == 0 && i < ACCOUNT_COUNT; i++) {
        if (writer->next.accounts[i] == writer->written.accounts[i]) {
            continue;
        }
        sqlite3_stmt *s = writer->statements[PUT_ACCOUNT];
        bind_bytes(s, 1, slice_of_text(account_name(i)));
        sqlite3_bind_int64(s, 2, (int64_t)writer->next.accounts[i]);
        r = run_file_step(writer->file, s, reterr);
    }
    for (size_t i = 0; r == 0 && i < STORE_EVENT_KINDS; i++) {
        if (writer->next.events[i] != writer->written.events[i]) {
            r = PUT_NUMBERS(writer, PUT_EVENT, reterr, i, writer->next.events[i]);
        }
    }
    return r;
}

static int put_run(struct spool_writer *writer, struct err *reterr)
{
    const struct store *store = writer->store;
    const struct moment *now = &writer->next;
    const uint64_t *rows = now->rows;
    return PUT_NUMBERS(writer, PUT_RUN, reterr, 1, store->started_ns, store->started_unix_ns,
                       now->last_ns, now->ended_ns, store->samples.weight_ns, store->has_switches,
                       rows[ROW_SAMPLES], rows[ROW_INTERVALS], rows[ROW_WAKEUPS],
                       rows[ROW_COUNTERS]);
}

// ---- What rows name -----------------------------------------------------------------------------

static int put_strings(struct spool_writer *writer, struct err *reterr)
{
    int r = 0;
    for (string_id i = writer->written.n_strings; r == 0 && i < writer->next.n_strings; i++) {
        sqlite3_stmt *s = writer->statements[PUT_STRING];
        sqlite3_bind_int64(s, 1, i);
        bind_bytes(s, 2, strings_get(&writer->store->strings, i));
        r = run_file_step(writer->file, s, reterr);
    }
    return r;
}

static int put_image(struct spool_writer *writer, image_id id, struct err *reterr)
{
    const struct image_row *row = store_image(writer->store, id);
    sqlite3_stmt *s = writer->statements[PUT_IMAGE];
    const uint64_t numbers[] = {row->path,    row->build_id, row->load_bias,
                                row->process, row->since_ns, writer->next.images_until_ns.at[id]};
    sqlite3_bind_int64(s, 1, id);
    bind_bytes(s, 2, slice_of_text(image_kind_word(row->kind)));
    for (int i = 0; i < (int)ARRAY_LEN(numbers); i++) {
        sqlite3_bind_int64(s, i + 3, (int64_t)numbers[i]);
    }
    return run_file_step(writer->file, s, reterr);
}

static int put_images(struct spool_writer *writer, struct err *reterr)
{
    const struct moment *old = &writer->written;
    const struct moment *now = &writer->next;
    int r = 0;
    for (image_id i = 1; r == 0 && i < now->n_images; i++) {
        if (i >= old->n_images || old->images_until_ns.at[i] != now->images_until_ns.at[i]) {
            r = put_image(writer, i, reterr);
        }
    }
    return r;
}

static bool same_process(const struct process_state *a, const struct process_state *b)
{
    return a->ended_ns == b->ended_ns && a->name == b->name && a->main_image == b->main_image;
}

static int put_processes(struct spool_writer *writer, struct err *reterr)
{
    const struct moment *old = &writer->written;
    const struct moment *now = &writer->next;
    int r = 0;
    for (process_id i = 0; r == 0 && i < now->processes.n; i++) {
        const struct process_state *state = &now->processes.at[i];
        if (i < old->processes.n && same_process(&old->processes.at[i], state)) {
            continue;
        }
        const struct process_row *row = store_process(writer->store, i);
        r = PUT_NUMBERS(writer, PUT_PROCESS, reterr, i, row->pid, row->parent_pid, row->started_ns,
                        state->ended_ns, state->name, state->main_image);
    }
    return r;
}

static bool same_thread(const struct thread_state *a, const struct thread_state *b)
{
    return a->ended_ns == b->ended_ns && a->name == b->name && a->off.since_ns == b->off.since_ns &&
           a->off.stack == b->off.stack && a->off.reason == b->off.reason &&
           a->off.flags == b->off.flags;
}

static int put_threads(struct spool_writer *writer, struct err *reterr)
{
    const struct moment *old = &writer->written;
    const struct moment *now = &writer->next;
    int r = 0;
    for (thread_id i = 0; r == 0 && i < now->threads.n; i++) {
        const struct thread_state *state = &now->threads.at[i];
        if (i < old->threads.n && same_thread(&old->threads.at[i], state)) {
            continue;
        }
        const struct thread_row *row = store_thread(writer->store, i);
        r = PUT_NUMBERS(writer, PUT_THREAD, reterr, i, row->pid, row->tid, row->process,
                        row->foreign, row->started_ns, state->ended_ns, state->name,
                        state->off.since_ns, state->off.stack, state->off.reason, state->off.flags);
    }
    return r;
}

static int put_codes(struct spool_writer *writer, struct err *reterr)
{
    const struct moment *old = &writer->written;
    const struct moment *now = &writer->next;
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < now->codes_ended_ns.n; i++) {
        uint64_t ended_ns = now->codes_ended_ns.at[i];
        if (i < old->codes_ended_ns.n && old->codes_ended_ns.at[i] == ended_ns) {
            continue;
        }
        const struct code_row *row = store_code(writer->store, i);
        r = PUT_NUMBERS(writer, PUT_CODE, reterr, i, row->process, row->addr, row->size_bytes,
                        row->index, row->loaded_ns, ended_ns, row->name, row->code);
    }
    return r;
}

// ---- Packed tables ------------------------------------------------------------------------------

static uint64_t packed_n(const struct moment *moment, size_t table)
{
    return table < ROW_TABLES       ? moment->rows[table]
           : table == PACKED_FRAMES ? moment->n_frames
                                    : moment->n_stacks;
}

// Rows [first, end) of one chunk.
static void pack(struct spool_writer *writer, size_t table, uint64_t first, uint64_t end)
{
    const struct store *store = writer->store;
    text_clear(&writer->blob);
    if (table == PACKED_FRAMES) {
        codec_put_frames(&writer->blob, stacks_get_frame(&store->stacks, (frame_id)first),
                         end - first);
    } else if (table == PACKED_STACKS) {
        codec_put_nodes(&writer->blob, stacks_get(&store->stacks, (stack_id)first), (stack_id)first,
                        end - first);
    } else {
        struct row_block block;
        store_pin(store, (enum row_table)table, first, end, &block);
        ASSERT(block.n == end - first);
        codec_put_rows(&writer->blob, &block);
        store_unpin(store, &block);
    }
}

static int put_piece(struct spool_writer *writer, size_t table, uint64_t first, uint64_t end,
                     struct err *reterr)
{
    pack(writer, table, first, end);
    sqlite3_stmt *s = writer->statements[PUT_PIECE + (int)table];
    sqlite3_bind_int64(s, 1, (int64_t)first);
    sqlite3_bind_int64(s, 2, (int64_t)(end - first));
    sqlite3_bind_blob(s, 3, writer->blob.at, (int)writer->blob.n, SQLITE_STATIC);
    writer->packed_bytes += table < ROW_TABLES ? writer->blob.n : 0;
    return run_file_step(writer->file, s, reterr);
}

// The pieces that one which ends at `end` takes in; it starts where the first of them did.
static uint64_t merge(struct pieces *pieces, uint64_t first, uint64_t end, bool all)
{
    while (pieces->n > 0) {
        uint64_t last_first = pieces->at[pieces->n - 1].first;
        if (!all && first - last_first >= 2 * (end - first)) {
            break;
        }
        first = last_first;
        pieces->n--;
    }
    return first;
}

static void note_full(struct spool_writer *writer, size_t table, uint64_t first)
{
    if (table < ROW_TABLES) {
        struct slice bytes = {(const uint8_t *)writer->blob.at, writer->blob.n};
        struct full_chunk full = {
            .table = (enum row_table)table,
            .place = {.first = first, .hash = row_reader_hash(bytes)},
        };
        vec_push(&writer->full, full);
    }
}

// From row `from`, which is the first one that is not in the file, up to `end` of the same chunk.
static int put_rows(struct spool_writer *writer, struct pieces *pieces, size_t table, uint64_t from,
                    uint64_t end, struct err *reterr)
{
    bool is_full = end % COLUMN_CHUNK_ROWS == 0;
    bool is_last = writer->next.ended_ns != 0;
    uint64_t first = merge(pieces, from, end, is_full || is_last || pieces->n == PIECES_MAX);
    int r = 0;
    if (first < from) {
        r = PUT_NUMBERS(writer, DELETE_PIECES + (int)table, reterr, first, from);
    }
    if (r == 0) {
        r = put_piece(writer, table, first, end, reterr);
    }
    if (is_full) {
        note_full(writer, table, first);
    } else {
        pieces->at[pieces->n].first = first;
        pieces->at[pieces->n++].end = end;
    }
    return r;
}

static int put_packed(struct spool_writer *writer, struct pieces *pieces, size_t table,
                      const _Atomic bool *stop, struct err *reterr)
{
    uint64_t from = packed_n(&writer->written, table);
    uint64_t n = packed_n(&writer->next, table);
    int r = 0;
    while (r == 0 && from < n) {
        if (stop != NULL && atomic_load(stop)) {
            return err_set(reterr, ECANCELED, "broken off");
        }
        uint64_t chunk_end = (from / COLUMN_CHUNK_ROWS + 1) * COLUMN_CHUNK_ROWS;
        uint64_t end = MIN(n, chunk_end);
        r = put_rows(writer, pieces, table, from, end, reterr);
        from = end;
    }
    return r;
}

// ---- What the archive knows itself --------------------------------------------------------------

static uint64_t count_waits(const struct intervals *intervals, uint64_t first, uint64_t end)
{
    uint64_t n = 0;
    while (first < end) {
        struct intervals_span span;
        intervals_pin(intervals, first, end, &span);
        for (size_t i = 0; i < span.n; i++) {
            n += (span.length[i] & INTERVAL_RUNNABLE) == 0;
        }
        first += span.n;
        intervals_unpin(intervals, &span);
    }
    return n;
}

static uint64_t count_recorded(const struct spool_writer *writer)
{
    uint64_t n = 0;
    for (thread_id i = 0; i < writer->next.threads.n; i++) {
        n += !store_thread(writer->store, i)->foreign;
    }
    return n;
}

// These are about the rows that are in the file, not about those that are there by now.
static void count_facts(struct spool_writer *writer, struct facts *facts)
{
    struct moment *next = &writer->next;
    uint64_t end_ns = next->ended_ns != 0 ? next->ended_ns : next->last_ns;
    uint64_t first = writer->written.rows[ROW_INTERVALS];
    next->n_waits = writer->written.n_waits +
                    count_waits(&writer->store->intervals, first, next->rows[ROW_INTERVALS]);
    facts_set_number(facts, "samples", next->rows[ROW_SAMPLES]);
    facts_set_number(facts, "off_cpu_intervals", next->n_waits);
    facts_set_number(facts, "threads", count_recorded(writer));
    facts_set_number(facts, "duration_ns", end_ns - MIN(end_ns, writer->store->started_ns));
}

// ---- One transaction ----------------------------------------------------------------------------

static int put_all(struct spool_writer *writer, struct pieces *pieces, const struct facts *facts,
                   const _Atomic bool *stop, struct err *reterr)
{
    typedef int put_function(struct spool_writer * writer, struct err * reterr);
    static put_function *const functions[] = {put_strings, put_images,   put_processes, put_threads,
                                              put_codes,   put_accounts, put_run};
    int r = put_facts(writer, facts, reterr);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(functions); i++) {
        r = functions[i](writer, reterr);
    }
    for (size_t i = 0; r == 0 && i < PACKED_TABLES; i++) {
        r = put_packed(writer, &pieces[i], i, stop, reterr);
    }
    return r;
}

// It is in the file.
static void adopt(struct spool_writer *writer, const struct pieces *pieces,
                  const struct facts *facts)
{
    struct moment old = writer->written;
    writer->written = writer->next;
    writer->next = old;
    memcpy(writer->pieces, pieces, sizeof writer->pieces);
    facts_fini(&writer->facts);
    facts_copy(&writer->facts, facts);
    for (size_t i = 0; writer->reader != NULL && i < writer->full.n; i++) {
        row_reader_add(writer->reader, writer->full.at[i].table, writer->full.at[i].place);
    }
}

int spool_writer_write(struct spool_writer *writer, const struct facts *facts,
                       const _Atomic bool *stop, struct err *reterr)
{
    struct pieces pieces[PACKED_TABLES];
    memcpy(pieces, writer->pieces, sizeof pieces);
    uint64_t packed_bytes = writer->packed_bytes;
    vec_clear(&writer->full);
    moment_take(&writer->next, writer->store, writer->written.last_ns);
    if (writer->is_whole && writer->next.ended_ns == 0) {
        writer->next.ended_ns = writer->next.last_ns;
    }
    CLEANUP(facts_fini) struct facts counted;
    facts_copy(&counted, facts);
    count_facts(writer, &counted);
    int r = run_file_begin(writer->file, reterr);
    if (r == 0) {
        r = put_all(writer, pieces, &counted, stop, reterr);
    }
    if (r == 0) {
        r = run_file_commit(writer->file, reterr);
    }
    if (r < 0) {
        run_file_rollback(writer->file);
        writer->packed_bytes = packed_bytes;
        return r;
    }
    adopt(writer, pieces, &counted);
    return 0;
}

uint64_t spool_writer_rows(const struct spool_writer *writer)
{
    uint64_t n = 0;
    for (size_t i = 0; i < ROW_TABLES; i++) {
        n += writer->written.rows[i];
    }
    return n;
}

uint64_t spool_writer_bytes_to_come(const struct spool_writer *writer)
{
    uint64_t rows = spool_writer_rows(writer);
    uint64_t to_come = 0;
    for (enum row_table i = 0; i < ROW_TABLES; i++) {
        to_come += store_rows(writer->store, i) - writer->written.rows[i];
    }
    uint64_t row_bytes = rows > 0 ? writer->packed_bytes / rows + 1 : 8;
    return to_come * row_bytes;
}

#include "code/listing_tables.h"

#include "archive/names_file.h"
#include "image/code_bytes.h"

struct table_reader {
    image_id image;
    uint64_t bias;
    struct code_bytes *code; // NULL: not to be had
    struct run_file file;
    bool has_file;
};

static bool read_table(void *context, uint64_t addr, uint64_t end, struct text *to)
{
    struct table_reader *reader = context;
    struct err ignored = {0};
    addr -= reader->bias;
    end -= reader->bias;
    return (reader->code != NULL && code_bytes_read(reader->code, addr, end, to) == 0) ||
           (reader->has_file &&
            names_file_code(&reader->file, reader->image, addr, end, to, &ignored) == 0);
}

static void reader_open(struct table_reader *reader, const struct listing *listing,
                        const struct listing_run *run)
{
    const struct image_row *row = store_image(run->store, listing->wish.image);
    struct err ignored = {0};
    *reader = (struct table_reader){.image = listing->wish.image, .bias = listing->wish.bias};
    if (!run->library->is_saved &&
        code_bytes_open(library_at(run->library, row->library), &reader->code, &ignored) == 0) {
        return;
    }
    reader->code = NULL;
    reader->has_file = run->names_path != NULL &&
                       names_file_open(run->names_path, run->store, &reader->file, &ignored) == 0;
}

static void reader_close(struct table_reader *reader)
{
    code_bytes_close(reader->code);
    if (reader->has_file) {
        run_file_close(&reader->file);
    }
}

void listing_add_tables(struct listing *listing, const struct listing_run *run)
{
    uint32_t n = listing->parts.n == 0 ? 0 : listing->parts.at[0].n;
    if (n == 0 || !image_row_is_binary(store_image(run->store, listing->wish.image))) {
        return;
    }
    struct table_reader reader;
    struct instruction *instructions = NEW_ARRAY(struct instruction, n);
    for (uint32_t i = 0; i < n; i++) {
        instructions[i] = listing->lines.at[i].instruction;
    }
    struct slice bytes = {listing->bytes.at, listing->bytes.n};
    reader_open(&reader, listing, run);
    jump_tables_find(listing->wish.arch, instructions, n, bytes, read_table, &reader,
                     &listing->tables);
    reader_close(&reader);
    free(instructions);
}

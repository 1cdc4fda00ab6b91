#include "cli/format.h"

#include "base/clock.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

// ---- Numbers -----------------------------------------------------------------------------------

void format_count(struct text *to, uint64_t n)
{
    if (n >= 1000) {
        format_count(to, n / 1000);
        text_addf(to, ",%03u", (unsigned)(n % 1000));
    } else {
        text_addf(to, "%u", (unsigned)n);
    }
}

void format_ms(struct text *to, uint64_t ns)
{
    uint64_t tenths = ns / (NS_PER_MS / 10) + (ns % (NS_PER_MS / 10) >= NS_PER_MS / 20);
    format_count(to, tenths / 10);
    text_addf(to, ".%u", (unsigned)(tenths % 10));
}

void format_percent(struct text *to, double part, double of)
{
    if (of > 0) {
        text_addf(to, "%.1f", 100 * part / of);
    } else {
        text_add(to, "-");
    }
}

void format_duration(struct text *to, uint64_t ns)
{
    uint64_t s = ns / NS_PER_S;
    if (s < 1) {
        text_addf(to, "%u ms", (unsigned)(ns / NS_PER_MS));
    } else if (s < 60) {
        text_addf(to, "%u.%u s", (unsigned)s, (unsigned)(ns % NS_PER_S / (NS_PER_S / 10)));
    } else if (s < 3600) {
        text_addf(to, "%u min %02u s", (unsigned)(s / 60), (unsigned)(s % 60));
    } else {
        format_count(to, s / 3600);
        text_addf(to, " h %02u min", (unsigned)(s / 60 % 60));
    }
}

void format_bytes(struct text *to, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < ARRAY_LEN(units)) {
        value /= 1024;
        unit++;
    }
    text_addf(to, "%.*f %s", unit == 0 ? 0 : 1, value, units[unit]);
}

void format_things(struct text *to, uint64_t n, const char *one, const char *many)
{
    format_count(to, n);
    text_addf(to, " %s", n == 1 ? one : many);
}

size_t format_width(const char *text)
{
    size_t width = 0;
    for (; *text != 0; text++) {
        width += ((uint8_t)*text & 0xc0) != 0x80;
    }
    return width;
}

void format_cut(struct text *text, size_t width)
{
    if (width == 0 || format_width(text_get(text)) <= width) {
        return;
    }
    size_t kept = 0;
    size_t at = 0;
    while (kept + 1 < width || ((uint8_t)text->at[at] & 0xc0) == 0x80) {
        at++;
        kept += ((uint8_t)text->at[at] & 0xc0) != 0x80;
    }
    text->n = at;
    text_add(text, "…");
}

// ---- The terminal ------------------------------------------------------------------------------

bool format_is_terminal(int fd)
{
    return isatty(fd) == 1;
}

bool format_has_colour(int fd)
{
    const char *no = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    bool wanted = (no == NULL || no[0] == 0) && term != NULL && strcmp(term, "dumb") != 0;
    return wanted && format_is_terminal(fd);
}

size_t format_terminal_width(int fd)
{
    struct winsize size;
    if (!format_is_terminal(fd) || ioctl(fd, TIOCGWINSZ, &size) < 0) {
        return 0;
    }
    return size.ws_col;
}

// ---- Tables ------------------------------------------------------------------------------------

enum { GAP = 2, NARROWEST = 8, WIDEST = 60 };

void table_init(struct table *table, const struct column *columns, size_t n_columns)
{
    *table = (struct table){.columns = columns, .n_columns = n_columns};
}

void table_fini(struct table *table)
{
    for (size_t i = 0; i < table->cells.n; i++) {
        free(table->cells.at[i]);
    }
    vec_fini(&table->cells);
}

void table_add(struct table *table, struct text *cell)
{
    vec_push(&table->cells, text_take(cell));
}

void table_add_count(struct table *table, uint64_t n)
{
    struct text cell = {0};
    format_count(&cell, n);
    table_add(table, &cell);
}

void table_add_ms(struct table *table, uint64_t ns)
{
    struct text cell = {0};
    format_ms(&cell, ns);
    table_add(table, &cell);
}

void table_add_percent(struct table *table, double part, double of)
{
    struct text cell = {0};
    format_percent(&cell, part, of);
    table_add(table, &cell);
}

void table_add_name(struct table *table, const char *untrusted)
{
    struct text cell = {0};
    text_add_escaped(&cell, untrusted, strlen(untrusted));
    table_add(table, &cell);
}

static size_t column_width(const struct table *table, size_t column)
{
    size_t width = format_width(table->columns[column].title);
    for (size_t i = column; i < table->cells.n; i += table->n_columns) {
        width = MAX(width, format_width(table->cells.at[i]));
    }
    return width;
}

// Takes from the flexible columns, widest first, what is too much for the line.
static void fit(const struct table *table, size_t *widths, size_t width)
{
    size_t total = (table->n_columns - 1) * GAP;
    for (size_t i = 0; i < table->n_columns; i++) {
        total += widths[i];
    }
    while (width > 0 && total > width) {
        size_t widest = table->n_columns;
        for (size_t i = 0; i < table->n_columns; i++) {
            bool better = widest == table->n_columns || widths[i] > widths[widest];
            widest = table->columns[i].flexible && better ? i : widest;
        }
        if (widest == table->n_columns || widths[widest] <= NARROWEST) {
            return;
        }
        widths[widest]--;
        total--;
    }
}

static void put_cell(const struct table *table, size_t column, const char *text, size_t width,
                     bool cut, struct text *to)
{
    CLEANUP(text_fini) struct text cell = {0};
    text_add(&cell, text);
    if (cut) {
        format_cut(&cell, width);
    }
    size_t pad = width - MIN(width, format_width(text_get(&cell)));
    bool left = table->columns[column].left;
    bool last = column + 1 == table->n_columns;
    text_addf(to, "%*s%s%*s", left ? 0 : (int)pad, "", text_get(&cell),
              left && !last ? (int)pad : 0, "");
    while (last && to->n > 0 && to->at[to->n - 1] == ' ') {
        to->n--; // an empty last cell leaves no blanks behind
    }
    text_add(to, last ? "\n" : "  ");
}

void table_put(const struct table *table, struct text *to, size_t width, bool colour)
{
    size_t *widths = NEW_ARRAY(size_t, table->n_columns);
    for (size_t i = 0; i < table->n_columns; i++) {
        widths[i] = column_width(table, i);
        if (width == 0 && table->columns[i].flexible) {
            widths[i] = MIN(widths[i], (size_t)WIDEST); // what is longer sticks out, alone
        }
    }
    fit(table, widths, width);
    bool cut = width > 0;
    text_add(to, colour ? "\x1b[1m" : "");
    for (size_t i = 0; i < table->n_columns; i++) {
        put_cell(table, i, table->columns[i].title, widths[i], cut, to);
    }
    text_add(to, colour ? "\x1b[0m" : "");
    for (size_t i = 0; i < table->cells.n; i++) {
        size_t column = i % table->n_columns;
        put_cell(table, column, table->cells.at[i], widths[column], cut, to);
    }
    free(widths);
}

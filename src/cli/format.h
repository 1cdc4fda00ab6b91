#pragma once

// How the CLI shows things to people and agents: numbers, durations, tables. Fixed columns; colour
// only on a terminal (and never with NO_COLOR); nothing is cut but on a terminal, and then with a
// visible `…`.

#include "base/text.h"
#include "base/vec.h"

#include <stdbool.h>

void format_count(struct text *to, uint64_t n);               // 10,021
void format_ms(struct text *to, uint64_t ns);                 // 1,234.5 (milliseconds)
void format_percent(struct text *to, double part, double of); // 12.3 %; of 0: -
void format_duration(struct text *to, uint64_t ns);           // 850 ms, 12.3 s, 3 min 05 s
void format_bytes(struct text *to, uint64_t bytes);           // 1.5 MiB

// "1 sample", "2 samples": `many` is the plural.
void format_things(struct text *to, uint64_t n, const char *one, const char *many);

// How many columns of a terminal `text` takes: one per character.
size_t format_width(const char *text);

// Cuts `text` to `width` columns, the last one a `…`; 0: leaves it whole.
void format_cut(struct text *text, size_t width);

// ---- The terminal ------------------------------------------------------------------------------

bool format_is_terminal(int fd);
bool format_has_colour(int fd);

// Columns of the terminal behind `fd`; 0 when it is not one.
size_t format_terminal_width(int fd);

// ---- Tables ------------------------------------------------------------------------------------

struct column {
    const char *title;
    bool left;     // aligned to the left: text
    bool flexible; // cut when the line would not fit
};

// Cells are added row by row. `columns` is borrowed.
struct table {
    const struct column *columns;
    size_t n_columns;
    VEC(char *) cells;
};

void table_init(struct table *table, const struct column *columns, size_t n_columns);
void table_fini(struct table *table);

// Moves the text out of `cell`, leaving it empty.
void table_add(struct table *table, struct text *cell);
void table_add_count(struct table *table, uint64_t n);
void table_add_ms(struct table *table, uint64_t ns);
void table_add_percent(struct table *table, double part, double of);
void table_add_name(struct table *table, const char *untrusted);

// With the titles first. `width` 0: as wide as it gets.
void table_put(const struct table *table, struct text *to, size_t width, bool colour);

// Any bytes give the line table of a unit, sorted and within them, or none; and end.

#include "base/limits.h"
#include "image/line_program.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_sequence(const struct line_table *table, const struct line_sequence *sequence)
{
    ASSERT(sequence->start != 0 && sequence->start < sequence->end && sequence->n > 0);
    ASSERT(sequence->first + sequence->n <= table->steps.n);
    const struct line_step *steps = table->steps.at + sequence->first;
    ASSERT(steps[0].addr <= sequence->start);
    for (uint32_t i = 1; i < sequence->n; i++) {
        ASSERT(steps[i - 1].addr <= steps[i].addr && steps[i].addr <= sequence->end);
    }
    ASSERT(line_table_sequence(table, sequence->start) == sequence);
    ASSERT(line_table_sequence(table, sequence->end - 1) == sequence);
    uint32_t row = line_table_row(table, sequence, sequence->end - 1);
    ASSERT(row >= sequence->first && row < sequence->first + sequence->n);
}

static void check(const struct line_table *table)
{
    for (size_t i = 0; i < table->sequences.n; i++) {
        check_sequence(table, &table->sequences.at[i]);
        ASSERT(i == 0 || table->sequences.at[i - 1].end <= table->sequences.at[i].start);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = {.data = data, .n = size};
    struct line_sections sections = {.line = bytes, .line_str = bytes, .str = bytes};
    struct line_program program;
    uint64_t budget = 1 << 20;
    if (!line_program_parse(&sections, 0, &budget, &program)) {
        return 0;
    }
    struct line_table table;
    line_program_run(&program, &budget, &table);
    ASSERT(program.files.n <= LIMIT_LINE_FILES && table.steps.n <= size);
    check(&table);
    line_table_fini(&table);
    line_program_fini(&program);
    return 0;
}

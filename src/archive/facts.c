#include "archive/facts.h"

#include "base/limits.h"

#include <stdlib.h>

static void fact_fini(struct fact *fact)
{
    free(fact->name);
    free(fact->text);
}

void facts_clear(struct facts *facts)
{
    for (size_t i = 0; i < facts->list.n; i++) {
        fact_fini(&facts->list.at[i]);
    }
    vec_clear(&facts->list);
}

void facts_fini(struct facts *facts)
{
    facts_clear(facts);
    vec_fini(&facts->list);
}

static char *copy_text(const char *text)
{
    return alloc_text(text, strnlen(text, LIMIT_FACT_BYTES));
}

void facts_copy(struct facts *ret, const struct facts *facts)
{
    *ret = (struct facts){0};
    for (size_t i = 0; i < facts->list.n; i++) {
        const struct fact *fact = &facts->list.at[i];
        struct fact copy = {.name = copy_text(fact->name),
                            .is_number = fact->is_number,
                            .number = fact->number,
                            .text = fact->text == NULL ? NULL : copy_text(fact->text)};
        vec_push(&ret->list, copy);
    }
}

static struct fact *find(const struct facts *facts, const char *name)
{
    for (size_t i = 0; i < facts->list.n; i++) {
        if (strcmp(facts->list.at[i].name, name) == 0) {
            return &facts->list.at[i];
        }
    }
    return NULL;
}

// Takes over the value's text.
static void set(struct facts *facts, const char *name, struct fact value)
{
    struct fact *known = find(facts, name);
    if (known != NULL) {
        free(known->text);
        value.name = known->name;
        *known = value;
    } else if (facts->list.n < LIMIT_FACTS) {
        value.name = copy_text(name);
        vec_push(&facts->list, value);
    } else {
        free(value.text);
    }
}

void facts_set_number(struct facts *facts, const char *name, uint64_t number)
{
    set(facts, name, (struct fact){.is_number = true, .number = number});
}

void facts_set_text(struct facts *facts, const char *name, const char *text)
{
    set(facts, name, (struct fact){.text = copy_text(text)});
}

uint64_t facts_number(const struct facts *facts, const char *name, uint64_t when_absent)
{
    const struct fact *fact = find(facts, name);
    return fact != NULL && fact->is_number ? fact->number : when_absent;
}

const char *facts_text(const struct facts *facts, const char *name, const char *when_absent)
{
    const struct fact *fact = find(facts, name);
    return fact != NULL && !fact->is_number ? fact->text : when_absent;
}

bool facts_equal(const struct fact *a, const struct fact *b)
{
    return strcmp(a->name, b->name) == 0 && a->is_number == b->is_number &&
           (a->is_number ? a->number == b->number : strcmp(a->text, b->text) == 0);
}

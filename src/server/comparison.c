#include "server/comparison.h"

#include "base/clock.h"

// How long names are waited for, and how often they are looked for meanwhile.
enum { NAMES_MS = 10000, NAMES_AGAIN_MS = 20 };

static struct comparison *comparison_new(const struct question_runs *runs)
{
    struct comparison *comparison = NEW(struct comparison);
    comparison->n = runs->all.n;
    comparison->sides = NEW_ARRAY(struct compare_side, runs->all.n);
    for (size_t i = 0; i < runs->all.n; i++) {
        compare_side_init(&comparison->sides[i], runs->all.at[i]->store, runs->by, runs->mode);
    }
    return comparison;
}

void comparison_free(struct comparison *comparison)
{
    if (comparison == NULL) {
        return;
    }
    for (size_t i = 0; i < comparison->n; i++) {
        compare_side_fini(&comparison->sides[i]);
    }
    free(comparison->sides);
    free(comparison);
}

static bool names_are_settled(struct analysis *const *analyses, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!analysis_names_are_settled(analyses[i]) ||
            !analysis_inlined_are_settled(analyses[i])) {
            return false;
        }
    }
    return true;
}

static bool waits_for_names(struct question *question, struct analysis *const *analyses)
{
    struct comparison *comparison = question->comparison;
    uint64_t now_ns = clock_now_ns();
    if (comparison->give_up_ns == 0) {
        comparison->give_up_ns = now_ns + (uint64_t)NAMES_MS * NS_PER_MS;
    }
    question->waiting = now_ns < comparison->give_up_ns &&
                        !names_are_settled(analyses, comparison->n);
    question->waits_until_ns = now_ns + NAMES_AGAIN_MS * NS_PER_MS;
    return question->waiting;
}

enum comparison_step comparison_advance(struct question *question, struct analysis *const *analyses,
                                        uint64_t max_rows, bool patient)
{
    if (question->comparison == NULL) {
        question->comparison = comparison_new(&question->runs);
    }
    struct comparison *comparison = question->comparison;
    bool done = true;
    max_rows = MAX(max_rows / comparison->n, UINT64_C(1)); // a slice is for all of them together
    // First the rows, then the names: so these cover what was counted.
    for (size_t i = 0; i < comparison->n; i++) {
        done = compare_side_advance(&comparison->sides[i], max_rows) && done;
        if (comparison->sides[i].full) {
            return COMPARISON_TOO_LARGE;
        }
    }
    for (size_t i = 0; i < comparison->n; i++) {
        done = analysis_advance(analyses[i], &analyses[i]->everything, false, max_rows) && done;
    }
    if (!done) {
        return COMPARISON_MORE;
    }
    question->waiting = false;
    if (patient && waits_for_names(question, analyses)) {
        return COMPARISON_WAITS;
    }
    return COMPARISON_READY;
}

#include "server/analysis.h"

#include "base/clock.h"
#include "server/code_question.h"

#include <stdlib.h>

static void kept_fini(struct kept_view *kept)
{
    fold_fini(&kept->fold);
    if (kept->wakers != NULL) {
        wakers_fini(kept->wakers);
        free(TAKE(kept->wakers));
    }
    timeline_free(TAKE(kept->timeline));
}

struct analysis *analysis_new(struct run *run, void (*on_inlined)(void *context), void *context)
{
    struct analysis *analysis = NEW(struct analysis);
    struct view all = {0};
    analysis->run = run;
    names_init(&analysis->names, run->store, run->library);
    analysis->names.inlined.on_answer = on_inlined;
    analysis->names.inlined.context = context;
    calltree_init(&analysis->trees[0], &analysis->names);
    analysis->tree = &analysis->trees[0];
    reasons_init(&analysis->reasons, &analysis->names);
    fold_init(&analysis->everything.fold, &all);
    analysis->listings = NEW(struct listings);
    return analysis;
}

void analysis_free(struct analysis *analysis)
{
    if (analysis == NULL) {
        return;
    }
    for (size_t i = 0; i < ANALYSIS_VIEWS; i++) {
        if (analysis->kept[i] != NULL) {
            kept_fini(analysis->kept[i]);
            free(analysis->kept[i]);
        }
    }
    listings_fini(analysis->listings);
    free(analysis->listings);
    kept_fini(&analysis->everything);
    reasons_fini(&analysis->reasons);
    calltree_fini(&analysis->trees[0]);
    calltree_fini(&analysis->trees[1]);
    names_fini(&analysis->names);
    free(analysis);
}

// A free place, or the one whose view was not asked for the longest. NULL: all in use.
static struct kept_view **place_for_new(struct analysis *analysis)
{
    struct kept_view **best = NULL;
    for (size_t i = 0; i < ANALYSIS_VIEWS; i++) {
        struct kept_view **place = &analysis->kept[i];
        if (*place == NULL) {
            return place;
        }
        if ((*place)->n_users == 0 && (best == NULL || (*place)->last_used < (*best)->last_used)) {
            best = place;
        }
    }
    return best;
}

static struct kept_view *find_kept(struct analysis *analysis, const struct view *view)
{
    for (size_t i = 0; i < ANALYSIS_VIEWS; i++) {
        struct kept_view *kept = analysis->kept[i];
        if (kept != NULL && view_equal(&kept->fold.view, view)) {
            return kept;
        }
    }
    return NULL;
}

static void forget_moment(struct kept_view *kept)
{
    memset(kept->caught_up_ns, 0, sizeof kept->caught_up_ns);
}

struct kept_view *analysis_borrow(struct analysis *analysis, struct view *view)
{
    if (view_is_everything(view)) {
        return &analysis->everything;
    }
    struct kept_view *kept = find_kept(analysis, view);
    if (kept == NULL) {
        struct kept_view **place = place_for_new(analysis);
        if (place == NULL) {
            return NULL;
        }
        if (*place != NULL) {
            kept_fini(*place);
        } else {
            *place = NEW(struct kept_view);
        }
        kept = *place;
        fold_init(&kept->fold, view);
        forget_moment(kept);
    }
    kept->n_users++;
    kept->last_used = ++analysis->uses;
    return kept;
}

void analysis_release(struct analysis *analysis, struct kept_view *kept)
{
    if (kept != &analysis->everything) {
        ASSERT(kept->n_users > 0);
        kept->n_users--;
    }
}

void analysis_want(struct kept_view *kept, enum question_kind kind)
{
    struct view copy;
    if (kind == QUESTION_WAKERS && kept->wakers == NULL) {
        view_copy(&copy, &kept->fold.view);
        kept->wakers = NEW(struct wakers);
        forget_moment(kept);
        wakers_init(kept->wakers, &copy);
    }
    bool is_timeline = kind == QUESTION_TIMELINE || kind == QUESTION_LIVE_TIMELINE;
    if (is_timeline && kept->timeline == NULL) {
        view_copy(&copy, &kept->fold.view);
        kept->timeline = timeline_new(&copy);
        forget_moment(kept);
    }
}

static void choose_tree(struct analysis *analysis, bool physical)
{
    analysis->tree = &analysis->trees[physical];
    if (analysis->tree->names == NULL) {
        calltree_init_physical(analysis->tree, &analysis->names);
    }
}

bool analysis_advance(struct analysis *analysis, struct kept_view *kept, bool physical,
                      uint64_t max_rows)
{
    const struct store *store = analysis->run->store;
    const struct names *names = &analysis->names;
    choose_tree(analysis, physical);
    calltree_refresh(analysis->tree);
    bool caught_up = fold_advance(&kept->fold, store, names, max_rows);
    if (kept->wakers != NULL) {
        caught_up = wakers_advance(kept->wakers, store, &analysis->reasons, max_rows) && caught_up;
    }
    if (kept->timeline != NULL) {
        caught_up = timeline_advance(kept->timeline, store, names, &analysis->reasons, max_rows) &&
                    caught_up;
    }
    if (!caught_up) {
        return false;
    }
    fold_settle(&kept->fold, store, names);
    // Stacks that came with the last rows. When names came too, what a view excludes is another.
    if (calltree_refresh(analysis->tree)) {
        return false;
    }
    kept->caught_up_ns[physical] = clock_now_ns();
    return true;
}

bool analysis_is_recent(struct analysis *analysis, const struct kept_view *kept, bool physical)
{
    uint64_t caught_up_ns = kept->caught_up_ns[physical];
    choose_tree(analysis, physical);
    return caught_up_ns != 0 &&
           clock_now_ns() < caught_up_ns + (uint64_t)ANALYSIS_RECENT_MS * NS_PER_MS;
}

// Whether the answer changes by time alone: stays off the CPU that are not over grow.
static bool grows_by_itself(const struct question *question)
{
    switch (question->kind) {
    case QUESTION_TOP:
    case QUESTION_LIVE_TOP:
        return question->params.top.mode != MODE_ON_CPU;
    case QUESTION_FLAME:
    case QUESTION_NEIGHBORS:
    case QUESTION_LIVE_TREE:
        return question->params.flame.mode != MODE_ON_CPU;
    case QUESTION_THREADS:
    case QUESTION_INTERVALS:
    case QUESTION_TIMELINE:
    case QUESTION_LIVE_TIMELINE:
    case QUESTION_NOW:
        return true;
    case QUESTION_TOTAL:
    case QUESTION_WAKERS:
    case QUESTION_ANNOTATED: // but for waits below its calls, which come along with samples
    case QUESTION_CFG:
    case QUESTION_COMPARE:
    case QUESTION_REPORT:
    case QUESTION_SYMBOL:
    case QUESTION_EXPORT:
    case QUESTION_FORGET:
    case QUESTION_WAKE:
        return false;
    }
    ASSERT(false);
    return false;
}

// From what the fold has seen, not from what is published by now: that is for the next answer.
uint64_t analysis_revision(const struct analysis *analysis, const struct question *question)
{
    const struct store *store = analysis->run->store;
    const struct fold *fold = &question->kept->fold;
    uint64_t revision = fold->n_samples + 1;
    revision = hash_pair(revision, analysis->names.version);
    revision = hash_pair(revision, analysis->names.inlined.version);
    revision = hash_pair(revision, fold->intervals_cursor);
    revision = hash_pair(revision, atomic_load(&store->threads.n));
    if (question->kind == QUESTION_WAKERS || question->kind == QUESTION_THREADS) {
        revision = hash_pair(revision, fold->wakeups_cursor);
    }
    if (grows_by_itself(question)) {
        struct view_window window = view_window(&fold->view, store);
        revision = hash_pair(revision, MIN(fold->horizon_ns, window.end_ns));
    }
    if (question->code != NULL) {
        revision = hash_pair(revision, code_work_revision(question->code));
    }
    return hash_pair(revision, run_is_active(analysis->run));
}

bool analysis_names_are_settled(const struct analysis *analysis)
{
    const struct store *store = analysis->run->store;
    uint32_t n = atomic_load_explicit(&store->images.n, memory_order_acquire);
    for (image_id i = 1; i < n; i++) {
        const struct image_row *row = store_image(store, i);
        if (!image_row_is_binary(row)) {
            continue;
        }
        const struct image *image = library_at(analysis->run->library, row->library);
        if (atomic_load_explicit(&image->state, memory_order_acquire) == IMAGE_QUEUED) {
            return false;
        }
    }
    return true;
}

bool analysis_inlined_are_settled(const struct analysis *analysis)
{
    return analysis->names.inlined.n_under_way == 0;
}

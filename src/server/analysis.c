#include "server/analysis.h"

#include <stdlib.h>

struct analysis *analysis_new(struct run *run)
{
    struct analysis *analysis = NEW(struct analysis);
    struct view all = {0};
    analysis->run = run;
    names_init(&analysis->names, run->store, run->library);
    calltree_init(&analysis->tree, &analysis->names);
    fold_init(&analysis->everything, &all);
    return analysis;
}

void analysis_free(struct analysis *analysis)
{
    if (analysis == NULL) {
        return;
    }
    for (size_t i = 0; i < ANALYSIS_FOLDS; i++) {
        if (analysis->kept[i] != NULL) {
            fold_fini(&analysis->kept[i]->fold);
            free(analysis->kept[i]);
        }
    }
    fold_fini(&analysis->everything);
    calltree_fini(&analysis->tree);
    names_fini(&analysis->names);
    free(analysis);
}

// A free place, or the one whose view was not asked for the longest. NULL: all in use.
static struct kept_fold **place_for_new(struct analysis *analysis)
{
    struct kept_fold **best = NULL;
    for (size_t i = 0; i < ANALYSIS_FOLDS; i++) {
        struct kept_fold **place = &analysis->kept[i];
        if (*place == NULL) {
            return place;
        }
        if ((*place)->n_users == 0 && (best == NULL || (*place)->last_used < (*best)->last_used)) {
            best = place;
        }
    }
    return best;
}

struct fold *analysis_borrow(struct analysis *analysis, struct view *view)
{
    if (view_is_everything(view)) {
        return &analysis->everything;
    }
    struct kept_fold *kept = NULL;
    for (size_t i = 0; i < ANALYSIS_FOLDS && kept == NULL; i++) {
        if (analysis->kept[i] != NULL && view_equal(&analysis->kept[i]->fold.view, view)) {
            kept = analysis->kept[i];
        }
    }
    if (kept == NULL) {
        struct kept_fold **place = place_for_new(analysis);
        if (place == NULL) {
            return NULL;
        }
        if (*place != NULL) {
            fold_fini(&(*place)->fold);
        } else {
            *place = NEW(struct kept_fold);
        }
        kept = *place;
        fold_init(&kept->fold, view);
    }
    kept->n_users++;
    kept->last_used = ++analysis->uses;
    return &kept->fold;
}

void analysis_release(struct analysis *analysis, struct fold *fold)
{
    if (fold != &analysis->everything) {
        struct kept_fold *kept = CONTAINER_OF(fold, struct kept_fold, fold);
        ASSERT(kept->n_users > 0);
        kept->n_users--;
    }
}

bool analysis_advance(struct analysis *analysis, struct fold *fold, uint64_t max_rows)
{
    calltree_refresh(&analysis->tree);
    bool caught_up = fold_advance(fold, analysis->run->store, &analysis->names, max_rows);
    if (caught_up) {
        calltree_refresh(&analysis->tree); // stacks that came with the last rows
    }
    return caught_up;
}

uint64_t analysis_revision(const struct analysis *analysis, const struct fold *fold)
{
    const struct store *store = analysis->run->store;
    uint64_t revision = fold->n_samples + 1;
    revision = hash_pair(revision, analysis->names.version);
    revision = hash_pair(revision, atomic_load(&store->intervals.n));
    revision = hash_pair(revision, atomic_load(&store->threads.n));
    return hash_pair(revision, run_is_active(analysis->run));
}

bool analysis_names_are_settled(const struct analysis *analysis)
{
    const struct store *store = analysis->run->store;
    uint32_t n = atomic_load_explicit(&store->images.n, memory_order_acquire);
    for (image_id i = 1; i < n; i++) {
        const struct image *image = library_at(analysis->run->library,
                                               store_image(store, i)->library);
        if (atomic_load_explicit(&image->state, memory_order_acquire) == IMAGE_QUEUED) {
            return false;
        }
    }
    return true;
}

#include "query/answers.h"
#include "query/select.h"

static int compare_reports(const void *a, const void *b, void *context)
{
    (void)context;
    const struct image_report *x = a;
    const struct image_report *y = b;
    if (x->leaf_samples != y->leaf_samples) {
        return x->leaf_samples > y->leaf_samples ? -1 : 1;
    }
    return x->image < y->image ? -1 : x->image > y->image;
}

// Fills in the counts by image_id.
static void count_leaves(struct image_reports *reports, const struct calltree *tree,
                         const struct fold *fold)
{
    for (size_t i = 0; i < fold->running.at.n; i++) {
        stack_id stack = places_stack(&fold->running, i);
        const struct function *leaf = stack < tree->of_stack.n
                                          ? calltree_function(tree, tree->of_stack.at[stack])
                                          : NULL;
        if (leaf == NULL) {
            continue;
        }
        vec_grow_zeroed(&reports->images, (size_t)leaf->image + 1);
        struct image_report *report = &reports->images.at[leaf->image];
        uint64_t n = fold->running.n.at[i];
        report->leaf_samples += n;
        report->unresolved_samples += leaf->resolved ? 0 : n;
    }
}

static void describe_library_image(struct image_report *report, const struct image *image)
{
    int state = atomic_load_explicit(&image->state, memory_order_acquire);
    bool done = state == IMAGE_READY || state == IMAGE_FAILED;
    report->state = state == IMAGE_READY ? "ready" : state == IMAGE_FAILED ? "failed" : "loading";
    report->note = done ? image_note(image) : "";
    report->symbols = image_symbol_count(image);
}

static void describe(struct image_report *report, const struct names *names,
                     const struct store *store, image_id id)
{
    const struct image_row *row = store_image(store, id);
    report->image = id;
    report->path = strings_get(&store->strings, row->path);
    report->build_id = strings_get(&store->strings, row->build_id);
    report->state = "anonymous";
    report->note = "";
    const char *inline_note = names->images.at[id].inline_note;
    report->inline_note = inline_note == NULL ? "" : inline_note;
    if (id == 0) {
        report->path = slice_of_text("[unknown]");
        report->note = "nothing was mapped there";
    } else if (row->kind == IMAGE_ROW_NAMED || row->kind == IMAGE_ROW_TRUNCATED) {
        report->state = "ready"; // its frames are names
    } else if (image_row_is_binary(row)) {
        if (row->library < atomic_load_explicit(&names->library->n, memory_order_acquire)) {
            describe_library_image(report, library_at(names->library, row->library));
        } else {
            report->state = "failed";
            report->note = "too many binaries";
        }
    }
}

// A binary where threads were only seen to wait, or to be called from, is worth a line, too.
static bool is_listed(const struct image_report *report, const struct names *names,
                      const struct store *store, image_id id)
{
    return report->leaf_samples > 0 ||
           (names->images.at[id].met && image_row_is_binary(store_image(store, id)));
}

void image_reports_make(struct image_reports *ret, const struct calltree *tree,
                        const struct fold *fold, const struct store *store)
{
    *ret = (struct image_reports){0};
    count_leaves(ret, tree, fold);
    if (tree->names->images.n > 0) {
        vec_grow_zeroed(&ret->images, tree->names->images.n);
    }
    size_t n = 0;
    for (image_id id = 0; id < ret->images.n; id++) {
        if (is_listed(&ret->images.at[id], tree->names, store, id)) {
            describe(&ret->images.at[id], tree->names, store, id);
            ret->images.at[n++] = ret->images.at[id];
        }
    }
    ret->images.n = n;
    select_first(ret->images.at, n, sizeof *ret->images.at, n, compare_reports, NULL);
}

void image_reports_fini(struct image_reports *reports)
{
    vec_fini(&reports->images);
}

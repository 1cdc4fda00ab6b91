#include "run/stack_builder.h"

#include "base/limits.h"

// The kernel's addresses mean the same in every process. Address spaces count their versions
// from 1.
static const uint64_t KERNEL_VERSION = UINT64_MAX >> 1;

void stack_builder_init(struct stack_builder *builder, struct store *store, struct library *library)
{
    builder->store = store;
    builder->library = library;
    builder->kernel_image = IMAGE_NONE;
    builder->truncated_image = IMAGE_NONE;
    unwinder_init(&builder->unwinder, store, library);
}

void stack_builder_fini(struct stack_builder *builder)
{
    unwinder_fini(&builder->unwinder);
    map_fini(&builder->markers);
    vec_fini(&builder->short_tids);
}

void stack_builder_meet_image(struct stack_builder *builder, image_id image)
{
    const struct image_row *row = store_image(builder->store, image);
    bool unwinds = builder->unwinds || builder->unwinder.counts.n_walks > 0;
    if (unwinds && (row->kind == IMAGE_ROW_FILE || row->kind == IMAGE_ROW_VDSO)) {
        library_want_cfi(builder->library, row->library);
    }
}

void stack_builder_name_kernel(struct stack_builder *builder, struct slice path)
{
    builder->kernel_path = strings_add(&builder->store->strings, path);
}

static image_id kernel_image(struct stack_builder *b)
{
    if (b->kernel_image == IMAGE_NONE) {
        struct slice other = strings_get(&b->store->strings, b->kernel_path);
        struct image_identity identity = {
            .kind = IMAGE_KERNEL,
            .path = b->kernel_path != 0 ? other : slice_of_text(IMAGE_OWN_KERNEL)};
        struct image_row row = {
            .kind = IMAGE_ROW_KERNEL,
            .path = strings_add(&b->store->strings, identity.path),
            .library = library_get(b->library, &identity, NULL),
        };
        b->kernel_image = store_add_image(b->store, &row);
    }
    return b->kernel_image;
}

// ---- Stacks that lack callers ------------------------------------------------------------------

static image_id truncated_image(struct stack_builder *b)
{
    if (b->truncated_image == IMAGE_NONE) {
        string_id path = strings_add(&b->store->strings, slice_of_text("[truncated]"));
        b->truncated_image = store_add_image(
            b->store,
            &(struct image_row){.kind = IMAGE_ROW_TRUNCATED, .path = path, .library = UINT32_MAX});
    }
    return b->truncated_image;
}

// The marker frame that such a stack begins with. STACK_ROOT when the run is full.
static stack_id find_marker(struct stack_builder *b, const struct unwound *unwound)
{
    uint64_t off = truncation_off(unwound->why, unwound->image);
    stack_id marker = map_find(&b->markers, off);
    if (marker != MAP_NONE) {
        return marker;
    }
    struct frame_row frame = {.off = off, .image = truncated_image(b)};
    if (frame.image == IMAGE_NONE) {
        return STACK_ROOT;
    }
    bool cut = false;
    marker = stacks_push(&b->store->stacks, STACK_ROOT, stacks_frame(&b->store->stacks, &frame),
                         &cut);
    map_set(&b->markers, off, marker);
    return marker;
}

// A backend that can will copy more of this thread's stack.
static void note_short_copy(struct stack_builder *b, uint32_t tid)
{
    for (size_t i = 0; i < b->short_tids.n; i++) {
        if (b->short_tids.at[i] == tid) {
            return;
        }
    }
    if (b->short_tids.n < LIMIT_DEEP_THREADS) {
        vec_push(&b->short_tids, tid);
    }
}

// ---- Frames ------------------------------------------------------------------------------------

// The frame at `addr`. What nothing is mapped at becomes a frame of image 0, and is counted.
static struct frame_row resolve(struct stack_builder *b, const struct process *process,
                                uint64_t addr, bool leaf)
{
    if (process == NULL) {
        return (struct frame_row){.off = addr, .image = kernel_image(b), .leaf = leaf};
    }
    const struct mapping *mapping = space_find(&process->space, addr);
    if (mapping == NULL) {
        return (struct frame_row){.off = addr, .image = 0, .leaf = leaf};
    }
    return (struct frame_row){
        .off = addr - mapping->start + mapping->off, .image = mapping->image, .leaf = leaf};
}

// The slow way of one step outwards-in: taken once for each call site.
static stack_id push_frame(struct stack_builder *b, const struct process *process, stack_id caller,
                           uint64_t addr, bool leaf)
{
    struct frame_row frame = resolve(b, process, addr, leaf);
    if (frame.image != 0) {
        const struct image_row *image = store_image(b->store, frame.image);
        library_want(b->library, image->library);
        b->met_anonymous |= image->kind == IMAGE_ROW_ANONYMOUS;
    }
    uint32_t n_frames = atomic_load_explicit(&b->store->stacks.n_frames, memory_order_relaxed);
    frame_id id = stacks_frame(&b->store->stacks, &frame);
    if (frame.image == 0 && id >= n_frames) { // not again when a step was forgotten
        store_count(b->store, ACCOUNT_PLACES_UNMAPPED, 1);
    }
    bool cut = false;
    stack_id stack = stacks_push(&b->store->stacks, caller, id, &cut);
    if (cut) {
        store_count(b->store, ACCOUNT_STACKS_CUT, 1);
    }
    return stack;
}

// One step inwards. `addr` lies in the frame itself; `process` NULL: in the kernel.
static inline stack_id step(struct stack_builder *b, const struct process *process,
                            struct edge *edge, stack_id stack, uint64_t addr, bool leaf)
{
    uint64_t version = process == NULL ? KERNEL_VERSION : process->space.version;
    uint64_t key = version * 2 + leaf;
    if (edge->addr != addr || edge->caller != stack || edge->version != key) {
        stack_id pushed = push_frame(b, process, stack, addr, leaf);
        *edge = (struct edge){.addr = addr, .version = key, .caller = stack, .stack = pushed};
        b->edges.n_missed++;
    }
    return edge->stack;
}

// A stack on its way inwards: where it has come to, and the hash of that way.
struct way {
    stack_id stack;
    uint64_t hash;
};

// The call that will return to `return_addr` ends just before it.
static inline uint64_t call_addr(uint64_t return_addr)
{
    return return_addr - 1;
}

// Takes addrs[first] down to addrs[0]: all calls but the last, which is the leaf. Writes the calls
// down in `walk` (may be NULL), the next of which is number `n_walked`.
static struct way push_part(struct stack_builder *b, const struct process *process, struct way way,
                            const uint64_t *addrs, uint32_t first, struct walk *walk,
                            uint32_t n_walked)
{
    struct edge *edges[LIMIT_STACK_DEPTH];
    uint64_t hashes[LIMIT_STACK_DEPTH];
    for (uint32_t i = first + 1; i-- > 0;) {
        way.hash = edges_hash(way.hash, i == 0 ? addrs[0] : call_addr(addrs[i]), i == 0);
        hashes[i] = way.hash;
        edges[i] = edges_slot(&b->edges, way.hash);
        __builtin_prefetch(edges[i]);
    }
    for (uint32_t i = first; i > 0; i--) {
        uint64_t addr = call_addr(addrs[i]);
        way.stack = step(b, process, edges[i], way.stack, addr, false);
        if (walk != NULL && n_walked < WALK_DEPTH) {
            walk->addrs[n_walked] = addr;
            walk->hashes[n_walked] = hashes[i];
            walk->stacks[n_walked++] = way.stack;
        }
    }
    way.stack = step(b, process, edges[0], way.stack, addrs[0], true);
    return way;
}

// `root` is what the outermost call stands below: STACK_ROOT, or a marker.
static struct way push_user(struct stack_builder *b, const struct process *process, uint32_t tid,
                            stack_id root, const uint64_t *addrs, uint32_t n)
{
    struct walk *walk = edges_walk(&b->edges, tid, process->space.version, root);
    uint32_t n_calls = n - 1;
    uint32_t same = 0; // calls, from the outermost
    while (same < walk->n && same < n_calls &&
           walk->addrs[same] == call_addr(addrs[n_calls - same])) {
        same++;
    }
    struct way way = {.stack = root, .hash = edges_start(process->space.version, root)};
    if (same > 0) {
        way = (struct way){.stack = walk->stacks[same - 1], .hash = walk->hashes[same - 1]};
    }
    walk->n = MIN(n_calls, (uint32_t)WALK_DEPTH);
    return push_part(b, process, way, addrs, n_calls - same, walk, same);
}

struct built_stack stack_builder_push(struct stack_builder *builder, const struct process *process,
                                      uint32_t tid, const struct event_stack *stack, bool copied)
{
    struct unwound user = unwinder_walk(&builder->unwinder, process, stack, copied);
    builder->met_anonymous = false;
    uint32_t n_kernel = MIN(stack->n_kernel, (uint32_t)LIMIT_STACK_DEPTH);
    struct way way = {.stack = STACK_ROOT};
    if (user.n > 0) {
        user.image = jit_process_home(&process->jit, builder->store, user.image);
        stack_id root = user.is_truncated ? find_marker(builder, &user) : STACK_ROOT;
        way = push_user(builder, process, tid, root, user.addrs, user.n);
    }
    if (user.is_truncated && user.why == TRUNCATED_COPY_TOO_SHORT) {
        note_short_copy(builder, tid);
    }
    if (n_kernel > 0) {
        way = push_part(builder, NULL, way, stack->kernel, n_kernel - 1, NULL, 0);
    }
    return (struct built_stack){
        .stack = way.stack,
        .n_frames = user.n + n_kernel,
        .is_truncated = user.is_truncated,
        .is_in_anonymous = builder->met_anonymous,
    };
}

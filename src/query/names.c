#include "query/names.h"

#include "base/text.h"
#include "image/demangle.h"

#include <inttypes.h>

// Where a frame lies, as far as its image's table knows.
struct place {
    const struct symbol *symbol; // NULL: not resolved
    uint64_t key;
    uint64_t addr;
    bool in_file; // `file_addr` is where it is in the file's own addresses
    uint64_t file_addr;
};

void names_init(struct names *names, const struct store *store, struct library *library)
{
    *names = (struct names){.store = store, .library = library, .version = 1};
}

void names_fini(struct names *names)
{
    inlined_fini(&names->inlined);
    for (size_t i = 0; i < names->functions.n; i++) {
        free(names->functions.at[i].name);
    }
    for (size_t i = 0; i < names->images.n; i++) {
        free(names->images.at[i].inline_note);
    }
    for (size_t i = 0; i < names->modules.n; i++) {
        free(names->modules.at[i]);
    }
    vec_fini(&names->modules);
    vec_fini(&names->images);
    map_fini(&names->kernel_by_name);
    map_fini(&names->inlined_by_name);
    map_fini(&names->by_symbol);
    jit_names_fini(&names->jit);
    map_fini(&names->jit_by_name);
    map_fini(&names->home_of_process);
    vec_fini(&names->jit_frames);
    vec_fini(&names->of_frame);
    vec_fini(&names->functions);
}

// ---- Images ------------------------------------------------------------------------------------

// What the library knows of an image; NULL for memory without a file.
static struct image *library_image(const struct names *names, image_id image)
{
    const struct image_row *row = store_image(names->store, image);
    uint32_t n = atomic_load_explicit(&names->library->n, memory_order_acquire);
    if (!image_row_is_binary(row) || row->library >= n) {
        return NULL;
    }
    return library_at(names->library, row->library);
}

static const struct symtab *current_table(const struct names *names, image_id image)
{
    const struct image *known = library_image(names, image);
    return known == NULL ? NULL : image_symtab(known);
}

const struct symtab *names_symtab(const struct names *names, image_id image)
{
    bool met = image < names->images.n && names->images.at[image].met;
    return met ? names->images.at[image].symtab : current_table(names, image);
}

static struct names_image *meet_image(struct names *names, image_id image)
{
    vec_grow_zeroed(&names->images, (size_t)image + 1);
    struct names_image *known = &names->images.at[image];
    if (!known->met) {
        known->met = true;
        known->symtab = current_table(names, image);
        const struct image *asked = library_image(names, image);
        if (asked != NULL && atomic_load(&asked->state) == IMAGE_NEW) {
            library_want(names->library, store_image(names->store, image)->library);
        }
    }
    return known;
}

static const char *intern_module(struct names *names, const char *module)
{
    size_t n = strlen(module);
    for (size_t i = 0; i < names->modules.n; i++) {
        const char *known = names->modules.at[i];
        if (strncmp(known + 1, module, n) == 0 && strcmp(known + 1 + n, "]") == 0) {
            return known;
        }
    }
    struct text text = {0};
    text_addf(&text, "[%s]", module);
    vec_push(&names->modules, text_take(&text));
    return *vec_last(&names->modules);
}

static const char *path_of(const struct names *names, const struct image_row *row)
{
    return (const char *)strings_get(&names->store->strings, row->path).data;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *last = slash == NULL || slash[1] == 0 ? path : slash + 1;
    return *last == 0 ? "[unknown]" : last;
}

static const char *binary_of(struct names *names, image_id image, const struct symbol *symbol)
{
    const struct image_row *row = store_image(names->store, image);
    switch (row->kind) {
    case IMAGE_ROW_FILE:
        return last_part(path_of(names, row));
    case IMAGE_ROW_VDSO:
        return "[vdso]";
    case IMAGE_ROW_NAMED:
        return "[kernel]";
    case IMAGE_ROW_KERNEL:
        return symbol != NULL && symbol->module != NULL ? intern_module(names, symbol->module)
                                                        : "[kernel]";
    case IMAGE_ROW_TRUNCATED:
        return "[truncated]";
    case IMAGE_ROW_ANONYMOUS:
        break;
    }
    return image == 0 ? "[unknown]" : "[anon]";
}

// ---- Functions ---------------------------------------------------------------------------------

// What stands in the place of the callers that a stack lacks. `image` is the code it ended in.
static char *truncation_text(struct names *names, enum truncation truncation, image_id image)
{
    static const char *const texts[] = {
        [TRUNCATED_NO_UNWIND_INFO] = "no unwinding information in %s",
        [TRUNCATED_COPY_TOO_SHORT] = "the stack is longer than what was copied of it",
        [TRUNCATED_UNREADABLE] = "callers of %s are on another stack",
        [TRUNCATED_BAD_UNWIND_INFO] = "bad unwinding information in %s",
        [TRUNCATED_LOST] = "%s returns to where no code is",
        [TRUNCATED_TOO_DEEP] = "more frames than are kept",
        [TRUNCATED_NOT_LOADED] = "unwinding information of %s was still being read",
        [TRUNCATED_NOT_COPIED] = "too many waits to copy each one's stack",
    };
    uint32_t n_images = atomic_load_explicit(&names->store->images.n, memory_order_acquire);
    const char *binary = image < n_images ? binary_of(names, image, NULL) : "[unknown]";
    struct text text = {0};
    text_add(&text, "[truncated: ");
    for (const char *at = texts[truncation]; *at != 0; at++) {
        if (at[0] == '%') {
            text_add(&text, binary);
            at++;
        } else {
            text_add_char(&text, *at);
        }
    }
    text_add(&text, "]");
    return text_take(&text);
}

static void make_truncation(struct names *names, uint64_t off, struct function *function)
{
    uint64_t truncation = MIN(off >> 32, (uint64_t)TRUNCATION_COUNT - 1);
    function->is_truncation = true;
    function->truncation = (enum truncation)truncation;
    function->name = truncation_text(names, function->truncation, (image_id)off);
}

// What its frames are called does not depend on a table of symbols.
static bool tells_its_name(const struct image_row *row)
{
    return row->kind == IMAGE_ROW_NAMED || row->kind == IMAGE_ROW_TRUNCATED;
}

static char *place_name(const char *binary, uint64_t number)
{
    struct text text = {0};
    text_addf(&text, "%s+0x%" PRIx64, binary, number);
    return text_take(&text);
}

static function_id make_function(struct names *names, image_id image, const struct place *place)
{
    const struct image_row *row = store_image(names->store, image);
    bool named = row->kind == IMAGE_ROW_NAMED;
    struct function function = {
        .binary = binary_of(names, image, place->symbol),
        .addr = place->addr,
        .key = place->key,
        .lang = SYMBOL_UNKNOWN,
        .resolved = place->symbol != NULL || tells_its_name(row),
        .is_main = names->images.at[image].is_main,
        .is_kernel = row->kind == IMAGE_ROW_KERNEL || named,
        .image = image,
    };
    function.binary_path = row->kind == IMAGE_ROW_FILE ? path_of(names, row) : function.binary;
    if (row->kind == IMAGE_ROW_TRUNCATED) {
        make_truncation(names, place->key, &function);
    } else if (named) {
        struct slice name = strings_get(&names->store->strings, (string_id)place->key);
        function.name = alloc_text((const char *)name.data, name.n);
    } else {
        function.name = function.resolved ? demangle(place->symbol->name, &function.lang)
                                          : place_name(function.binary, place->key);
    }
    vec_push(&names->functions, function);
    return (function_id)(names->functions.n - 1);
}

struct function names_describe(struct names *names, image_id image, const struct symbol *symbol,
                               uint64_t bias)
{
    const struct image_row *row = store_image(names->store, image);
    struct function function = {
        .binary = binary_of(names, image, symbol),
        .addr = symbol->addr + bias,
        .key = symbol->addr,
        .resolved = true,
        .is_main = image < names->images.n && names->images.at[image].is_main,
        .is_kernel = row->kind == IMAGE_ROW_KERNEL,
        .image = image,
    };
    function.binary_path = row->kind == IMAGE_ROW_FILE ? path_of(names, row) : function.binary;
    function.name = demangle(symbol->name, &function.lang);
    return function;
}

static bool is_named(const struct names *names, image_id image)
{
    return store_image(names->store, image)->kind == IMAGE_ROW_NAMED;
}

// A kernel function that is known by its name alone (IMAGE_ROW_NAMED) and one that is known by its
// address are the same if the name is. The last function made may be such a twin of one that is in
// use: then it is taken back, and the other one's id is returned.
static function_id find_twin(struct names *names, function_id id)
{
    struct function *function = &names->functions.at[id];
    if (!function->is_kernel || !function->resolved) {
        return id;
    }
    uint64_t hash = hash_bytes(function->name, strlen(function->name));
    size_t cursor = 0;
    uint32_t known;
    while ((known = map_find_from(&names->kernel_by_name, hash, &cursor)) != MAP_NONE) {
        struct function *twin = &names->functions.at[known];
        bool in_use = known >= names->images.at[twin->image].first_function;
        bool other_kind = is_named(names, twin->image) != is_named(names, function->image);
        if (in_use && other_kind && strcmp(twin->name, function->name) == 0 &&
            strcmp(twin->binary, function->binary) == 0) {
            twin->addr = MAX(twin->addr, function->addr);
            free(vec_pop(&names->functions).name);
            return known;
        }
    }
    map_add(&names->kernel_by_name, hash, id);
    return id;
}

static function_id function_at(struct names *names, image_id image, const struct place *place)
{
    bool resolved = place->symbol != NULL || tells_its_name(store_image(names->store, image));
    function_id first = names->images.at[image].first_function;
    uint64_t hash = hash_pair(place->key, (uint64_t)image << 1 | resolved);
    size_t cursor = 0;
    uint32_t id;
    while ((id = map_find_from(&names->by_symbol, hash, &cursor)) != MAP_NONE) {
        const struct function *function = &names->functions.at[id];
        // The address of a named one is that of its twin, if it has one.
        bool same_addr = function->addr == place->addr || is_named(names, image);
        if (id >= first && function->image == image && function->key == place->key && same_addr &&
            function->resolved == resolved) {
            return id;
        }
    }
    id = make_function(names, image, place);
    function_id twin = find_twin(names, id);
    if (twin == id) {
        map_add(&names->by_symbol, hash, id);
    }
    return twin;
}

// ---- Inlined functions --------------------------------------------------------------------------

// A name as in the source says nothing of its language, but the compiler did.
static char *inlined_name(const struct inline_function *inlined, enum symbol_lang *ret_lang)
{
    if (!inlined->is_linkage_name) {
        *ret_lang = inlined->lang;
        return alloc_text(inlined->name, strlen(inlined->name));
    }
    char *name = demangle(inlined->name, ret_lang);
    if (inlined->lang != SYMBOL_UNKNOWN) {
        *ret_lang = inlined->lang;
    }
    return name;
}

function_id names_inlined_function(struct names *names, image_id image,
                                   const struct inline_function *inlined)
{
    enum symbol_lang lang = SYMBOL_UNKNOWN;
    char *name = inlined_name(inlined, &lang);
    function_id first = names->images.at[image].first_function;
    uint64_t hash = hash_pair(hash_bytes(name, strlen(name)), image);
    size_t cursor = 0;
    uint32_t id;
    while ((id = map_find_from(&names->inlined_by_name, hash, &cursor)) != MAP_NONE) {
        const struct function *function = &names->functions.at[id];
        if (id >= first && function->image == image && strcmp(function->name, name) == 0) {
            free(name);
            return id;
        }
    }
    struct function function = {
        .name = name,
        .binary = binary_of(names, image, NULL),
        .binary_path = path_of(names, store_image(names->store, image)),
        .lang = lang,
        .resolved = true,
        .is_main = names->images.at[image].is_main,
        .inlined = true,
        .image = image,
    };
    vec_push(&names->functions, function);
    id = (function_id)(names->functions.n - 1);
    map_add(&names->inlined_by_name, hash, id);
    return id;
}

void names_note_inlined(struct names *names, image_id image, const char *note)
{
    free(names->images.at[image].inline_note);
    names->images.at[image].inline_note = alloc_text(note, strlen(note));
}

// ---- Frames -------------------------------------------------------------------------------------

static struct place find_place(const struct symtab *symtab, const struct image_row *row,
                               uint64_t off)
{
    // Otherwise the offset is no place in code.
    struct place place = {.key = off, .addr = tells_its_name(row) ? 0 : off + row->load_bias};
    uint64_t symbol_addr; // in the file, not in the process
    if (symtab == NULL || !symtab_addr_of_off(symtab, off, &symbol_addr)) {
        return place;
    }
    place.in_file = true;
    place.file_addr = symbol_addr;
    place.key = symbol_addr;
    place.symbol = symtab_find(symtab, symbol_addr);
    if (place.symbol != NULL) {
        place.key = place.symbol->addr;
        place.addr -= symbol_addr - place.symbol->addr;
    }
    return place;
}

// ---- Code of JITs ------------------------------------------------------------------------------

static bool is_anonymous(const struct names *names, image_id image)
{
    return image != 0 && store_image(names->store, image)->kind == IMAGE_ROW_ANONYMOUS;
}

// The epochs of a process have an image each; for people they are one, the first one met.
static image_id home_of(struct names *names, image_id image)
{
    process_id process = store_image(names->store, image)->process;
    image_id home = map_find(&names->home_of_process, process);
    if (home == MAP_NONE) {
        map_set(&names->home_of_process, process, image);
        return image;
    }
    return home;
}

static function_id make_jit_function(struct names *names, image_id image, string_id name)
{
    struct slice text = strings_get(&names->store->strings, name);
    struct function function = {
        .name = alloc_text((const char *)text.data, text.n),
        .binary = "[jit]",
        .binary_path = "[jit]",
        .key = name,
        .lang = SYMBOL_UNKNOWN,
        .resolved = true,
        .image = image,
    };
    vec_push(&names->functions, function);
    return (function_id)(names->functions.n - 1);
}

static uint64_t jit_key(const struct code_row *row)
{
    return (uint64_t)row->process << 32 | row->name;
}

function_id names_of_code(const struct names *names, uint32_t code)
{
    return map_find(&names->jit_by_name, jit_key(store_code(names->store, code)));
}

// The function of that name in that process. Its address is that of its newest version.
static function_id jit_function(struct names *names, image_id home, uint32_t code)
{
    const struct code_row *row = store_code(names->store, code);
    function_id id = names_of_code(names, code);
    if (id == MAP_NONE) {
        id = make_jit_function(names, home, row->name);
        map_set(&names->jit_by_name, jit_key(row), id);
    }
    struct function *function = &names->functions.at[id];
    if (row->loaded_ns >= function->loaded_ns) {
        function->loaded_ns = row->loaded_ns;
        function->addr = row->addr;
    }
    return id;
}

static function_id resolve_anonymous(struct names *names, const struct frame_row *frame)
{
    const struct image_row *row = store_image(names->store, frame->image);
    uint64_t until_ns = atomic_load_explicit(&row->until_ns, memory_order_acquire);
    image_id home = home_of(names, frame->image);
    meet_image(names, frame->image);
    uint32_t code = jit_names_find(&names->jit, names->store, row->process, frame->off,
                                   row->since_ns, until_ns);
    if (code != CODE_NONE) {
        return jit_function(names, home, code);
    }
    return function_at(names, home, &(struct place){.key = frame->off, .addr = frame->off});
}

static function_id resolve(struct names *names, frame_id frame)
{
    const struct frame_row *row = stacks_get_frame(&names->store->stacks, frame);
    if (is_anonymous(names, row->image)) {
        return resolve_anonymous(names, row);
    }
    struct names_image *image = meet_image(names, row->image);
    struct place place = find_place(image->symtab, store_image(names->store, row->image), row->off);
    image->n_frames++;
    function_id function = function_at(names, row->image, &place);
    image->n_unresolved += !names->functions.at[function].resolved;
    if (place.in_file) {
        inlined_want(names, frame, row->image, place.file_addr);
    }
    return function;
}

// ---- What is new -------------------------------------------------------------------------------

// Marks the images whose table is another one than before. True when frames depend on one.
static bool mark_stale_images(struct names *names)
{
    bool any = false;
    bool kernel = false;
    for (size_t i = 0; i < names->images.n; i++) {
        struct names_image *image = &names->images.at[i];
        const struct symtab *now = image->met ? current_table(names, (image_id)i) : NULL;
        if (!image->met || now == image->symtab) {
            continue;
        }
        image->symtab = now;
        image->first_function = (function_id)names->functions.n;
        image->stale = image->n_frames > 0;
        image->n_frames = 0;
        image->n_unresolved = 0;
        any = any || image->stale;
        kernel = kernel || store_image(names->store, (image_id)i)->kind == IMAGE_ROW_KERNEL;
    }
    for (size_t i = 0; i < names->images.n && kernel; i++) { // they may have twins there
        names->images.at[i].stale |= names->images.at[i].met && is_named(names, (image_id)i);
    }
    return any;
}

static bool notice_tables(struct names *names)
{
    uint64_t generation = atomic_load_explicit(&names->library->generation, memory_order_acquire);
    if (generation == names->seen_generation) {
        return false;
    }
    names->seen_generation = generation;
    if (!mark_stale_images(names)) {
        return false;
    }
    for (frame_id frame = 0; frame < names->of_frame.n; frame++) {
        image_id image = stacks_get_frame(&names->store->stacks, frame)->image;
        if (names->images.at[image].stale) {
            names->of_frame.at[frame] = resolve(names, frame);
        }
    }
    for (size_t i = 0; i < names->images.n; i++) {
        names->images.at[i].stale = false;
    }
    names->version++;
    return true;
}

// Code has become known: frames of its time and of later ones may have another name now.
static bool notice_codes(struct names *names)
{
    if (!jit_names_refresh(&names->jit, names->store)) {
        return false;
    }
    bool changed = false;
    for (size_t i = 0; i < names->jit_frames.n; i++) {
        frame_id frame = names->jit_frames.at[i];
        const struct frame_row *row = stacks_get_frame(&names->store->stacks, frame);
        const struct image_row *image = store_image(names->store, row->image);
        if (!jit_names_is_touched(&names->jit, image->process, row->off,
                                  atomic_load(&image->until_ns))) {
            continue;
        }
        function_id function = resolve(names, frame);
        changed |= function != names->of_frame.at[frame];
        names->of_frame.at[frame] = function;
    }
    names->version += changed;
    return changed;
}

static void set_main_image(struct names *names, image_id image)
{
    vec_grow_zeroed(&names->images, (size_t)image + 1);
    if (names->images.at[image].is_main) {
        return;
    }
    names->images.at[image].is_main = true;
    for (size_t i = 0; i < names->functions.n; i++) {
        names->functions.at[i].is_main |= names->functions.at[i].image == image;
    }
}

// After an exec another image is the program; what was one stays one.
static void notice_main_images(struct names *names)
{
    uint32_t n = atomic_load_explicit(&names->store->processes.n, memory_order_acquire);
    for (process_id i = 0; i < n; i++) {
        image_id image = atomic_load(&store_process(names->store, i)->main_image);
        if (image != IMAGE_NONE) {
            set_main_image(names, image);
        }
    }
}

bool names_refresh(struct names *names, uint32_t n_frames)
{
    bool changed = notice_tables(names);
    changed |= notice_codes(names);
    notice_main_images(names);
    vec_reserve(&names->of_frame, n_frames);
    while (names->of_frame.n < n_frames) {
        frame_id frame = (frame_id)names->of_frame.n;
        if (is_anonymous(names, stacks_get_frame(&names->store->stacks, frame)->image)) {
            vec_push(&names->jit_frames, frame);
        }
        vec_push(&names->of_frame, resolve(names, frame));
    }
    inlined_refresh(names);
    return changed;
}

function_id names_of_frame(const struct names *names, frame_id frame)
{
    ASSERT(frame < names->of_frame.n);
    return names->of_frame.at[frame];
}

struct inlined_list names_inlined_at(const struct names *names, frame_id frame)
{
    ASSERT(frame < names->of_frame.n);
    return inlined_of_frame(&names->inlined, frame);
}

function_id names_innermost(const struct names *names, frame_id frame)
{
    struct inlined_list inlined = names_inlined_at(names, frame);
    return inlined.n > 0 ? inlined.at[inlined.n - 1] : names_of_frame(names, frame);
}

const struct function *names_function(const struct names *names, function_id function)
{
    ASSERT(function < names->functions.n);
    return &names->functions.at[function];
}

static bool is_shown_as(const char *name, const char *shown)
{
    size_t same = 0;
    while (name[same] != 0 && name[same] == shown[same]) {
        same++;
    }
    if (name[same] == shown[same]) {
        return true;
    }
    if (shown[same] != '\\' || (uint8_t)name[same] < 0x80) {
        return false; // nearly always
    }
    CLEANUP(text_fini) struct text text = {0};
    text_add_utf8(&text, name, strlen(name));
    return strcmp(text_get(&text), shown) == 0;
}

bool function_is(const struct function *function, const char *name, const char *binary)
{
    return is_shown_as(function->name, name) &&
           (binary == NULL || is_shown_as(function->binary, binary));
}

int function_compare(const struct function *a, const struct function *b)
{
    int order = strcmp(a->name, b->name);
    order = order != 0 ? order : strcmp(a->binary, b->binary);
    if (order != 0) {
        return order;
    }
    if (a->addr != b->addr) {
        return a->addr < b->addr ? -1 : 1;
    }
    return a < b ? -1 : a > b; // they lie in one array
}

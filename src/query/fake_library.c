#include "query/fake_library.h"

#include "image/demangle.h"

enum { FAKE_IMAGES = 64 };

// What stands in the place of the real worker.
struct inliner {
    struct queue asked;
};

void fake_library_init(struct library *library)
{
    *library = (struct library){.inliner = NEW(struct inliner)};
    queue_init(&library->inliner->asked);
    library->images = alloc_zeroed(FAKE_IMAGES, sizeof *library->images);
}

void fake_library_fini(struct library *library)
{
    for (uint32_t i = 0; i < library->n; i++) {
        symtab_free(atomic_load(&library->images[i]->symtab));
        free(library->images[i]);
    }
    free((void *)library->images);
    for (struct inline_batch *batch; (batch = fake_library_asked(library)) != NULL;) {
        inline_batch_free(batch);
    }
    queue_fini(&library->inliner->asked);
    free(library->inliner);
}

uint32_t fake_library_add(struct library *library, enum image_kind kind)
{
    uint32_t id = library->n;
    ASSERT(id < FAKE_IMAGES);
    struct image *image = NEW(struct image);
    image->id = id;
    image->kind = kind;
    library->images[id] = image;
    library->n++;
    return id;
}

void fake_library_publish(struct library *library, uint32_t id, struct symtab *symtab)
{
    atomic_store(&library->images[id]->symtab, symtab);
    atomic_store(&library->images[id]->state, IMAGE_READY);
    library->generation++;
}

void fake_library_fail(struct library *library, uint32_t id, const char *note)
{
    err_set(&library->images[id]->note, 1, "%s", note);
    atomic_store(&library->images[id]->state, IMAGE_FAILED);
    library->generation++;
}

void fake_library_add_dwarf(struct library *library, uint32_t id)
{
    library->images[id]->has_dwarf = true;
}

struct inline_batch *fake_library_asked(struct library *library)
{
    return queue_try_pop(&library->inliner->asked);
}

// ---- What the real ones would be ---------------------------------------------------------------

void library_want(struct library *library, uint32_t id)
{
    int expected = IMAGE_NEW;
    atomic_compare_exchange_strong(&library->images[id]->state, &expected, IMAGE_QUEUED);
}

void library_want_inlines(struct library *library, struct inline_batch *batch)
{
    queue_push(&library->inliner->asked, batch);
}

struct image *library_at(const struct library *library, uint32_t id)
{
    return library->images[id];
}

const struct symtab *image_symtab(const struct image *image)
{
    return atomic_load_explicit(&image->symtab, memory_order_acquire);
}

// Names that begin with `_Z` lose it and are C++.
char *demangle(const char *name, enum symbol_lang *ret_lang)
{
    bool mangled = strncmp(name, "_Z", 2) == 0;
    *ret_lang = mangled ? SYMBOL_CPP : SYMBOL_C;
    const char *plain = mangled ? name + 2 : name;
    return alloc_text(plain, strlen(plain));
}

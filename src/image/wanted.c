#include "image/wanted.h"

#include "image/library.h"

void wanted_init(struct wanted *wanted)
{
    *wanted = (struct wanted){0};
    ASSERT(pthread_mutex_init(&wanted->lock, NULL) == 0);
    ASSERT(pthread_cond_init(&wanted->filled, NULL) == 0);
}

void wanted_fini(struct wanted *wanted)
{
    for (size_t i = 0; i < wanted->jobs.n; i++) {
        free(wanted->jobs.at[i].debug_file);
    }
    vec_fini(&wanted->jobs);
    pthread_cond_destroy(&wanted->filled);
    pthread_mutex_destroy(&wanted->lock);
}

void wanted_push(struct wanted *wanted, struct image *image, char *debug_file)
{
    pthread_mutex_lock(&wanted->lock);
    vec_push(&wanted->jobs, (struct wanted_job){.image = image, .debug_file = debug_file});
    pthread_cond_signal(&wanted->filled);
    pthread_mutex_unlock(&wanted->lock);
}

// There is one, under the lock.
static size_t find_hottest(const struct wanted *wanted)
{
    size_t hottest = 0;
    uint64_t most = 0;
    for (size_t i = 0; i < wanted->jobs.n; i++) {
        const struct image *image = wanted->jobs.at[i].image;
        bool awaited = atomic_load_explicit(&image->awaited, memory_order_relaxed);
        uint64_t heat = awaited ? UINT64_MAX
                                : atomic_load_explicit(&image->heat, memory_order_relaxed);
        if (heat > most) {
            most = heat;
            hottest = i;
        }
    }
    return hottest;
}

bool wanted_pop(struct wanted *wanted, struct wanted_job *ret)
{
    pthread_mutex_lock(&wanted->lock);
    while (wanted->jobs.n == 0 && !wanted->closed) {
        pthread_cond_wait(&wanted->filled, &wanted->lock);
    }
    bool is_open = !wanted->closed;
    if (is_open) {
        size_t hottest = find_hottest(wanted);
        *ret = wanted->jobs.at[hottest];
        vec_remove_at(&wanted->jobs, hottest);
    }
    pthread_mutex_unlock(&wanted->lock);
    return is_open;
}

void wanted_close(struct wanted *wanted)
{
    pthread_mutex_lock(&wanted->lock);
    wanted->closed = true;
    pthread_cond_broadcast(&wanted->filled);
    pthread_mutex_unlock(&wanted->lock);
}

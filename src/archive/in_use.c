#include "archive/in_use.h"

#include "base/vec.h"

#include <pthread.h>
#include <unistd.h>

struct entry {
    struct file_id file;
    unsigned n_handles;
    VEC(int) to_close;
};

// The locks are the process's, and so is this.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static VEC(struct entry) entries;

static size_t find(struct file_id file)
{
    for (size_t i = 0; i < entries.n; i++) {
        const struct file_id *known = &entries.at[i].file;
        if (known->device == file.device && known->inode == file.inode) {
            return i;
        }
    }
    return entries.n;
}

void in_use_add(struct file_id file)
{
    pthread_mutex_lock(&lock);
    size_t i = find(file);
    if (i == entries.n) {
        vec_push(&entries, (struct entry){.file = file});
    }
    entries.at[i].n_handles++;
    pthread_mutex_unlock(&lock);
}

static void forget(size_t i)
{
    struct entry entry = entries.at[i];
    vec_remove_at(&entries, i);
    for (size_t k = 0; k < entry.to_close.n; k++) {
        close(entry.to_close.at[k]);
    }
    vec_fini(&entry.to_close);
    if (entries.n == 0) {
        vec_fini(&entries);
    }
}

void in_use_remove(struct file_id file)
{
    pthread_mutex_lock(&lock);
    size_t i = find(file);
    ASSERT(i < entries.n);
    if (--entries.at[i].n_handles == 0) {
        forget(i);
    }
    pthread_mutex_unlock(&lock);
}

void in_use_close(struct file_id file, int fd)
{
    pthread_mutex_lock(&lock);
    size_t i = find(file);
    if (i < entries.n) {
        vec_push(&entries.at[i].to_close, fd);
    } else {
        close(fd);
    }
    pthread_mutex_unlock(&lock);
}

#include "image/inline_batch.h"

struct inline_mailbox *inline_mailbox_new(void (*on_answer)(void *context), void *context)
{
    struct inline_mailbox *mailbox = NEW(struct inline_mailbox);
    queue_init(&mailbox->answered);
    ASSERT(pthread_mutex_init(&mailbox->lock, NULL) == 0);
    mailbox->on_answer = on_answer;
    mailbox->context = context;
    atomic_init(&mailbox->n_refs, 1);
    return mailbox;
}

static void unref(struct inline_mailbox *mailbox)
{
    if (atomic_fetch_sub(&mailbox->n_refs, 1) > 1) {
        return;
    }
    for (struct inline_batch *batch; (batch = queue_try_pop(&mailbox->answered)) != NULL;) {
        vec_fini(&batch->at); // which holds no reference any more
        free(batch);
    }
    queue_fini(&mailbox->answered);
    pthread_mutex_destroy(&mailbox->lock);
    free(mailbox);
}

void inline_mailbox_close(struct inline_mailbox *mailbox)
{
    if (mailbox != NULL) {
        pthread_mutex_lock(&mailbox->lock);
        atomic_store(&mailbox->closed, true);
        pthread_mutex_unlock(&mailbox->lock);
        unref(mailbox);
    }
}

struct inline_batch *inline_batch_new(struct image *image, struct inline_mailbox *mailbox)
{
    struct inline_batch *batch = NEW(struct inline_batch);
    batch->image = image;
    batch->mailbox = mailbox;
    atomic_fetch_add(&mailbox->n_refs, 1);
    return batch;
}

void inline_batch_free(struct inline_batch *batch)
{
    if (batch != NULL) {
        if (batch->mailbox != NULL) {
            unref(batch->mailbox);
        }
        vec_fini(&batch->at);
        free(batch);
    }
}

struct inline_batch *inline_mailbox_take(struct inline_mailbox *mailbox)
{
    return queue_try_pop(&mailbox->answered);
}

void inline_mailbox_put(struct inline_batch *batch)
{
    struct inline_mailbox *mailbox = TAKE(batch->mailbox);
    pthread_mutex_lock(&mailbox->lock);
    if (atomic_load(&mailbox->closed)) {
        inline_batch_free(batch);
    } else {
        queue_push(&mailbox->answered, batch);
        if (mailbox->on_answer != NULL) {
            mailbox->on_answer(mailbox->context);
        }
    }
    pthread_mutex_unlock(&mailbox->lock);
    unref(mailbox);
}

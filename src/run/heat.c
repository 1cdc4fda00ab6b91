#include "run/heat.h"

void heat_fini(struct heat *heat)
{
    vec_fini(&heat->samples);
    vec_fini(&heat->warm);
}

void heat_add(struct heat *heat, const struct store *store, stack_id stack)
{
    if (stack == STACK_ROOT || heat->n == HEAT_SAMPLES) {
        return;
    }
    heat->n++;
    frame_id leaf = stacks_get(&store->stacks, stack)->frame;
    image_id image = stacks_get_frame(&store->stacks, leaf)->image;
    vec_grow_zeroed(&heat->samples, (size_t)image + 1);
    if (heat->samples.at[image]++ == 0) {
        vec_push(&heat->warm, image);
    }
}

void heat_flush(struct heat *heat, const struct store *store, struct library *library)
{
    for (size_t i = 0; i < heat->warm.n; i++) {
        image_id image = heat->warm.at[i];
        const struct image_row *row = store_image(store, image);
        if (image != 0 && image_row_is_binary(row)) {
            library_heat(library, row->library, heat->samples.at[image]);
        }
        heat->samples.at[image] = 0;
    }
    vec_clear(&heat->warm);
    heat->n = 0;
}

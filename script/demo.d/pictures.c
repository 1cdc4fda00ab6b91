// The program that script/demo profiles: a small picture workshop around the stb libraries, which
// do the real work. Four threads share one canvas until the time is over:
//
//     painter ──► canvas ──► scaler   a quarter, the double, and back
//                       ├──► png      packed, unpacked, and compared with what went in
//                       └──► jpeg
//
// usage: pictures SECONDS

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_PERLIN_IMPLEMENTATION
#define STBI_ONLY_PNG
#include <stb/stb_image.h>
#include <stb/stb_image_resize.h>
#include <stb/stb_image_write.h>
#include <stb/stb_perlin.h>

enum { WIDTH = 512, HEIGHT = 384, CHANNELS = 3, CANVAS_BYTES = WIDTH * HEIGHT * CHANNELS };

static pthread_mutex_t canvas_lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t canvas[CANVAS_BYTES];
static atomic_bool over;
static atomic_uint painted, scaled, packed_png, packed_jpeg;

static void canvas_copy(uint8_t *to)
{
    pthread_mutex_lock(&canvas_lock);
    memcpy(to, canvas, CANVAS_BYTES);
    pthread_mutex_unlock(&canvas_lock);
}

// ---- Painting
// --------------------------------------------------------------------------------------

static void paint_sky(uint8_t *pixel, float x, float y, float t)
{
    float clouds = stb_perlin_fbm_noise3(x * 4, y * 4, t, 2.0f, 0.5f, 6);
    float light = 0.5f + 0.5f * clouds;
    pixel[0] = (uint8_t)(90 + 160 * light);
    pixel[1] = (uint8_t)(130 + 120 * light);
    pixel[2] = (uint8_t)(220 + 30 * light);
}

static void paint_hills(uint8_t *pixel, float x, float y, float t)
{
    float ridge = stb_perlin_ridge_noise3(x * 3, t, 0.5f, 2.0f, 0.5f, 1.0f, 4);
    if (y > 0.9f - 0.4f * ridge) {
        pixel[0] = (uint8_t)(60 + 40 * ridge);
        pixel[1] = (uint8_t)(90 + 60 * y);
        pixel[2] = 50;
    }
}

static void paint(uint8_t *picture, float t)
{
    for (int y = 0; y < HEIGHT && !over; y++) {
        for (int x = 0; x < WIDTH; x++) {
            uint8_t *pixel = picture + (y * WIDTH + x) * CHANNELS;
            paint_sky(pixel, (float)x / WIDTH, (float)y / HEIGHT, t);
            paint_hills(pixel, (float)x / WIDTH, (float)y / HEIGHT, t);
        }
    }
}

static void *painter(void *unused)
{
    static uint8_t picture[CANVAS_BYTES];
    for (float t = 0; !over; t += 0.05f) {
        paint(picture, t);
        pthread_mutex_lock(&canvas_lock);
        memcpy(canvas, picture, CANVAS_BYTES);
        pthread_mutex_unlock(&canvas_lock);
        painted++;
    }
    return unused;
}

// ---- Scaling
// ---------------------------------------------------------------------------------------

static void make_thumbnail(const uint8_t *from, uint8_t *to)
{
    stbir_resize_uint8(from, WIDTH, HEIGHT, 0, to, WIDTH / 4, HEIGHT / 4, 0, CHANNELS);
}

static void make_poster(const uint8_t *from, uint8_t *to)
{
    stbir_resize_uint8_srgb(from, WIDTH, HEIGHT, 0, to, WIDTH * 2, HEIGHT * 2, 0, CHANNELS,
                            STBIR_ALPHA_CHANNEL_NONE, 0);
}

static void *scaler(void *unused)
{
    static uint8_t picture[CANVAS_BYTES], poster[CANVAS_BYTES * 4], thumbnail[CANVAS_BYTES / 16];
    while (!over) {
        canvas_copy(picture);
        make_thumbnail(picture, thumbnail);
        make_poster(picture, poster);
        scaled++;
    }
    return unused;
}

// ---- Packing
// ---------------------------------------------------------------------------------------

struct file {
    uint8_t *at;
    size_t n;
    size_t room;
};

static void file_add(void *context, void *data, int n)
{
    struct file *file = context;
    if (file->n + (size_t)n > file->room) {
        file->room = 2 * (file->n + (size_t)n);
        file->at = realloc(file->at, file->room);
    }
    memcpy(file->at + file->n, data, (size_t)n);
    file->n += (size_t)n;
}

static void check_png(const struct file *file, const uint8_t *picture)
{
    int width, height, channels;
    uint8_t *back = stbi_load_from_memory(file->at, (int)file->n, &width, &height, &channels, 0);
    if (back == NULL || memcmp(back, picture, CANVAS_BYTES) != 0) {
        fprintf(stderr, "the PNG does not hold the picture\n");
        exit(1);
    }
    stbi_image_free(back);
}

static void *png(void *unused)
{
    static uint8_t picture[CANVAS_BYTES];
    struct file file = {0};
    while (!over) {
        canvas_copy(picture);
        file.n = 0;
        stbi_write_png_to_func(file_add, &file, WIDTH, HEIGHT, CHANNELS, picture, 0);
        check_png(&file, picture);
        packed_png++;
    }
    free(file.at);
    return unused;
}

static void *jpeg(void *unused)
{
    static uint8_t picture[CANVAS_BYTES];
    struct file file = {0};
    while (!over) {
        canvas_copy(picture);
        file.n = 0;
        stbi_write_jpg_to_func(file_add, &file, WIDTH, HEIGHT, CHANNELS, picture, 90);
        packed_jpeg++;
    }
    free(file.at);
    return unused;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void *(*run)(void *);
    } workers[] = {{"painter", painter}, {"scaler", scaler}, {"png", png}, {"jpeg", jpeg}};
    enum { N = sizeof workers / sizeof workers[0] };
    pthread_t threads[N];
    int seconds = argc == 2 ? (int)strtol(argv[1], NULL, 10) : 0;
    if (seconds < 1) {
        fprintf(stderr, "usage: pictures SECONDS\n");
        return 1;
    }
    for (int i = 0; i < N; i++) {
        pthread_create(&threads[i], NULL, workers[i].run, NULL);
        pthread_setname_np(threads[i], workers[i].name);
    }
    nanosleep(&(struct timespec){.tv_sec = seconds}, NULL);
    over = true;
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("pictures: %u painted, %u scaled, %u PNG, %u JPEG\n", painted, scaled, packed_png,
           packed_jpeg);
    return 0;
}

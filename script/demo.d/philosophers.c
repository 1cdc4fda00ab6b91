// A program for the demo that mostly waits: five philosophers around a table, with one fork between
// each two of them. Each thinks (works), takes two forks (waits for a neighbour), eats (sleeps) and
// puts them back.
//
// usage: philosophers SECONDS
//
// For so long they take the fork with the lower number first, which is safe. Then they wait for
// each other, and each takes the left one first, at the same moment: a deadlock, for ever.

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PHILOSOPHERS = 5, THINK_STEPS = 2000000, EAT_NS = 6000000 };

static const char *const names[PHILOSOPHERS] = {"Socrates", "Hypatia", "Kant", "Arendt",
                                                "Nagarjuna"};
static pthread_mutex_t forks[PHILOSOPHERS];
static pthread_barrier_t all_are_here;
static volatile uint64_t thoughts;
static uint64_t calm_until_ns;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

__attribute__((noinline)) static void think(void)
{
    uint64_t thought = 1;
    for (int i = 0; i < THINK_STEPS; i++) {
        thought = thought * 6364136223846793005 + 1442695040888963407;
    }
    thoughts += thought;
}

__attribute__((noinline)) static void eat(void)
{
    struct timespec time = {.tv_nsec = EAT_NS};
    nanosleep(&time, NULL);
    thoughts++;
}

__attribute__((noinline)) static void take_fork(int fork)
{
    pthread_mutex_lock(&forks[fork]);
    thoughts++;
}

__attribute__((noinline)) static void put_back(int fork)
{
    pthread_mutex_unlock(&forks[fork]);
    thoughts++;
}

__attribute__((noinline)) static void dine(int left, int right)
{
    take_fork(left < right ? left : right);
    take_fork(left < right ? right : left);
    eat();
    put_back(left);
    put_back(right);
}

__attribute__((noinline)) static void dine_greedily(int left, int right)
{
    pthread_barrier_wait(&all_are_here);
    take_fork(left);
    pthread_barrier_wait(&all_are_here);
    take_fork(right);
    eat();
}

static void *live(void *seat)
{
    int left = (int)(intptr_t)seat;
    int right = (left + 1) % PHILOSOPHERS;
    pthread_setname_np(pthread_self(), names[left]);
    while (now_ns() < calm_until_ns) {
        think();
        dine(left, right);
    }
    dine_greedily(left, right);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[PHILOSOPHERS];
    if (argc != 2) {
        fprintf(stderr, "usage: philosophers SECONDS\n");
        return 1;
    }
    calm_until_ns = now_ns() + (uint64_t)(atof(argv[1]) * 1e9);
    pthread_barrier_init(&all_are_here, NULL, PHILOSOPHERS);
    for (int i = 0; i < PHILOSOPHERS; i++) {
        pthread_mutex_init(&forks[i], NULL);
    }
    for (intptr_t i = 0; i < PHILOSOPHERS; i++) {
        if (pthread_create(&threads[i], NULL, live, (void *)i) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < PHILOSOPHERS; i++) {
        pthread_join(threads[i], NULL);
    }
    return 0;
}

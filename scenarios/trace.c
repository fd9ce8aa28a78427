/* trace: replays a recording of a program's allocation calls (--trace FILE; docs/trace-format.md).
 *
 * An iteration is the whole trace once, then a free for every block that the program left live; one
 * operation is one of all these calls. Each recorded thread has a thread here; the first is the one
 * that iterates. A thread makes its calls in the recorded order, and waits only where it frees or
 * reallocates a block that another thread has yet to allocate. Every new byte range is written as
 * its size demands: one byte in every 4 KiB from its beginning, and its last one; of a realloc that
 * grows, the part that is new.
 *
 * Setup translates the trace into steps: which function, how many bytes, and in which place the
 * block's address is kept. A block that one thread allocates and frees shares its place with later
 * ones of that thread; one that changes threads has a place of its own, which is NULL until it is
 * allocated. */
#include "scenarios/trace_reader.h"

#include "harness/arena.h"
#include "scenarios/blocks.h"
#include "scenarios/scenario.h"

#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

enum { SPINS_BEFORE_YIELD = 200 };

/* A call. Bit fields: there are as many of these as calls, and they share the cache with what is
 * measured. */
struct step {
    uint64_t size : 48; /* bytes */
    uint64_t op : 8;    /* enum hkl_trace_op */
    uint64_t waits : 8; /* the block to take is another thread's */
    uint64_t aux;       /* alignment, or of realloc the old size; bytes */
    uint32_t into;      /* place of the block that it gives */
    uint32_t from;      /* place of the block that it takes; HKL_TRACE_NO_BLOCK: NULL */
};

typedef char *_Atomic hkl_place;

struct replay;

struct lane {
    struct replay *replay;
    const struct step *steps; /* of the trace */
    const struct step *last;  /* end of these; from here on, free what is live */
    const struct step *end;
    pthread_t thread;
};

struct replay {
    uint64_t ops; /* of an iteration */
    struct step *steps;
    hkl_place *places;
    uint32_t places_count;
    uint32_t lanes_count;
    bool stop;                /* read by the threads after `begin` */
    pthread_barrier_t begin;  /* of an iteration */
    pthread_barrier_t played; /* the trace; what is live is freed then */
    pthread_barrier_t end;
    struct lane lanes[HKL_TRACE_MAX_THREADS];
};

/* ---- replaying ---- */

static void touch(volatile char *block, uint64_t from, uint64_t to) {
    for (uint64_t offset = from; offset < to; offset += HKL_PAGE)
        block[offset] = 1;
    if (from < to)
        block[to - 1] = 1;
}

/* The block in a place, once it is there. */
static char *wait_for(hkl_place *from) {
    char *block;
    unsigned spins = 0;
    while (!(block = atomic_load_explicit(from, memory_order_acquire)))
        if (++spins == SPINS_BEFORE_YIELD) {
            spins = 0;
            sched_yield();
        }
    atomic_store_explicit(from, NULL, memory_order_relaxed); /* for the next iteration */
    return block;
}

static char *take(const struct replay *replay, const struct step *step) {
    if (step->from == HKL_TRACE_NO_BLOCK)
        return NULL;
    hkl_place *from = &replay->places[step->from];
    return step->waits ? wait_for(from) : atomic_load_explicit(from, memory_order_relaxed);
}

static void give(const struct replay *replay, const struct step *step, char *block,
                 uint64_t written) {
    if (__builtin_expect(!block, 0))
        hkl_fail(HKL_EXIT_FAILED, "scenario failed: an allocation of %llu bytes returned NULL",
                 (unsigned long long)step->size);
    touch(block, written, step->size);
    atomic_store_explicit(&replay->places[step->into], block, memory_order_release);
}

static void play(const struct replay *replay, const struct step *step, const struct step *end) {
    for (; step < end; step++)
        switch ((enum hkl_trace_op)step->op) {
        case HKL_TRACE_MALLOC:
            give(replay, step, malloc(step->size), 0);
            break;
        case HKL_TRACE_CALLOC:
            give(replay, step, calloc(1, step->size), 0);
            break;
        case HKL_TRACE_ALIGNED:
            give(replay, step, memalign(step->aux, step->size), 0);
            break;
        case HKL_TRACE_REALLOC:
            give(replay, step, realloc(take(replay, step), step->size), step->aux);
            break;
        case HKL_TRACE_FREE:
            free(take(replay, step));
            break;
        case HKL_TRACE_THREAD:
            break;
        }
}

static void play_lane(struct lane *lane) {
    struct replay *replay = lane->replay;
    play(replay, lane->steps, lane->last);
    if (replay->lanes_count > 1)
        pthread_barrier_wait(&replay->played);
    play(replay, lane->last, lane->end);
}

static void *follow(void *context) {
    struct lane *lane = context;
    struct replay *replay = lane->replay;
    for (;;) {
        pthread_barrier_wait(&replay->begin);
        if (replay->stop)
            return NULL;
        play_lane(lane);
        pthread_barrier_wait(&replay->end);
    }
}

static uint64_t iterate(void *context) {
    struct replay *replay = context;
    if (replay->lanes_count > 1)
        pthread_barrier_wait(&replay->begin);
    play_lane(&replay->lanes[0]);
    if (replay->lanes_count > 1)
        pthread_barrier_wait(&replay->end);
    return replay->ops;
}

/* ---- setting up ---- */

/* What setup has to know of a block before it comes to it again. */
struct life {
    uint64_t size;
    uint16_t giver, taker; /* threads; the taker is the giver's when nobody takes it */
    uint32_t place;
};

struct builder {
    const struct hkl_trace *trace;
    struct life *lives;
    uint32_t *next_free; /* by place: the next place that its thread may use again */
    uint32_t places_used;
    uint32_t free_places[HKL_TRACE_MAX_THREADS];
    struct step *steps[HKL_TRACE_MAX_THREADS]; /* where the next step goes */
};

/* Fills in lives, and counts the steps of each thread: in the trace, and after it. */
static void read_lives(const struct builder *builder, uint64_t *steps, uint64_t *left) {
    struct hkl_trace_cursor cursor = {0};
    struct hkl_trace_call call;
    while (hkl_trace_next(builder->trace, &cursor, &call)) {
        const uint16_t thread = (uint16_t)call.thread;
        steps[thread]++;
        if (call.old != HKL_TRACE_NO_BLOCK) {
            struct life *old = &builder->lives[call.old];
            old->taker = thread;
            left[old->giver]--;
        }
        if (call.block != HKL_TRACE_NO_BLOCK) {
            builder->lives[call.block] =
                (struct life){.size = call.size, .giver = thread, .taker = thread};
            left[thread]++;
        }
    }
}

static uint32_t new_place(struct builder *builder, const struct life *life) {
    uint32_t *head = &builder->free_places[life->giver];
    const uint32_t place = *head;
    if (life->giver != life->taker || place == HKL_TRACE_NO_BLOCK)
        return builder->places_used++;
    *head = builder->next_free[place];
    return place;
}

static void add_step(struct builder *builder, const struct hkl_trace_call *call) {
    struct step *step = builder->steps[call->thread]++;
    *step = (struct step){
        .size = call->size & (2 * HKL_TRACE_MAX_SIZE - 1),
        .op = call->op & 0xff,
        .aux = call->align,
        .from = HKL_TRACE_NO_BLOCK,
    };
    if (call->old != HKL_TRACE_NO_BLOCK) {
        const struct life *old = &builder->lives[call->old];
        step->from = old->place;
        step->waits = old->giver != old->taker;
        if (call->op == HKL_TRACE_REALLOC)
            step->aux = old->size;
        if (!step->waits) {
            builder->next_free[old->place] = builder->free_places[old->giver];
            builder->free_places[old->giver] = old->place;
        }
    }
    if (call->block != HKL_TRACE_NO_BLOCK) {
        struct life *life = &builder->lives[call->block];
        life->place = new_place(builder, life);
        step->into = life->place;
    }
}

/* Marks who is freed in the trace as no longer there, then adds the frees of the others. */
static void add_last_frees(struct builder *builder) {
    enum { TAKEN = UINT16_MAX };
    struct hkl_trace_cursor cursor = {0};
    struct hkl_trace_call call;
    while (hkl_trace_next(builder->trace, &cursor, &call))
        if (call.old != HKL_TRACE_NO_BLOCK)
            builder->lives[call.old].taker = TAKEN;
    for (uint64_t i = 0; i < builder->trace->blocks; i++) {
        const struct life *life = &builder->lives[i];
        if (life->taker != TAKEN)
            *builder->steps[life->giver]++ =
                (struct step){.op = HKL_TRACE_FREE, .from = life->place};
    }
}

static void build(struct replay *replay, struct builder *builder) {
    const uint32_t lanes = builder->trace->threads;
    uint64_t steps[HKL_TRACE_MAX_THREADS] = {0};
    uint64_t left[HKL_TRACE_MAX_THREADS] = {0};
    read_lives(builder, steps, left);
    struct step *step = replay->steps;
    for (uint32_t i = 0; i < lanes; i++) {
        struct lane *lane = &replay->lanes[i];
        lane->replay = replay;
        builder->free_places[i] = HKL_TRACE_NO_BLOCK;
        builder->steps[i] = step;
        lane->steps = step;
        lane->last = step + steps[i];
        step += steps[i] + left[i];
        lane->end = step;
    }
    struct hkl_trace_cursor cursor = {0};
    struct hkl_trace_call call;
    while (hkl_trace_next(builder->trace, &cursor, &call))
        add_step(builder, &call);
    add_last_frees(builder);
}

static size_t steps_size(const struct replay *replay) {
    return replay->ops * sizeof(struct step);
}

/* One more: a trace of nothing but free(NULL) has no place. */
static size_t places_size(const struct replay *replay) {
    return (replay->places_count + 1) * sizeof(hkl_place);
}

static void start_threads(struct replay *replay) {
    if (replay->lanes_count == 1)
        return;
    pthread_barrier_init(&replay->begin, NULL, replay->lanes_count);
    pthread_barrier_init(&replay->played, NULL, replay->lanes_count);
    pthread_barrier_init(&replay->end, NULL, replay->lanes_count);
    for (uint32_t i = 1; i < replay->lanes_count; i++) {
        struct lane *lane = &replay->lanes[i];
        const int error = pthread_create(&lane->thread, NULL, follow, lane);
        if (error)
            hkl_fail(HKL_EXIT_FAILED, "scenario failed: cannot start a thread: %s",
                     strerror(error));
    }
}

static void *setup(const struct hkl_params *params) {
    const struct hkl_trace *trace = params->trace;
    struct builder builder = {.trace = trace};
    const size_t lives_size = (trace->blocks + 1) * sizeof *builder.lives;
    const size_t next_size = (trace->blocks + 1) * sizeof *builder.next_free;
    struct replay *replay = hkl_map(sizeof *replay);
    if (!replay)
        return NULL;
    replay->ops = trace->calls + trace->live;
    replay->lanes_count = trace->threads;
    replay->steps = hkl_map(steps_size(replay));
    builder.lives = hkl_map(lives_size);
    builder.next_free = hkl_map(next_size);
    if (!replay->steps || !builder.lives || !builder.next_free)
        return NULL;
    build(replay, &builder);
    hkl_unmap(builder.lives, lives_size);
    hkl_unmap(builder.next_free, next_size);
    replay->places_count = builder.places_used;
    replay->places = hkl_map(places_size(replay));
    if (!replay->places)
        return NULL;
    start_threads(replay);
    return replay;
}

static void teardown(void *context) {
    struct replay *replay = context;
    if (replay->lanes_count > 1) {
        replay->stop = true;
        pthread_barrier_wait(&replay->begin);
        for (uint32_t i = 1; i < replay->lanes_count; i++)
            pthread_join(replay->lanes[i].thread, NULL);
        pthread_barrier_destroy(&replay->begin);
        pthread_barrier_destroy(&replay->played);
        pthread_barrier_destroy(&replay->end);
    }
    hkl_unmap(replay->places, places_size(replay));
    hkl_unmap(replay->steps, steps_size(replay));
    hkl_unmap(replay, sizeof *replay);
}

HKL_SCENARIO(trace) = {
    .name = "trace",
    .summary = "replay the recorded allocation calls of a program (--trace FILE)",
    .defaults = {.size = 0, .seed = 42, .threads = 1, .slots = 0, .batch = 1},
    .warmup = 10,
    .max_threads = HKL_TRACE_MAX_THREADS,
    .takes_trace = true,
    .setup = setup,
    .iterate = iterate,
    .teardown = teardown,
};

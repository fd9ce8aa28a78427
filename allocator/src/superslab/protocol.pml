/*
 * A model of the life of one slab, for the model checker spin: who may own it, list it, adopt it
 * and retire it while any thread gives blocks back to it. It mirrors slab.c, pool.c and
 * front/warm_pool.c, and names their functions; whoever changes one of these changes it here, too.
 * 'make protocol' checks it over every interleaving of HEAPS threads that do OPS things each.
 *
 * Every atomic operation of the code is one step here; what a thread does by itself is part of the
 * step before it. Loads and stores that the code makes one by one (the words of slab->free, the
 * fields that pool_new sets) are steps of their own. Memory is sequentially consistent: the
 * checker tells nothing about memory_order_relaxed.
 *
 * What is checked:
 *   no double owner     a block that is taken is in nobody else's hands; a slab is in one warm pool
 *                       at most, and in that of its owner; only a holder moves it
 *   no lost block       what is given back is a block of the slab's present life, and not yet there;
 *                       every block of a slab in use is either free in it or in somebody's hands
 *   no stuck orphan     when all is given back and all threads have exited, the slab is EMPTY and in
 *                       its SuperSlab again, whatever happened before; nobody waits for ever
 *
 * More than the code does is allowed, so that one slab suffices: any thread may free any block at
 * any moment; the choices that depend on other slabs (is there room in the warm pool, is it the
 * one in use) are free.
 *
 * -DNO_TURN, -DNO_GENERATION and -DNO_SECOND_LOOK each take a part of the protocol away: the
 * checker must then find a defect.
 */
#ifndef HEAPS
#define HEAPS 2
#endif
#ifndef OPS
#define OPS 3 /* refills, gifts and exits of each thread before all is given back */
#endif
#ifndef WORD0
#define WORD0 3 /* blocks in the first word of slab->free, as a mask; the second word has one */
#endif

#define EMPTY  0
#define OWNED  1
#define LISTED 2
#define FULL   3
#define NOBODY 255

/* A control word: generation | turn | state, as in superslab.h. */
#define STATE(c)          ((c) & 3)
#define GENERATION(c)     ((c) >> 7)
#define MAKE(gen, turn, state) (((gen) << 7) | (((turn) & 31) << 2) | (state))
#define TURN_OF(c)        (((c) >> 2) & 31)
#ifdef NO_TURN
#define NEXT_TURN(c, to)  0
#else
#define NEXT_TURN(c, to)  (TURN_OF(c) + ((to) == OWNED -> 1 : 0))
#endif
#define WITH(c, to)       MAKE(GENERATION(c), NEXT_TURN(c, to), to) /* hkm_control_with */
#ifdef NO_GENERATION
#define NEXT_LIFE(c)      MAKE(0, NEXT_TURN(c, OWNED), OWNED)
#else
#define NEXT_LIFE(c)      MAKE(GENERATION(c) + 1, NEXT_TURN(c, OWNED), OWNED)
#endif

/* Class 0 has two words, class 1 has one block: each life of the slab may be the other class's. */
#define CLASSES     2
#define WORDS(cls)  ((cls) == 0 -> 2 : 1)
#define FULL_WORD(cls, word) ((cls) == 0 && (word) == 0 -> WORD0 : 1)

/* The slab: struct hkm_slab */
short control = 0;
byte owner = NOBODY;
byte cls = 0;      /* also stands for capacity */
byte free_bits[2]; /* slab->free */

/* The class lists' locks; whether the slab is on one, and in its SuperSlab's free ones. */
bool list_lock[CLASSES];
bool on_list[CLASSES];
bool in_superslab = true;

/* What only the checker sees: blocks that are out, in which life, in whose warm pool the slab is. */
byte out[2];
byte life = 0;
byte held_by = NOBODY;
byte draining = 0, exited = 0;

#define ALL_BACK (free_bits[0] == FULL_WORD(cls, 0) && (WORDS(cls) == 1 || free_bits[1] == 1))

/* hkm_slab_change: one compare-and-exchange. */
inline hkm_slab_change(c, to, ok) {
    d_step {
        ok = (control == c);
        if
        :: ok -> control = WITH(c, to); c = control
        :: else
        fi
    }
}

/* hkm_slab_has_free, hkm_slab_all_free: word by word; the caller's capacity. */
inline hkm_slab_has_free(capacity_cls, yes) {
    yes = (free_bits[0] != 0);
    if
    :: !yes && WORDS(capacity_cls) == 2 -> yes = (free_bits[1] != 0)
    :: else
    fi
}
inline hkm_slab_all_free(capacity_cls, yes) {
    yes = (free_bits[0] == FULL_WORD(capacity_cls, 0));
    if
    :: yes && WORDS(capacity_cls) == 2 -> yes = (free_bits[1] == 1)
    :: else
    fi
}

/* insert and remove_slab of warm_pool.c. */
inline insert() {
    assert(held_by == NOBODY);
    assert(owner == _pid);
    held_by = _pid
}
inline remove_slab() {
    assert(held_by == _pid);
    held_by = NOBODY
}

inline lock(l) {
    atomic { !list_lock[l] -> list_lock[l] = true }
}
inline unlock(l) {
    list_lock[l] = false
}

/* hkm_slab_release_full; done says whether the slab is let go of. */
inline hkm_slab_release_full(done) {
    c = control;
    hkm_slab_change(c, FULL, ok);
    assert(ok); /* nobody else moves an OWNED slab */
#ifdef NO_SECOND_LOOK
    done = true;
#else
    hkm_slab_has_free(my_cls, ok);
    if
    :: ok ->
        hkm_slab_change(c, OWNED, ok);
        done = !ok
    :: else ->
        done = true
    fi;
#endif
}

/* empty of pool.c. */
inline make_empty(c) {
    ok = (control == c);
    if
    :: ok ->
        hkm_slab_all_free(cls, ok);
        if
        :: ok ->
            d_step {
                ok = (control == c);
                if
                :: ok ->
                    assert(out[0] == 0 && out[1] == 0);
                    control = WITH(c, EMPTY)
                :: else
                fi
            }
        :: else
        fi
    :: else
    fi
}

/* hkm_pool_retire with retire_unlinked and put_slab. */
inline hkm_pool_retire(of_cls, c) {
    if
    :: STATE(c) == LISTED ->
        lock(of_cls);
        make_empty(c);
        if
        :: ok ->
            assert(on_list[of_cls]);
            on_list[of_cls] = false
        :: else
        fi;
        unlock(of_cls)
    :: else ->
        make_empty(c)
    fi;
    if
    :: ok ->
        assert(!in_superslab && held_by == NOBODY);
        in_superslab = true
    :: else
    fi
}

/* hkm_pool_list. */
inline hkm_pool_list(of_cls, c) {
    lock(of_cls);
    hkm_slab_change(c, LISTED, ok);
    if
    :: ok ->
        assert(!on_list[0] && !on_list[1] && of_cls == cls && held_by == NOBODY);
        on_list[of_cls] = true;
        hkm_slab_all_free(cls, ok)
    :: else
    fi;
    unlock(of_cls);
    if
    :: ok -> hkm_pool_retire(of_cls, c)
    :: else
    fi
}

/* retire_owned of warm_pool.c: the slab in use is kept, the others are retired. */
inline retire_owned(of_cls, c) {
    assert(held_by == _pid);
    if
    :: skip
    :: remove_slab();
        hkm_pool_retire(of_cls, c);
        if
        :: ok -> skip
        :: else -> insert()
        fi
    fi
}

/* hkm_slab_take: any number of blocks, word by word. */
inline take_from(word) {
    bits = free_bits[word];
    if
    :: bits != 0 ->
        if
        :: mask = bits
        :: mask = bits & -bits
        fi;
        d_step {
            assert(held_by == _pid && STATE(control) == OWNED);
            assert((free_bits[word] & mask) == mask && (out[word] & mask) == 0);
            free_bits[word] = free_bits[word] & ~mask;
            out[word] = out[word] | mask
        }
    :: else
    fi
}

/* first_with_free of warm_pool.c: leaves ok true when the slab is held and has free blocks. */
inline first_with_free() {
    ok = false;
    do
    :: held_by == _pid && cls == my_cls ->
        hkm_slab_has_free(my_cls, ok);
        if
        :: ok -> break
        :: else ->
            remove_slab();
            hkm_slab_release_full(ok);
            if
            :: !ok -> insert()
            :: else -> ok = false
            fi
        fi
    :: else -> break
    od
}

/* hkm_pool_new: the slab gets a class and a new life. */
inline hkm_pool_new() {
    atomic {
        ok = in_superslab;
        in_superslab = false
    }
    if
    :: ok ->
        assert(STATE(control) == EMPTY && held_by == NOBODY && !on_list[0] && !on_list[1]);
        cls = my_cls;
        free_bits[0] = FULL_WORD(my_cls, 0);
        if
        :: WORDS(my_cls) == 2 -> free_bits[1] = 1
        :: else
        fi;
        owner = _pid;
        d_step {
            life++;
            control = NEXT_LIFE(control);
            insert()
        }
    :: else
    fi
}

/* hkm_cache_refill with hkm_warm_slab and hkm_pool_claim. */
inline refill() {
    if
    :: my_cls = 0
    :: my_cls = 1
    fi;
    first_with_free();
    if
    :: !ok && on_list[my_cls] ->
        lock(my_cls);
        ok = on_list[my_cls];
        if
        :: ok ->
            on_list[my_cls] = false;
            owner = _pid;
            c = control;
            hkm_slab_change(c, OWNED, ok);
            assert(ok); /* nobody else moves a LISTED slab without the lock */
        :: else
        fi;
        unlock(my_cls);
        if
        :: ok ->
            insert();
            first_with_free()
        :: else
        fi
    :: else
    fi;
    if
    :: !ok -> hkm_pool_new()
    :: else
    fi;
    if
    :: ok ->
        take_from(0);
        if
        :: WORDS(my_cls) == 2 -> take_from(1)
        :: skip
        fi
    :: else
    fi;
    my_cls = 0
}

/* hkm_warm_give with hkm_slab_give: blocks of one word, which no other thread may have or give. */
inline give() {
    atomic {
        if
        :: out[0] != 0 -> word = 0
        :: out[1] != 0 -> word = 1
        :: else /* another was faster */
        fi;
        if
        :: mask = out[word]
        :: mask = out[word] & -out[word]
        fi;
        out[word] = out[word] & ~mask;
        /* read while a block still keeps the slab from retiring */
        my_cls = cls;
        my_life = life;
        before = GENERATION(control)
    }
    if
    :: mask != 0 ->
        d_step {
            assert(my_life == life && (free_bits[word] & mask) == 0);
            bits = free_bits[word];
            free_bits[word] = bits | mask
        }
        c = control;
        own = false;
        if
        :: GENERATION(c) != before -> skip
        :: GENERATION(c) == before && STATE(c) == FULL ->
            own = (owner == _pid);
            if
            :: own ->
                hkm_slab_change(c, OWNED, ok);
                if
                :: ok ->
                    insert();
                    hkm_slab_all_free(cls, ok);
                    if
                    :: ok -> retire_owned(my_cls, c)
                    :: else
                    fi
                :: else
                fi
            :: hkm_pool_list(my_cls, c) /* not its own, or no room in the warm pool */
            fi
        :: GENERATION(c) == before && STATE(c) != FULL ->
            ok = ((bits | mask) == FULL_WORD(my_cls, word));
            if
            :: ok -> hkm_slab_all_free(my_cls, ok)
            :: else
            fi;
            own = (owner == _pid);
            if
            :: ok && STATE(c) == LISTED -> hkm_pool_retire(my_cls, c)
            :: ok && own && STATE(c) == OWNED -> retire_owned(my_cls, c)
            :: else
            fi
        fi
    :: else
    fi;
    d_step { my_cls = 0; my_life = 0; before = 0; bits = 0; mask = 0; word = 0; own = false; ok = false; c = 0 }
}

/* hkm_warm_release: the thread exits; another may use its heap afterwards. */
inline hkm_warm_release() {
    if
    :: held_by == _pid ->
        my_cls = cls;
        remove_slab();
        hkm_slab_has_free(my_cls, ok);
        if
        :: !ok ->
            hkm_slab_release_full(ok);
            ok = !ok
        :: else
        fi;
        if
        :: ok ->
            c = control;
            hkm_pool_list(my_cls, c)
        :: else
        fi
    :: else
    fi;
    d_step { my_cls = 0; ok = false; c = 0 }
}

active [HEAPS] proctype heap() {
    byte ops = 0, my_cls = 0, my_life = 0, word = 0, mask = 0, bits = 0;
    short c = 0, before = 0;
    bool ok = false, own = false;
    do
    :: ops < OPS ->
        ops++;
        if
        :: refill()
        :: out[0] != 0 || out[1] != 0 -> give()
        :: held_by == _pid -> hkm_warm_release()
        fi
    :: ops == OPS -> break
    od;
    draining++;
    /* All is given back, by whoever comes first, and the threads exit. */
    draining == HEAPS;
    do
    :: out[0] != 0 || out[1] != 0 -> give()
    :: else -> break
    od;
    hkm_warm_release();
    exited++
}

/* Once all is quiet, nothing is left over. */
active proctype at_the_end() {
    exited == HEAPS;
    assert(out[0] == 0 && out[1] == 0);
    assert(STATE(control) == EMPTY && in_superslab && held_by == NOBODY);
    assert(!on_list[0] && !on_list[1] && !list_lock[0] && !list_lock[1])
}

# Build variants of the allocator: 'make VARIANT=name' builds into build/variants/name/. Phases compare them with the default
# build; all but 'timing' and 'superslab-512k' are slower on purpose.
VARIANT_timing          := -DHAKMEM_DEBUG_TIMING=1  # cycle counts, with HAKMEM_TIMING=1 (debug/timing.h)
VARIANT_registry-linear := -DHKM_REGISTRY=1         # a pointer's SuperSlab found by scanning a table (superslab/registry.h)
VARIANT_registry-class  := -DHKM_REGISTRY=2         # ... a table for each kind of slab
VARIANT_registry-hash   := -DHKM_REGISTRY=3         # ... in a hash table
VARIANT_guess           := -DHKM_GUESS=1            # a doubtful free asks the kernel whether the pointer is mapped (superslab/guess.h)
VARIANT_no-tiny         := -DHKM_TINY=0             # no small classes: the smallest middle class, 1152 bytes, serves them
VARIANT_superslab-512k  := -DHKM_SUPERSLAB_SHIFT=19 # SuperSlabs of 512 KiB; larger blocks go to the large path
VARIANT_slow-free       := -DHKM_SLOW_FREE=6        # free counts to 6 first: a slowdown planted for the regression gate to find
VARIANT_hardened        := -DHKM_HARDENED           # quarantine, random placement, guard pages (debug/hardened.h, large/guarded.h)

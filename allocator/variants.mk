# Build variants of the allocator: 'make VARIANT=name' builds into build/variants/name/. Phases compare them with the default
# build; all but 'timing' are slower on purpose.
VARIANT_timing          := -DHAKMEM_DEBUG_TIMING=1  # cycle counts, with HAKMEM_TIMING=1 (debug/timing.h)
VARIANT_registry-linear := -DHKM_REGISTRY=1         # a pointer's SuperSlab found by scanning a table (superslab/registry.h)
VARIANT_registry-class  := -DHKM_REGISTRY=2         # ... a table for each kind of slab
VARIANT_registry-hash   := -DHKM_REGISTRY=3         # ... in a hash table
VARIANT_hardened        := -DHKM_HARDENED            # quarantine, random placement, writes after free are found (debug/hardened.h)

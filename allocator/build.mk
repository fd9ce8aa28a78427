# libhakmem.so and libhakmem.a. VARIANT=name builds a variant into build/variants/name/ instead.

include allocator/variants.mk
VARIANTS := $(patsubst VARIANT_%,%,$(filter VARIANT_%,$(.VARIABLES)))
ifneq ($(filter-out $(VARIANTS),$(VARIANT)),)
$(error VARIANT=$(VARIANT): no such variant, there are: $(sort $(VARIANTS)))
endif

ALLOCATOR_OUT    := $(BUILD)$(if $(VARIANT),/variants/$(VARIANT))
# PREFIXED=1: the hak_ names only, next to another allocator, such as a sanitizer's own.
ALLOCATOR_SRC    := $(filter-out $(if $(PREFIXED),%/cxx_operators.c),$(sort $(wildcard allocator/src/*/*.c)))
ALLOCATOR_OBJ    := $(ALLOCATOR_SRC:%.c=$(ALLOCATOR_OUT)/%.o)
ALLOCATOR_LIBS   := $(ALLOCATOR_OUT)/libhakmem.so $(ALLOCATOR_OUT)/libhakmem.a
ALLOCATOR_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O3 -g -fPIC -fvisibility=hidden -ftls-model=initial-exec -fno-builtin-malloc \
                    -fno-semantic-interposition -fno-plt -Iallocator/include -Iallocator/src $(CWARN) $(if $(PREFIXED),-DHKM_PREFIXED) $(VARIANT_$(VARIANT))

$(ALLOCATOR_OUT)/allocator/%.o: allocator/%.c
	@mkdir -p $(@D)
	$(CC) $(ALLOCATOR_CFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(ALLOCATOR_OUT)/libhakmem.so: $(ALLOCATOR_OBJ)
	$(CC) -shared -Wl,-soname,libhakmem.so -Wl,-z,now $(LDFLAGS) $^ -pthread -o $@

# One object: a linker takes from an archive only what is named, and nothing names what runs at start, fork and exit.
$(ALLOCATOR_OUT)/libhakmem.o: $(ALLOCATOR_OBJ)
	$(CC) -r -nostdlib $^ -o $@

$(ALLOCATOR_OUT)/libhakmem.a: $(ALLOCATOR_OUT)/libhakmem.o
	rm -f $@ && $(AR) rcs $@ $^

-include $(ALLOCATOR_OBJ:.o=.d)

# hkl-driver: harness and scenarios in one binary. Any scenarios/*.c is built in; nothing else to edit.
# hkl-latency: the same objects, linked so that each call of the allocator is timed (harness/latency/).
# hkl-micro: micro-benchmarks of single calls (harness/micro/).
# Beside it: the floor (harness/floor/), what runs whole programs (harness/child/), and hkl-record.so and hkl-trace: the recorder
# of allocation calls, and what packs and checks its traces.
HARNESS_DRIVER := $(BUILD)/hkl-driver
HARNESS_BIN := $(HARNESS_DRIVER) $(BUILD)/hkl-latency $(BUILD)/hkl-micro $(BUILD)/libfloor.so $(BUILD)/hkl-child
RECORD_BIN  := $(BUILD)/hkl-record.so $(BUILD)/hkl-trace

comma := ,

HARNESS_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard harness/*.c) $(wildcard scenarios/*.c))) \
               $(BUILD)/harness/gbench.o

# malloc and its kin are ordinary functions here: no call may be removed or merged.
HARNESS_NO_BUILTIN := $(addprefix -fno-builtin-,malloc calloc realloc aligned_alloc free)
HARNESS_CFLAGS     := -std=gnu11 -O2 -g -fPIE -pthread -D_GNU_SOURCE -I. $(HARNESS_NO_BUILTIN) $(CWARN)
HARNESS_CXXFLAGS   := -std=c++17 -O2 -g -fPIE -pthread -I. $(WARN)

$(BUILD)/harness/%.o: harness/%.c
	@mkdir -p $(@D)
	$(CC) $(HARNESS_CFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/scenarios/%.o: scenarios/%.c
	@mkdir -p $(@D)
	$(CC) $(HARNESS_CFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/harness/gbench.o: harness/gbench.cc
	@mkdir -p $(@D)
	$(CXX) $(HARNESS_CXXFLAGS) $(CXXFLAGS) -MMD -MP -c $< -o $@

# -z now: symbols are bound at start-up, not inside the cold window.
HARNESS_LDFLAGS = -pie -pthread -Wl,-z,relro,-z,now $(LDFLAGS)

$(HARNESS_DRIVER): $(HARNESS_OBJ) $(BUILD)/harness/latency/off.o
	$(CXX) $(HARNESS_LDFLAGS) $^ -lbenchmark -ldl -o $@

$(BUILD)/hkl-latency: $(HARNESS_OBJ) $(BUILD)/harness/latency/wrap.o
	$(CXX) $(HARNESS_LDFLAGS) $(addprefix -Wl$(comma)--wrap=,malloc calloc realloc free) $^ -lbenchmark -ldl -o $@

MICRO_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard harness/micro/*.c))) \
             $(BUILD)/harness/fail.o $(BUILD)/harness/gbench.o

$(BUILD)/hkl-micro: $(MICRO_OBJ)
	$(CXX) $(HARNESS_LDFLAGS) $^ -lbenchmark -ldl -o $@

# malloc is defined here: the compiler must not make calls of it out of other code.
$(BUILD)/libfloor.so: harness/floor/floor.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -fPIC -shared -fno-builtin -D_GNU_SOURCE -I. $(CWARN) $(CFLAGS) $(LDFLAGS) $< -o $@

$(BUILD)/hkl-child: harness/child/main.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -D_GNU_SOURCE -I. $(CWARN) $(CFLAGS) $(LDFLAGS) $< -o $@


$(BUILD)/harness/record/recorder.o: HARNESS_CFLAGS += -fPIC -fvisibility=hidden -fno-builtin

$(BUILD)/hkl-record.so: $(BUILD)/harness/record/recorder.o
	$(CC) -shared -pthread -Wl,-soname,hkl-record.so -Wl,-z,relro,-z,now $(LDFLAGS) $^ -ldl -o $@

TRACE_OBJ := $(patsubst %,$(BUILD)/%.o,harness/record/trace_tool harness/record/pack harness/json harness/arena \
                                       scenarios/trace_reader)

$(BUILD)/hkl-trace: $(TRACE_OBJ)
	$(CC) -pie $(LDFLAGS) $^ -o $@

-include $(HARNESS_OBJ:.o=.d) $(TRACE_OBJ:.o=.d) $(MICRO_OBJ:.o=.d) $(BUILD)/harness/record/recorder.d \
         $(wildcard $(BUILD)/harness/latency/*.d)

# The cmocka programs, and the targets that run tests and linters. tests/run runs and sums up.

ALLOCATOR_TESTS := $(patsubst %,$(BUILD)/%,$(basename $(sort $(wildcard tests/allocator/test_*.c tests/allocator/test_*.cc))))
# The same source in other ways of use: linked statically, and unaware of hakmem but for LD_PRELOAD.
TEST_PROGRAMS   := $(ALLOCATOR_TESTS) $(BUILD)/tests/allocator/test_api-static $(BUILD)/tests/allocator/test_fork-static $(BUILD)/tests/allocator/test_api-preload
# -fno-builtin: the compiler must neither drop calls of malloc nor assume what they do.
TEST_FLAGS      := -O1 -g -fno-builtin -Iallocator/include $(if $(PREFIXED),-D_GNU_SOURCE= -include tests/allocator/prefixed.h)
TEST_LIBS       := -lcmocka -pthread -ldl

$(BUILD)/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(TEST_FLAGS) $(CWARN) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/tests/%.o: tests/%.cc
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -fsized-deallocation $(TEST_FLAGS) $(WARN) $(CXXFLAGS) -MMD -MP -c $< -o $@

# Programs in parts that need settings of their own.
PARTED_TESTS := $(patsubst %.c,$(BUILD)/%,$(shell grep -ls '"parts.h"' tests/allocator/test_*.c))
$(PARTED_TESTS): $(BUILD)/tests/allocator/parts.o

$(BUILD)/tests/allocator/test_%: $(BUILD)/tests/allocator/test_%.o $(BUILD)/tests/allocator/support.o $(BUILD)/libhakmem.so
	$(CXX) $(LDFLAGS) $(filter-out %.so,$^) $(filter %.so,$^) -Wl,-rpath,'$$ORIGIN/../..' $(TEST_LIBS) -o $@

$(BUILD)/tests/allocator/test_%-static: $(BUILD)/tests/allocator/test_%.o $(BUILD)/tests/allocator/support.o $(BUILD)/libhakmem.a
	$(CXX) $(LDFLAGS) $^ $(TEST_LIBS) -o $@

$(BUILD)/tests/allocator/test_%-preload: $(BUILD)/tests/allocator/test_%.o $(BUILD)/tests/allocator/support.o | $(BUILD)/libhakmem.so
	$(CXX) $(LDFLAGS) $^ $(TEST_LIBS) -o $@

# Tests one part of the allocator from within.
$(BUILD)/tests/allocator/test_elo: $(BUILD)/allocator/src/policy/elo.o
$(BUILD)/tests/allocator/test_tournament: $(BUILD)/allocator/src/policy/tournament.o $(BUILD)/allocator/src/policy/elo.o
$(BUILD)/tests/allocator/test_elo.o $(BUILD)/tests/allocator/test_tournament.o: TEST_FLAGS += -Iallocator/src

# Its calls are judged by the model.
$(BUILD)/tests/allocator/test_signals: $(BUILD)/tests/allocator/model.o

# Finds the library by itself, at run time.
$(BUILD)/tests/allocator/test_dlopen: $(BUILD)/tests/allocator/test_dlopen.o $(BUILD)/tests/allocator/support.o | $(BUILD)/libhakmem.so
	$(CXX) $(LDFLAGS) $^ -Wl,-rpath,'$$ORIGIN/../..' $(TEST_LIBS) -o $@

# The kernel refuses what test_faults.py says, and at its own limits, which test_limits.py sets.
FAULTS := $(BUILD)/tests/allocator/faults
LIMITS := $(BUILD)/tests/allocator/limits
FAULTY := mmap munmap mremap madvise
$(FAULTS) $(LIMITS): $(BUILD)/tests/allocator/%: $(addprefix $(BUILD)/tests/allocator/,%.o kernel.o model.o support.o parts.o) $(BUILD)/libhakmem.a
	$(CXX) $(LDFLAGS) $^ $(FAULTY:%=-Wl,--wrap=%) $(TEST_LIBS) -o $@

# Random calls, judged by a model; test_stress.py runs it.
STRESS := $(BUILD)/tests/allocator/stress
$(STRESS): $(addprefix $(BUILD)/tests/allocator/,stress.o model.o support.o) $(BUILD)/libhakmem.so
	$(CXX) $(LDFLAGS) $(filter %.o,$^) $(filter %.so,$^) -Wl,-rpath,'$$ORIGIN/../..' $(TEST_LIBS) -o $@

# Runs under any allocator: it knows none.
WRONG_FREES := $(BUILD)/tests/allocator/wrong_frees
$(WRONG_FREES): $(BUILD)/tests/allocator/wrong_frees.o
	$(CC) $(LDFLAGS) $^ -pthread -o $@

# Forks and threads by the thousand; test_storm.py runs it.
STORM := $(BUILD)/tests/allocator/storm
$(STORM): $(addprefix $(BUILD)/tests/allocator/,storm.o support.o) $(BUILD)/libhakmem.so
	$(CXX) $(LDFLAGS) $(filter %.o,$^) $(filter %.so,$^) -Wl,-rpath,'$$ORIGIN/../..' $(TEST_LIBS) -o $@

# Objects are kept, though no rule names them.
.PRECIOUS: $(BUILD)/tests/%.o

-include $(wildcard $(BUILD)/tests/*/*.d)

.PHONY: test-programs nightly self-hosting hardened-programs asan ubsan tsan protocol
test-programs: $(TEST_PROGRAMS) $(FAULTS) $(LIMITS) $(STRESS) $(WRONG_FREES) $(STORM)

# Make starts anew after bootstrap: what is installed only now must not be missing from its variables.
test:  ## every test; installs what is missing; the last line is 'N passed, N failed'
	@scripts/bootstrap test
	@$(MAKE) --no-print-directory all test-programs
	@tests/run --build $(BUILD)

nightly:  ## every test, the random ones for long, under hakmem too; all sanitizers and fuzz targets
	@scripts/nightly

check: all test-programs  ## the fast tests, under a minute
	@tests/run --fast --build $(BUILD)

# Make, compiler, Python, perf, valgrind, the tests and all they start. What runs without it all the same:
#   programs with a sanitizer (below, and libFuzzer's): its own malloc must come first, and the library under test has
#     the name of the one that is there already;
#   test_perf_control.py's test with the real perf, test_wrong_frees.py's of the probes, and the driver where a test names
#     no allocator (tests/harness/driver_support.py): the C library is what they are about;
#   what a test starts under an allocator of its own, or in an environment that it makes from nothing.
SELF         := $(abspath $(BUILD))/self-hosting/libhakmem.so
SELF_HOSTING ?=
$(SELF): $(BUILD)/libhakmem.so
	@install -D $< $@

self-hosting: all test-programs $(SELF)  ## every test with hakmem preloaded into everything; SELF_HOSTING=--fast: the fast ones
	@LD_PRELOAD=$(SELF) grep -qF $(SELF) /proc/self/maps
	@LD_PRELOAD=$(SELF) PYTHONMALLOC=malloc tests/run $(SELF_HOSTING) --build $(BUILD)

hardened-programs:  ## real programs under the hardened variant
	@scripts/bootstrap test
	@$(MAKE) --no-print-directory -s VARIANT=hardened $(BUILD)/variants/hardened/libhakmem.so
	@HAKMEM_TEST_LIBRARY=$(abspath $(BUILD))/variants/hardened/libhakmem.so \
	    $$(scripts/find-python pytest pytest_timeout) -m pytest -q $(if $(HKL_NIGHTLY),--timeout=3000) tests/programs

ubsan:  ## the allocator's tests with gcc's undefined behaviour sanitizer
	@scripts/bootstrap test
	@$(MAKE) --no-print-directory -s BUILD=$(BUILD)/ubsan CFLAGS='-fsanitize=undefined -fno-sanitize-recover=all' \
	    LDFLAGS='-fsanitize=undefined' $(BUILD)/ubsan/libhakmem.so test-programs
	@env -u LD_PRELOAD HAKMEM_TEST_FEWER=$(FEWER) tests/run --no-pytest --build $(BUILD)/ubsan
	@echo "$@: nothing found"

# The address and thread sanitizers have the standard names for themselves: hakmem is built with the hak_ names only, and
# the tests call those. They also have most addresses for their shadow: the arenas lie where neither is.
SANITIZED := test_api test_classes test_contents test_double_free test_elo test_fork test_learner test_misuse test_modes \
             test_remote test_sites test_stats test_superslabs test_threads
# What the numbers of random operations are divided by.
FEWER ?= 1
ASAN_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -DHKM_ARENAS_FROM=0x200000000000 -DHKM_ARENA_CHOICES=4096u
TSAN_FLAGS := -fsanitize=thread -DHKM_ARENAS_FROM=0x200000000 -DHKM_ARENA_CHOICES=64u -DHKM_MAX_SUPERSLABS=16384

asan:  ## the allocator's tests with the address sanitizer, which knows free blocks, and the undefined behaviour one
	@scripts/bootstrap test
	+@$(call sanitized,asan,$(ASAN_FLAGS),-fsanitize=address$(comma)undefined,$(SANITIZED))

# Without three tests: one is of races between wrong frees; one starts threads in the child of a fork of a process with
# threads, which this sanitizer cannot; one asks for call sites, which need the jumps that its calls prevent. Before a fork all locks are held, more than its search for deadlocks can count.
tsan:  ## the allocator's tests with the thread sanitizer
	@scripts/bootstrap test
	+@$(call sanitized,tsan,$(TSAN_FLAGS),-fsanitize=thread,$(filter-out test_double_free test_fork test_sites,$(SANITIZED)))

comma := ,
# $(call sanitized,folder,flags,flags of the linker,tests)
sanitized = $(MAKE) --no-print-directory -s PREFIXED=1 BUILD=$(BUILD)/$1 CFLAGS='$2' LDFLAGS='$3' \
    $(4:%=$(BUILD)/$1/tests/allocator/%) $(BUILD)/$1/tests/allocator/stress && \
    env -u LD_PRELOAD HAKMEM_TEST_FEWER=$(FEWER) TSAN_OPTIONS=detect_deadlocks=0 tests/run --no-pytest --only $(subst $() $(),$(comma),$4) --build $(BUILD)/$1 && \
    env -u LD_PRELOAD $(BUILD)/$1/tests/allocator/stress --operations $$((2000000 / $(FEWER))) && \
    env -u LD_PRELOAD $(BUILD)/$1/tests/allocator/stress --operations $$((640000 / $(FEWER))) --threads 16 && \
    echo "$1: nothing found"

protocol:  ## the slab protocol's model, through every interleaving of two and of three threads
	@scripts/bootstrap test
	@scripts/check-protocol -DHEAPS=2 -DOPS=3
	@scripts/check-protocol -DHEAPS=3 -DOPS=1
# 252 million states: ten minutes, 11 GiB of memory.
	$(if $(HKL_NIGHTLY),@PROTOCOL_MIB=14000 scripts/check-protocol -DHEAPS=3 -DOPS=2)

# ---- Lint: each step can be asked for alone; 'make -k lint' goes through all of them ----

LINT_C      = $(shell find allocator harness scenarios tests -name '*.[ch]')
LINT_CXX    = $(shell find harness tests -name '*.cc')
LINT_SHELL  = $(shell grep -lE '^\#!.*sh$$' .ci/* scripts/* compare/programs/*.sh $(wildcard run.sh))
LINT_PYTHON = $(wildcard analysis compare) tests tests/run scripts/nightly scripts/publish scripts/wrong-frees
LINT_FLAGS  = -D_GNU_SOURCE= -Iallocator/include -Iallocator/src -I.

LINT_STEPS := lint-format lint-shell lint-python lint-cppcheck lint-tidy lint-gcc lint-clang
.PHONY: format $(LINT_STEPS)
lint: $(LINT_STEPS)  ## format, static analysis, and a build free of warnings with gcc and clang
$(LINT_STEPS): lint-tools

.PHONY: lint-tools
lint-tools:
	@scripts/bootstrap lint

lint-format:
	@clang-format --dry-run -Werror $(LINT_C) $(LINT_CXX)
	@black --quiet --check --diff $(LINT_PYTHON)

lint-shell:
	@shellcheck $(LINT_SHELL)

lint-python:
	@flake8 $(LINT_PYTHON)
	@mypy --scripts-are-modules --no-error-summary $(LINT_PYTHON)

# In tests a failed realloc ends the test; fresh and freed memory are looked at on purpose.
lint-cppcheck:
	@cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,portability \
	    --suppress=memleakOnRealloc:tests/* --suppress=uninitdata:tests/* --suppress=deallocret:tests/* $(LINT_FLAGS) $(filter %.c,$(LINT_C))

# faulty.c is whole only with what its test defines.
lint-tidy:
	@clang-tidy --quiet $(filter-out %/faulty.c,$(filter %.c,$(LINT_C))) -- -std=gnu11 $(LINT_FLAGS)

lint-gcc:
	@$(MAKE) --no-print-directory -s WERROR=1 CC=gcc CXX=g++ BUILD=$(BUILD)/lint-gcc all test-programs

# A comma that goes with empty __VA_ARGS__ is GNU C, as the language is set to be.
lint-clang:
	@$(MAKE) --no-print-directory -s WERROR=1 CC=clang CXX=clang++ \
	    CFLAGS=-Wno-gnu-zero-variadic-macro-arguments BUILD=$(BUILD)/lint-clang all test-programs

format: lint-tools  ## let clang-format and black write the sources as they want them
	clang-format -i $(LINT_C) $(LINT_CXX)
	black --quiet $(LINT_PYTHON)

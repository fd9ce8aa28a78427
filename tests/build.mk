# The cmocka programs, and the targets that run tests and linters. tests/run runs and sums up.

ALLOCATOR_TESTS := $(patsubst %,$(BUILD)/%,$(basename $(sort $(wildcard tests/allocator/test_*.c tests/allocator/test_*.cc))))
# The same source in other ways of use: linked statically, and unaware of hakmem but for LD_PRELOAD.
TEST_PROGRAMS   := $(ALLOCATOR_TESTS) $(BUILD)/tests/allocator/test_api-static $(BUILD)/tests/allocator/test_api-preload
# -fno-builtin: the compiler must neither drop calls of malloc nor assume what they do.
TEST_FLAGS      := -O1 -g -fno-builtin -Iallocator/include
TEST_LIBS       := -lcmocka -pthread -ldl

$(BUILD)/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(TEST_FLAGS) $(CWARN) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/tests/%.o: tests/%.cc
	@mkdir -p $(@D)
	$(CXX) -std=c++17 $(TEST_FLAGS) $(WARN) $(CXXFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/tests/allocator/test_%: $(BUILD)/tests/allocator/test_%.o $(BUILD)/tests/allocator/support.o $(BUILD)/libhakmem.so
	$(CXX) $(LDFLAGS) $^ -Wl,-rpath,'$$ORIGIN/../..' $(TEST_LIBS) -o $@

$(BUILD)/tests/allocator/test_%-static: $(BUILD)/tests/allocator/test_%.o $(BUILD)/tests/allocator/support.o $(BUILD)/libhakmem.a
	$(CXX) $(LDFLAGS) $^ $(TEST_LIBS) -o $@

$(BUILD)/tests/allocator/test_%-preload: $(BUILD)/tests/allocator/test_%.o $(BUILD)/tests/allocator/support.o | $(BUILD)/libhakmem.so
	$(CXX) $(LDFLAGS) $^ $(TEST_LIBS) -o $@

# Finds the library by itself, at run time.
$(BUILD)/tests/allocator/test_dlopen: $(BUILD)/tests/allocator/test_dlopen.o $(BUILD)/tests/allocator/support.o | $(BUILD)/libhakmem.so
	$(CXX) $(LDFLAGS) $^ -Wl,-rpath,'$$ORIGIN/../..' $(TEST_LIBS) -o $@

# Objects are kept, though no rule names them.
.PRECIOUS: $(BUILD)/tests/%.o

-include $(wildcard $(BUILD)/tests/*/*.d)

.PHONY: test-programs ubsan
test-programs: $(TEST_PROGRAMS)

# Make starts anew after bootstrap: what is installed only now must not be missing from its variables.
test:  ## every test; installs what is missing; the last line is 'N passed, N failed'
	@scripts/bootstrap test
	@$(MAKE) --no-print-directory all test-programs
	@tests/run --build $(BUILD)

check: all test-programs  ## the fast tests, under a minute
	@tests/run --fast --build $(BUILD)

ubsan:  ## the allocator's tests with gcc's undefined behaviour sanitizer
	@scripts/bootstrap test
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/ubsan CFLAGS='-fsanitize=undefined -fno-sanitize-recover=all' \
	    LDFLAGS='-fsanitize=undefined' $(BUILD)/ubsan/libhakmem.so test-programs
	@tests/run --no-pytest --build $(BUILD)/ubsan

LINT_C      = $(shell find allocator harness scenarios tests -name '*.[ch]')
LINT_CXX    = $(shell find harness tests -name '*.cc')
LINT_SHELL  = $(shell grep -lE '^\#!.*sh$$' .ci/* scripts/* $(wildcard run.sh))
LINT_PYTHON = $(wildcard analysis compare) tests tests/run

lint:  ## format, static analysis, and a build free of warnings with gcc and clang
	@scripts/bootstrap lint
	clang-format --dry-run -Werror $(LINT_C) $(LINT_CXX)
	shellcheck $(LINT_SHELL)
	black --quiet --check $(LINT_PYTHON)
	flake8 $(LINT_PYTHON)
	mypy $(LINT_PYTHON)
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,portability \
	    --suppress=missingIncludeSystem -Iallocator/include -Iallocator/src -Iharness -Iscenarios $(filter %.c,$(LINT_C))
	clang-tidy --quiet $(filter %.c,$(LINT_C)) -- -std=gnu11 -Iallocator/include -Iallocator/src -I. -Iharness -Iscenarios
	$(MAKE) WERROR=1 CC=gcc CXX=g++ BUILD=$(BUILD)/lint-gcc all test-programs
	$(MAKE) WERROR=1 CC=clang CXX=clang++ BUILD=$(BUILD)/lint-clang all test-programs

# libFuzzer's targets: clang, with the address and undefined behaviour sanitizers, and the allocator under its hak_ names.

FUZZ_TARGETS := calls settings trace
FUZZ_SECONDS ?= 60
FUZZ_OUT     := $(BUILD)/fuzz
FUZZ_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_FLAGS   := -std=gnu11 -g -O1 -fno-builtin $(FUZZ_SANITIZE) -fsanitize=fuzzer -Wall -Wextra -D_GNU_SOURCE= \
                -I. -Iallocator/include -Iallocator/src

.PHONY: fuzz fuzz-targets
fuzz: fuzz-targets  ## every fuzz target for FUZZ_SECONDS (60), from the corpora in tests/fuzz/corpus
	@for target in $(FUZZ_TARGETS); do mkdir -p $(FUZZ_OUT)/found-$$target; ended=0; \
	    env -u LD_PRELOAD $(FUZZ_OUT)/$$target -close_fd_mask=2 -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -rss_limit_mb=4096 \
	    -artifact_prefix=$(FUZZ_OUT)/ $(FUZZ_OUT)/found-$$target tests/fuzz/corpus/$$target >$(FUZZ_OUT)/$$target.log 2>&1 || ended=$$?; \
	    grep -vE 'NEW|REDUCE|pulse' $(FUZZ_OUT)/$$target.log; \
	    [ $$ended = 0 ] || { echo "fuzz: $$target ended with status $$ended"; exit 1; }; done
	@echo "$@: nothing found"

fuzz-targets:
	@scripts/bootstrap test
	@$(MAKE) --no-print-directory -s PREFIXED=1 CC=clang CXX=clang++ BUILD=$(FUZZ_OUT) \
	    CFLAGS='-fsanitize=fuzzer-no-link $(FUZZ_SANITIZE) -DHKM_ARENAS_FROM=0x200000000000 -DHKM_ARENA_CHOICES=4096u -Wno-gnu-zero-variadic-macro-arguments' \
	    $(FUZZ_OUT)/libhakmem.a
	@clang $(FUZZ_FLAGS) -include tests/allocator/prefixed.h tests/fuzz/fuzz_calls.c tests/allocator/model.c $(FUZZ_OUT)/libhakmem.a -pthread -o $(FUZZ_OUT)/calls
	@clang $(FUZZ_FLAGS) tests/fuzz/fuzz_settings.c $(FUZZ_OUT)/libhakmem.a -pthread -o $(FUZZ_OUT)/settings
	@clang $(FUZZ_FLAGS) tests/fuzz/fuzz_trace.c scenarios/trace_reader.c harness/arena.c harness/fail.c -o $(FUZZ_OUT)/trace

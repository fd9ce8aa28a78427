# The allocator on another kind of processor: cross-compiled for aarch64, its tests run under qemu, which emulates one process.
#
# Tests that cannot run so are counted as skipped, each says why (skip_under_emulator): five judge resident memory, which is mostly
# the emulator's; one stops after each instruction in x86's way; in one, and in its static build, a process with threads forks, after
# which qemu 7.2 itself fails at times.
# Not run: storm, as it is such forks, and memory judged by what is resident; faults, test_*.py and whole runs of the lab, which
# start many programs that would each need the emulator. What qemu does not have is a weak order of memory on a machine whose own
# order is strong.

AARCH64        := $(BUILD)/aarch64
AARCH64_LIBS   := $(abspath $(AARCH64))/sysroot/usr/lib/aarch64-linux-gnu
AARCH64_CFLAGS := -isystem $(AARCH64)/sysroot/usr/include
AARCH64_STRESS ?= 200000
# Where most kernels give programs 2^48 bytes of addresses, some give 2^39.
AARCH64_NARROW := QEMU_RESERVED_VA=0x8000000000
aarch64: export QEMU_LD_PREFIX := /usr/aarch64-linux-gnu

.PHONY: aarch64
aarch64:  ## the allocator's tests on aarch64, emulated
	@scripts/bootstrap test
	@$(MAKE) --no-print-directory $(AARCH64)/sysroot/unpacked
	@$(MAKE) --no-print-directory -s WERROR=1 BUILD=$(AARCH64) CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++ \
	    CFLAGS='$(AARCH64_CFLAGS)' CXXFLAGS='$(AARCH64_CFLAGS)' \
	    LDFLAGS='-L$(AARCH64_LIBS) -Wl,-rpath,$(AARCH64_LIBS)' all test-programs
	@tests/run --no-pytest --build $(AARCH64) --under qemu-aarch64
	@qemu-aarch64 $(AARCH64)/tests/allocator/stress --operations $(AARCH64_STRESS)
	@$(AARCH64_NARROW) qemu-aarch64 $(AARCH64)/tests/allocator/stress --operations $(AARCH64_STRESS)
	@qemu-aarch64 -E LD_PRELOAD=$(abspath $(AARCH64))/libhakmem.so $(AARCH64)/tests/allocator/wrong_frees 2>$(AARCH64)/wrong_frees.log | \
	    awk -F '\t' '{ n[$$5]++ } END { for (o in n) print "wrong frees", o, n[o]; exit NR == 0 || n["aborted"] != NR }'
	@qemu-aarch64 -E LD_PRELOAD=$(abspath $(AARCH64))/libhakmem.so $(AARCH64)/hkl-driver --scenario random_mixed --iters 3

# What the C library for cross-compilers does not have.
$(AARCH64)/sysroot/unpacked:
	scripts/unpack-packages arm64 $(@D) libcmocka-dev libcmocka0 libbenchmark-dev libbenchmark1debian
	@touch $@

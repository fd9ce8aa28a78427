# hakmem lab: the top of the build. Each folder that holds C has its own build.mk with its targets.
# 'make help' lists what can be asked for.

CC      ?= gcc
CXX     ?= g++
BUILD   ?= build
# WERROR=1 (as 'make lint' and CI set it) turns warnings into errors.
WERROR  ?=

WARN    := -Wall -Wextra -Wpedantic -Wshadow $(if $(WERROR),-Werror)
# -Wconversion has no use in C++ test code that talks to a C++ library.
CWARN   := $(WARN) -Wconversion -Wstrict-prototypes -Wmissing-prototypes

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all check test lint install clean help

include allocator/build.mk
include harness/build.mk
include tests/build.mk
include tests/fuzz/build.mk
include tests/aarch64.mk
include scripts/install.mk

all: $(ALLOCATOR_LIBS) $(HARNESS_BIN) $(RECORD_BIN)  ## the allocator, the benchmark driver, the recorder (default)

clean:  ## delete everything that was built
	rm -rf $(BUILD)

help:  ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sort -u | awk -F ':.*## *' '{printf "  %-18s %s\n", $$1, $$2}'

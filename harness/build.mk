# hkl-driver: harness and scenarios in one binary.
HARNESS_BIN := $(BUILD)/hkl-driver

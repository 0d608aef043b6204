# What each flavour adds. Sanitizers build with clang (gcc has no libFuzzer).
FLAVOUR_CONFIG := release
ifeq ($(FLAVOUR),debug)
FLAVOUR_CONFIG := debug
CFLAGS += -O0 -DZS_DEBUG
HARDEN := -fstack-protector-strong -fPIE
else ifeq ($(FLAVOUR),min)
FLAVOUR_CONFIG := min
else ifeq ($(FLAVOUR),max)
FLAVOUR_CONFIG := max
else ifneq ($(filter asan ubsan tsan fuzz,$(FLAVOUR)),)
FLAVOUR_CONFIG := debug
CC := clang
CFLAGS += -O1 -DZS_DEBUG -DZS_SANITIZED -fno-omit-frame-pointer -Wno-gnu-variable-sized-type-not-at-end
HARDEN := -fPIE
SANITIZE_asan  := -fsanitize=address,undefined -fno-sanitize-recover=undefined
SANITIZE_ubsan := -fsanitize=undefined -fno-sanitize-recover=undefined
SANITIZE_tsan  := -fsanitize=thread
SANITIZE_fuzz  := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
CFLAGS += $(SANITIZE_$(FLAVOUR))
FLAVOUR_LINK := $(SANITIZE_$(FLAVOUR))
else ifneq ($(FLAVOUR),release)
$(error unknown FLAVOUR '$(FLAVOUR)': release debug min max asan ubsan tsan fuzz)
endif

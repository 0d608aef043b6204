# ZeroState Relay. `make help` lists the targets.
.DEFAULT_GOAL := all
FLAVOUR ?= release
B := build/$(FLAVOUR)
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:

CC      := gcc
CLANG   := clang
PKG     := pkg-config
CSTD    := -std=gnu17
WARN    := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter -Wno-format-zero-length
CFLAGS  := $(CSTD) $(WARN) -O2 -g -fno-strict-aliasing -fno-common -D_GNU_SOURCE -I$(B) -include $(B)/autoconf.h
LDFLAGS := -Wl,--as-needed -Wl,-z,relro,-z,now
HARDEN  := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
include scripts/flavours.mk
# CHANGELOG.md says which release this is, git which commit of it.
RELEASE := $(shell sed -nE 's/^\#\# ([0-9][0-9.]*) .*/\1/p' CHANGELOG.md | head -n 1)
VERSION := $(RELEASE)$(addprefix +,$(shell git describe --always --dirty --exclude '*' 2>/dev/null))

# --- Kconfig: one configuration per flavour -----------------------------------------------
CONFIG   ?= $(FLAVOUR_CONFIG)
KCONF    := KCONFIG_CONFIG=$(B)/.config
$(B)/.config: kconfig/$(CONFIG).config kconfig/Kconfig
	@mkdir -p $(B) && $(KCONF) kconfig-conf --defconfig=$< kconfig/Kconfig >/dev/null
# A CONFIG that was asked for holds, whatever the build had before; else .config stays as menuconfig left it.
ifneq ($(filter command environment,$(firstword $(origin CONFIG))),)
$(B)/.config: $(B)/.config-from
$(B)/.config-from: FORCE
	@mkdir -p $(B); test "$$(cat $@ 2>/dev/null)" = $(CONFIG) || echo $(CONFIG) > $@
endif
# .config is make syntax already; the C side gets the same words as macros.
$(B)/autoconf.h: $(B)/.config
	@sed -nE 's/^(CONFIG_[A-Z0-9_]+)=y$$/#define \1 1/p; s/^(CONFIG_[A-Z0-9_]+)=([^y].*)$$/#define \1 \2/p' $< > $@
# Who includes it is made anew with a commit, and nothing else.
$(B)/version.h: FORCE
	@mkdir -p $(B); v='#define ZS_VERSION "$(VERSION)"'; test "$$(cat $@ 2>/dev/null)" = "$$v" || echo "$$v" > $@
GENERATED := $(B)/version.h
# These targets install, delete or delegate: they must work before kconfig-conf is there.
ifeq ($(filter deps help run test test-unit test-fuzz test-matrix test-conformance test-e2e lint lint-format format clean distclean,$(MAKECMDGOALS)),)
include $(B)/.config
endif
.PHONY: menuconfig defconfig
menuconfig: ## choose engines, drivers and capacities of this FLAVOUR
	@mkdir -p $(B); rm -f $(B)/.config-from; $(KCONF) kconfig-mconf kconfig/Kconfig
defconfig: ## back to kconfig/FLAVOUR.config
	@mkdir -p $(B); rm -f $(B)/.config-from; $(KCONF) kconfig-conf --defconfig=kconfig/$(CONFIG).config kconfig/Kconfig

# --- Rules that every room uses ------------------------------------------------------------
# $(call compile,ROOM,FLAGS): objects of $(ROOM)/**.c with that room's include paths. GENERATED: sources made
# before any room that comes after theirs.
define compile
$(B)/obj/$(1)/%.o: $(1)/%.c $(B)/autoconf.h $(B)/.flags-$(subst /,-,$(1)) | $(GENERATED)
	@mkdir -p $$(@D)
	@echo "  CC    $$<"
	@$(CC) $(CFLAGS) $(HARDEN) $(2) $$(OWN_FLAGS) -MMD -MP -c $$< -o $$@
$(B)/.flags-$(subst /,-,$(1)): FORCE
	@mkdir -p $(B); f='$(CC) $(CFLAGS) $(HARDEN) $(2)'; test "$$$$(cat $$@ 2>/dev/null)" = "$$$$f" || echo "$$$$f" > $$@
endef
objects = $(patsubst %.c,$(B)/obj/%.o,$(1))
# $(call program,NAME,OBJECTS,LIBS): links $(B)/NAME with the library.
define program
all: $(B)/$(1)
$(B)/$(1): $(2) $(B)/libzs.a
	@echo "  LD    $$@"
	@$(CC) $(FLAVOUR_LINK) $(LDFLAGS) -pie -o $$@ $(2) $(B)/libzs.a $(3)
endef

ROOMS := lib bpf dataplane controlplane tools bench packaging tests
include $(foreach room,$(ROOMS),$(wildcard $(room)/build.mk))
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

.PHONY: all deps run test test-unit test-e2e test-conformance test-fuzz test-matrix soak lint lint-format format clean distclean help FORCE
all: ## build everything of this FLAVOUR (release, debug, min, max, asan, ubsan, tsan, fuzz) into build/FLAVOUR; CONFIG=min takes another kconfig/*.config
DEPS_ALL := scripts/deps scripts/packages scripts/packages-test
deps: ## install what the build lacks from Debian (main and backports); run and test see to what they need themselves
	@scripts/deps
run: ## a lab in network namespaces: client - relay - HTTP/3 server (LAB_SECONDS=N ends it)
	@$(DEPS_ALL) && $(MAKE) --no-print-directory all && scripts/lab
test: ## everything: unit, fuzz, matrix, conformance, end-to-end; ends with the counts
	@$(DEPS_ALL) && scripts/test all
test-unit: ## unit tests (all of them, under ASan and UBSan)
	@scripts/test unit
test-fuzz: ## every fuzz target over its corpus and for FUZZ_SECONDS
	@scripts/test fuzz
test-matrix: ## the smallest and the largest Kconfig: built, tested, and each a relay that forwards
	@scripts/test matrix
test-conformance: ## rows of packets against the engines
	@scripts/test conformance
test-e2e: ## end-to-end tests in network namespaces (T=name runs one)
	@scripts/test e2e $(T)
soak: ## churn through a relay for SECONDS (3600): is its memory flat?
	@$(MAKE) --no-print-directory all && SOAK_SECONDS="$(or $(SECONDS),3600)" tests/e2e/soak
lint: lint-format ## clang-format, forbidden tokens in the burst path, include rule
	@scripts/lint
lint-format:
	@git ls-files --cached --others --exclude-standard '*.c' '*.h' | xargs -r clang-format --dry-run --Werror
format: ## rewrite the sources with clang-format
	@git ls-files --cached --others --exclude-standard '*.c' '*.h' | xargs -r clang-format -i
clean: ## remove build/FLAVOUR
	rm -rf $(B)
distclean: ## remove every build
	rm -rf build
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' Makefile */build.mk | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | sort | awk -F'\t' '{printf "  make %-18s %s\n", $$1, $$2}'
FORCE:

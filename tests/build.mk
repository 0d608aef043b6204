# tests/: every tests/unit/ROOM/test_NAME.c is one cmocka program linked with that room;
# every tests/fuzz/fuzz_NAME.c one libFuzzer target (FLAVOUR=fuzz), its corpus beside it.
$(eval $(call compile,tests,-Ilib -Icontrolplane -Idataplane -Ibpf -Itools/zsctl -Itests))
UNIT_LIB  := $(patsubst tests/unit/lib/%.c,%,$(wildcard tests/unit/lib/test_*.c))
UNIT_CP   := $(patsubst tests/unit/controlplane/%.c,%,$(wildcard tests/unit/controlplane/test_*.c))
FUZZ_ALL  := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
UNIT_BINS := $(addprefix $(B)/tests/,$(UNIT_LIB) $(UNIT_CP))

# $(call unit,NAME,ROOM,OBJECTS,LIBS)
define unit
$(B)/tests/$(1): $(B)/obj/tests/unit/$(2)/$(1).o $(3) $(B)/libzs.a
	@mkdir -p $$(@D) && echo "  LD    $$@"
	@$(CC) $(FLAVOUR_LINK) $(LDFLAGS) -pie -o $$@ $$(filter-out %.a,$$^) $(B)/libzs.a $(4) -lcmocka $(LIB_LIBS)
endef
$(foreach t,$(UNIT_LIB),$(eval $(call unit,$(t),lib,,)))
$(foreach t,$(UNIT_CP),$(eval $(call unit,$(t),controlplane,$$(CP_OBJ_TESTED),$$(CP_LIBS))))
define fuzz
$(B)/tests/$(1): $(B)/obj/tests/fuzz/$(1).o $(if $(findstring fuzz_admin,$(1)),$$(CP_OBJ_TESTED)) $(B)/libzs.a
	@mkdir -p $$(@D) && echo "  LD    $$@"
	@$(CC) -fsanitize=fuzzer $(FLAVOUR_LINK) $(LDFLAGS) -pie -o $$@ $$(filter-out %.a,$$^) $(B)/libzs.a $(if $(findstring fuzz_admin,$(1)),$$(CP_LIBS)) $(LIB_LIBS)
endef
$(foreach t,$(FUZZ_ALL),$(eval $(call fuzz,$(t))))

.PHONY: unit-bins fuzz-bins
unit-bins: $(UNIT_BINS)
fuzz-bins: $(addprefix $(B)/tests/,$(FUZZ_ALL))

# The end-to-end tests' own load generator: no library of ours behind it.
all: $(B)/tests/udpload
$(B)/tests/udpload: $(B)/obj/tests/e2e/udpload.o
	@mkdir -p $(@D) && echo "  LD    $@"
	@$(CC) $(FLAVOUR_LINK) $(LDFLAGS) -pie -o $@ $<

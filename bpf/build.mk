# bpf/: the steering program for the kernel, its loader, and zs-steer to handle both by hand.
$(eval $(call compile,bpf,-Ilib -Ibpf))
BPF_OBJ   := $(call objects,bpf/loader.c bpf/keys.c bpf/blocks.c bpf/pins.c bpf/writer.c bpf/writer_load.c bpf/inverse.c)
BPF_LIBS   = $(shell $(PKG) --libs libbpf) -lelf -lz
BPF_ARCH   = $(shell $(CC) -print-multiarch 2>/dev/null || gcc -print-multiarch)
BPF_FLAGS  = -O2 -g -Wall -Wextra -Werror -ffreestanding -target bpf -mcpu=v3 -Ibpf/include -Ibpf -Ilib -isystem /usr/include/$(BPF_ARCH)
BPF_PROGS := $(addprefix $(B)/,steer.bpf.o fast.bpf.o)
$(B)/fast.bpf.o: BPF_FLAGS += -DZS_FAST
$(BPF_PROGS): bpf/steer.bpf.c $(wildcard bpf/*.h bpf/include/*.h) lib/base/hash.h lib/net/addr.h lib/shm/charge.h lib/shm/police.h lib/shm/senders.h
	@mkdir -p $(@D)
	@echo "  BPF   $(@F)"
	@$(CLANG) $(BPF_FLAGS) -c $< -o $@
all: $(BPF_PROGS)
$(eval $(call program,zs-steer,$(BPF_OBJ) $(call objects,bpf/steerctl.c),$$(BPF_LIBS) $$(LIB_LIBS)))
all: $(B)/man/zs-steer.8
$(B)/man/zs-steer.8: $(B)/zs-steer
	@mkdir -p $(@D) && $< man > $@

# Root and bpf(2): run by tests/e2e/steer_rows and fast_rows, not with the unit tests.
BPF_ROWS := $(addprefix $(B)/tests/,steer_rows fast_rows)
$(BPF_ROWS): $(B)/tests/%: $(B)/obj/tests/bpf/%.o $(BPF_OBJ) $(B)/libzsrelay.a $(B)/libzs.a
	@mkdir -p $(@D) && echo "  LD    $@"
	@$(CC) $(FLAVOUR_LINK) $(LDFLAGS) -pie -o $@ $(filter %.o,$^) $(BPF_LIBS) $(RELAY_LIBS) $(LIB_LIBS)
$(B)/tests/fast_rows: $(B)/obj/tests/bpf/fast_bed.o
all: $(BPF_ROWS)

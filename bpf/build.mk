# bpf/: the steering program for the kernel, its loader, and zs-steer to handle both by hand.
$(eval $(call compile,bpf,-Ilib -Ibpf))
BPF_OBJ   := $(call objects,bpf/loader.c bpf/keys.c bpf/blocks.c)
BPF_LIBS   = $(shell $(PKG) --libs libbpf) -lelf -lz
BPF_ARCH   = $(shell $(CC) -print-multiarch 2>/dev/null || gcc -print-multiarch)
$(B)/steer.bpf.o: bpf/steer.bpf.c bpf/steer.h
	@mkdir -p $(@D)
	@echo "  BPF   $<"
	@$(CLANG) -O2 -g -Wall -Wextra -Werror -target bpf -I/usr/include/$(BPF_ARCH) -Ibpf -c $< -o $@
all: $(B)/steer.bpf.o
$(eval $(call program,zs-steer,$(BPF_OBJ) $(call objects,bpf/steerctl.c),$$(BPF_LIBS) $$(LIB_LIBS)))

# Root and bpf(2): run by tests/e2e/steer_rows, not with the unit tests.
$(B)/tests/steer_rows: $(B)/obj/tests/bpf/steer_rows.o $(BPF_OBJ) $(B)/libzs.a
	@mkdir -p $(@D) && echo "  LD    $@"
	@$(CC) $(FLAVOUR_LINK) $(LDFLAGS) -pie -o $@ $^ $(BPF_LIBS) $(LIB_LIBS)
all: $(B)/tests/steer_rows

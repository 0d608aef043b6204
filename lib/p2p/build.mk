# lib/p2p, the libp2p host, and lib/node, which runs it: an archive of its own, so that only what speaks libp2p
# links BoringSSL.
P2P_SRC    := $(wildcard lib/p2p/*.c lib/p2p/*/*.c lib/node/*.c)
P2P_PROTO  := $(patsubst lib/p2p/proto/%.proto,%,$(wildcard lib/p2p/proto/*.proto))
P2P_GEN    := $(B)/gen/p2p
P2P_FLAGS  := -Ilib -I$(B)/gen -isystem /usr/include/android
P2P_LIBS   := -L$(BORINGSSL) -lssl $(RELAY_LIBS) $(shell $(PKG) --libs libngtcp2 libsecp256k1 libcares libsodium) -lprotobuf-nanopb
P2P_PB     := $(P2P_PROTO:%=$(P2P_GEN)/%.pb.c)
GENERATED  += $(P2P_PB)
$(eval $(call compile,lib/p2p,$(P2P_FLAGS)))
$(eval $(call compile,lib/node,$(P2P_FLAGS)))
# Generated code is checked by its generator's authors, not by our warnings.
$(P2P_GEN)/%.pb.c $(P2P_GEN)/%.pb.h &: lib/p2p/proto/%.proto $(wildcard lib/p2p/proto/*.options)
	@mkdir -p $(P2P_GEN)
	@echo "  PB    $<"
	@nanopb_generator.py -q -I lib/p2p/proto -D $(P2P_GEN) $(<F)
$(P2P_GEN)/%.pb.o: $(P2P_GEN)/%.pb.c $(B)/.flags-lib-p2p
	@$(CC) $(CFLAGS) $(HARDEN) $(P2P_FLAGS) -w -c $< -o $@
# Whoever links this links libzsrelay.a too (P2P_LIBS), and is linked anew with it.
$(B)/libzsp2p.a: $(call objects,$(P2P_SRC)) $(P2P_PB:.c=.o) $(B)/libzsrelay.a
	@rm -f $@ && ar rcs $@ $(filter %.o,$^)
all: $(B)/libzsp2p.a

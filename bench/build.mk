# bench/: zs-bench. libp2p/ links lib/p2p.
BENCH_SRC := $(wildcard bench/*.c bench/*/*.c)
BENCH_LIBS = $(B)/libzsp2p.a $(B)/libzs.a $(P2P_LIBS) $(LIB_LIBS) -lm
$(eval $(call compile,bench,-Ilib -Ibench $(P2P_FLAGS)))
$(eval $(call program,zs-bench,$(call objects,$(BENCH_SRC)) $(B)/libzsp2p.a,$$(BENCH_LIBS)))

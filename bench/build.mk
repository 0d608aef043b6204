# bench/: zs-bench. core/ links jansson alone; libp2p/ lib/p2p; flood/, relay/ and forward/ a worker of the dataplane and its in-memory ports;
# xdp/ the fast path's program and writer.
BENCH_SRC := $(filter-out %.bpf.c,$(wildcard bench/*.c bench/*/*.c))
BENCH_LIBS = $(B)/libzsp2p.a $(B)/libzs.a $(P2P_LIBS) $(LIB_LIBS) -lm
ifdef CONFIG_DRIVER_BENCH
DPDK_CORE  += hash rcu # of a peer alone; nothing of them is in zs-dataplane
BENCH_DP   = $(filter-out %/dataplane/main.o,$(DP_OBJ)) $(BPF_OBJ) $(B)/libzsrelay.a
BENCH_LIBS += $(DPDK_LIBS) $(RELAY_LIBS)
$(eval $(call compile,bench/flood,-Ilib -Ibench -Idataplane -Ibpf $(DPDK_CFLAGS)))
$(eval $(call compile,bench/forward,-Ilib -Ibench -Idataplane -Ibpf $(DPDK_CFLAGS)))
$(eval $(call compile,bench/peers,-Ilib -Ibench -Idataplane -Ibpf $(DPDK_CFLAGS)))
$(eval $(call compile,bench/xdp,-Ilib -Ibench -Ibpf))
$(B)/xdp_bench.bpf.o: bench/xdp/bench.bpf.c bench/xdp/frames.h $(B)/fast.bpf.o
	@echo "  BPF   $(@F)"
	@$(CLANG) $(BPF_FLAGS) -Ibench/xdp -c $< -o $@
$(B)/forwarder.bpf.o: bench/xdp/forwarder.bpf.c bench/xdp/forwarder.h
	@echo "  BPF   $(@F)"
	@$(CLANG) $(BPF_FLAGS) -Ibench -c $< -o $@
all: $(B)/xdp_bench.bpf.o $(B)/forwarder.bpf.o
$(eval $(call compile,bench/relay,-Ilib -Ibench -Idataplane -Ibpf -isystem /usr/include/android $(DPDK_CFLAGS)))
else
BENCH_SRC := $(filter-out bench/flood/% bench/relay/% bench/forward/% bench/peers/% bench/xdp/%,$(BENCH_SRC))
endif
$(eval $(call compile,bench,-Ilib -Ibench $(P2P_FLAGS)))
$(eval $(call program,zs-bench,$(call objects,$(BENCH_SRC)) $$(BENCH_DP) $(B)/libzsp2p.a,$$(BENCH_LIBS)))
all: $(B)/man/zs-bench.8
$(B)/man/zs-bench.8: $(B)/zs-bench
	@mkdir -p $(@D) && $< man > $@

.PHONY: bench bench-full bench-readme bench-peers
bench: all ## the short set of benches, some minutes as root: bench/results/latest.{json,html}
	@mkdir -p bench/results && $(B)/zs-bench suite short bench/results/latest
bench-full: all ## every bench, with ten million flows, veth and go-libp2p as peers
	@mkdir -p bench/results && $(B)/zs-bench suite full bench/results/latest
bench-readme: ## README's table from bench/results/latest.json
	@$(B)/zs-bench readme bench/results/latest.json README.md
bench-peers: ## what benches compare with beyond Debian's dpdk: installs scripts/packages-peers, builds bench/peers/go
	@scripts/deps scripts/packages-peers
	@bench/peers/build

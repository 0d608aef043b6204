# tests/: every tests/unit/ROOM/test_NAME.c is one cmocka program linked with that room;
# every tests/fuzz/fuzz_NAME.c one libFuzzer target (FLAVOUR=fuzz), its corpus beside it.
$(eval $(call compile,tests,-Ilib -Icontrolplane -Idataplane -Ibpf -Itools/zsctl -Itools/edge -Itests $(P2P_FLAGS)))
UNIT_LIB  := $(patsubst tests/unit/lib/%.c,%,$(wildcard tests/unit/lib/test_*.c))
UNIT_CP   := $(patsubst tests/unit/controlplane/%.c,%,$(wildcard tests/unit/controlplane/test_*.c))
FUZZ_ALL  := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
UNIT_P2P  := $(patsubst tests/unit/p2p/%.c,%,$(wildcard tests/unit/p2p/test_*.c))
UNIT_RELAY := $(patsubst tests/unit/relay/%.c,%,$(wildcard tests/unit/relay/test_*.c))
UNIT_EDGE := $(patsubst tests/unit/edge/%.c,%,$(wildcard tests/unit/edge/test_*.c))
UNIT_DP   := $(if $(CONFIG_ENGINE_DPDK),$(patsubst tests/unit/dataplane/%.c,%,$(wildcard tests/unit/dataplane/test_*.c)))
UNIT_BENCH := $(patsubst tests/unit/bench/%.c,%,$(wildcard tests/unit/bench/test_*.c))
UNIT_BINS := $(addprefix $(B)/tests/,$(UNIT_BENCH) $(UNIT_LIB) $(UNIT_CP) $(UNIT_P2P) $(UNIT_RELAY) $(UNIT_EDGE) $(UNIT_DP))

# $(call unit,NAME,ROOM,OBJECTS,LIBS)
define unit
$(B)/tests/$(1): $(B)/obj/tests/unit/$(2)/$(1).o $(3) $(B)/libzs.a
	@mkdir -p $$(@D) && echo "  LD    $$@"
	@$(CC) $(FLAVOUR_LINK) $(LDFLAGS) $$(OWN_LINK) -pie -o $$@ $$(filter-out %.a,$$^) $(4) $(B)/libzs.a -lcmocka $(LIB_LIBS)
endef
$(foreach t,$(UNIT_LIB),$(eval $(call unit,$(t),lib,,)))
$(foreach t,$(UNIT_CP),$(eval $(call unit,$(t),controlplane,$$(CP_OBJ_TESTED) $$(B)/libzsp2p.a,$$(CP_LIBS))))
# It is killed at every write of the store.
$(B)/tests/test_usage: OWN_LINK := -Wl,--wrap=zs_store_commit
# It is not the disk that is looked at.
$(B)/tests/test_attach_many: OWN_LINK := -Wl,--wrap=zs_store_commit
# … and here a disk that takes writes and cannot sync them.
$(B)/tests/test_peers_known: OWN_LINK := -Wl,--wrap=zs_store_commit
# … and one that is full.
$(B)/tests/test_revisions: OWN_LINK := -Wl,--wrap=zs_store_commit
# … and one thing after the other that can go wrong does.
FAULTS := malloc calloc realloc aligned_alloc strdup mmap fallocate ftruncate fchmod write pwrite read fsync rename link mkdir socket fopen open
$(foreach t,test_faults test_faults_apply,$(eval $(B)/tests/$(t): OWN_LINK := $(FAULTS:%=-Wl,--wrap=%)))
$(B)/tests/test_faults $(B)/tests/test_faults_apply: $(B)/obj/tests/faults.o
# … while a whole program starts: its main is the test's.
STARTS := main zs_notify $(FAULTS)
$(B)/tests/test_faults_start: OWN_LINK := $(foreach w,zs_control_drop zs_control_filter $(STARTS),-Wl,--wrap=$w)
$(B)/tests/test_faults_start: $(addprefix $(B)/obj/,tests/faults.o tests/starts.o controlplane/main.o)
$(B)/tests/test_faults_edge: OWN_LINK := $(foreach w,zs_edge_sandbox $(STARTS),-Wl,--wrap=$w)
$(B)/tests/test_faults_edge: $(addprefix $(B)/obj/,tests/faults.o tests/starts.o tools/edge/main.o)
$(foreach t,$(UNIT_P2P),$(eval $(call unit,$(t),p2p,$$(B)/libzsp2p.a,$$(B)/libzsp2p.a $$(B)/libzs.a $$(P2P_LIBS))))
$(foreach t,$(UNIT_RELAY),$(eval $(call unit,$(t),relay,$$(B)/libzsrelay.a,$$(RELAY_LIBS))))
$(foreach t,$(UNIT_EDGE),$(eval $(call unit,$(t),edge,$$(EDGE_OBJ_TESTED) $$(B)/libzsp2p.a,$$(EDGE_LIBS))))
# What the harness makes of figures; it measures nothing.
$(eval $(call compile,tests/unit/bench,-Ilib -Ibench))
$(foreach t,$(UNIT_BENCH),$(eval $(call unit,$(t),bench,$$(call objects,$$(addprefix bench/core/,compare.c histogram.c samples.c search.c zipf.c)),-ljansson -lm)))
# Of the dataplane what knows no DPDK; a test brings what else its subject calls.
DP_PLAIN := $(addprefix dataplane/,$(addsuffix .c,age binds calls cids contacts fastpath entropy flood flows held hot judge limit locals offenders punt punt_kind targets tunnels tunnels_open tracer view windows stage/bind stage/cid stage/express stage/express_cid stage/express_flow stage/express_tunnel stage/flow stage/frame stage/header stage/hop stage/icmp_write stage/inner stage/late stage/newflow stage/pass stage/police stage/rewrite stage/trace \
	stage/tunnel_control stage/tunnel_in stage/tunnel_out))
$(foreach t,$(UNIT_DP),$(eval $(call unit,$(t),dataplane,$$(B)/libzsdp.a $$(B)/libzsrelay.a,$$(B)/libzsdp.a $$(RELAY_LIBS))))
# The one that sends has a fake of DPDK's queues.
$(B)/tests/test_tx: $(call objects,dataplane/stage/tx.c)
$(B)/tests/test_idle: $(call objects,dataplane/idle.c)
# … and tests/unit/dataplane/fake_port.c what it touches of DPDK.
$(eval $(call compile,tests/unit/dataplane,-Ilib -Idataplane -Ibpf -Itests -Itests/unit/dataplane $(DPDK_CFLAGS)))
$(B)/libzsdp.a: $(call objects,$(DP_PLAIN) bpf/writer.c bpf/inverse.c tests/unit/dataplane/fake_port.c)
	@rm -f $@ && ar rcs $@ $^
# $(call fuzz,NAME,OBJECTS,LIBS)
define fuzz
$(B)/tests/$(1): $(B)/obj/tests/fuzz/$(1).o $(2) $(B)/libzs.a
	@mkdir -p $$(@D) && echo "  LD    $$@"
	@$(CC) -fsanitize=fuzzer $(FLAVOUR_LINK) $(LDFLAGS) -pie -o $$@ $$(filter-out %.a,$$^) $(3) $(B)/libzs.a $(LIB_LIBS)
endef
FUZZ_P2P   := $(filter fuzz_p2p_%,$(FUZZ_ALL))
FUZZ_RELAY := $(filter fuzz_relay_%,$(FUZZ_ALL))
FUZZ_ADMIN := $(filter fuzz_admin% fuzz_attach_% fuzz_cid_keys fuzz_netlink fuzz_records,$(FUZZ_ALL))
FUZZ_EDGE  := $(filter fuzz_edge_%,$(FUZZ_ALL))
$(foreach t,$(FUZZ_P2P),$(eval $(call fuzz,$(t),$$(B)/libzsp2p.a,$$(B)/libzsp2p.a $$(B)/libzs.a $$(P2P_LIBS))))
$(foreach t,$(FUZZ_RELAY),$(eval $(call fuzz,$(t),$$(B)/libzsrelay.a,$$(RELAY_LIBS))))
$(foreach t,$(FUZZ_ADMIN),$(eval $(call fuzz,$(t),$$(CP_OBJ_TESTED) $$(B)/libzsp2p.a,$$(CP_LIBS))))
$(foreach t,$(FUZZ_EDGE),$(eval $(call fuzz,$(t),$$(EDGE_OBJ_TESTED) $$(B)/libzsp2p.a,$$(EDGE_LIBS))))
$(foreach t,$(filter-out $(FUZZ_P2P) $(FUZZ_RELAY) $(FUZZ_ADMIN) $(FUZZ_EDGE),$(FUZZ_ALL)),$(eval $(call fuzz,$(t),,)))

.PHONY: unit-bins fuzz-bins capacity-bins
unit-bins: $(UNIT_BINS)
# What Kconfig's capacities shape, for the smallest and the largest.
capacity-bins: $(addprefix $(B)/tests/,test_attach_many test_conf test_events test_state test_tables)
fuzz-bins: $(addprefix $(B)/tests/,$(FUZZ_ALL))

# A relay's store with an attachment in it, for the conformance rows.
all: $(B)/tests/attached_port
$(B)/tests/attached_port: $(B)/obj/tests/conformance/attached_port.o $(CP_OBJ_TESTED) $(B)/libzsp2p.a $(B)/libzs.a
	@mkdir -p $(@D) && echo "  LD    $@"
	@$(CC) $(FLAVOUR_LINK) $(LDFLAGS) -pie -o $@ $(filter-out %.a,$^) $(CP_LIBS) $(B)/libzs.a $(LIB_LIBS)

# The end-to-end tests' own load generators: no library of ours behind them.
all: $(B)/tests/udpload $(B)/tests/udpflood
$(B)/tests/udpload $(B)/tests/udpflood: $(B)/tests/%: $(B)/obj/tests/e2e/%.o
	@mkdir -p $(@D) && echo "  LD    $@"
	@$(CC) $(FLAVOUR_LINK) $(LDFLAGS) -pie -o $@ $<

# Our host as one of the peers of tests/interop/README.md; wrapped is what its faults replace.
P2PHOST_WRAPPED := zs_cert_new zs_tls_new SSL_CTX_set_alpn_protos SSL_CTX_set_alpn_select_cb SSL_get0_alpn_selected
all: $(B)/tests/p2phost
$(B)/tests/p2phost: $(call objects,$(wildcard tests/interop/c/*.c)) $(B)/libzsp2p.a $(B)/libzs.a
	@mkdir -p $(@D) && echo "  LD    $@"
	@$(CC) $(FLAVOUR_LINK) $(LDFLAGS) $(P2PHOST_WRAPPED:%=-Wl,--wrap=%) -pie -o $@ $(filter %.o,$^) $(B)/libzsp2p.a $(B)/libzs.a $(P2P_LIBS) $(LIB_LIBS)
# QUIC peers that are routed by connection ID, and a relay that knows that much: tests/interop/cid/README.md.
all: $(B)/tests/cidpeer $(B)/tests/cidrelay
$(B)/tests/cidpeer: $(call objects,$(filter-out %/cidrelay.c,$(wildcard tests/interop/cid/*.c))) $(EDGE_OBJ_TESTED) $(B)/libzsp2p.a $(B)/libzs.a
	@mkdir -p $(@D) && echo "  LD    $@"
	@$(CC) $(FLAVOUR_LINK) $(LDFLAGS) -pie -o $@ $(filter-out %.a,$^) $(EDGE_LIBS)
$(B)/tests/cidrelay: $(B)/obj/tests/interop/cid/cidrelay.o $(B)/libzsrelay.a $(B)/libzs.a
	@mkdir -p $(@D) && echo "  LD    $@"
	@$(CC) $(FLAVOUR_LINK) $(LDFLAGS) -pie -o $@ $(filter %.o,$^) $(RELAY_LIBS) $(LIB_LIBS)
# Many real edges in one process.
all: $(B)/tests/edges
$(B)/tests/edges: $(B)/obj/tests/e2e/edges.o $(EDGE_OBJ_TESTED) $(B)/libzsp2p.a $(B)/libzs.a
	@mkdir -p $(@D) && echo "  LD    $@"
	@$(CC) $(FLAVOUR_LINK) $(LDFLAGS) -pie -o $@ $(filter-out %.a,$^) $(EDGE_LIBS)
# An edge with an echo inside.
all: $(B)/tests/tunnelecho
$(B)/tests/tunnelecho: $(B)/obj/tests/e2e/tunnelecho.o $(EDGE_OBJ_TESTED) $(B)/libzsp2p.a $(B)/libzs.a
	@mkdir -p $(@D) && echo "  LD    $@"
	@$(CC) $(FLAVOUR_LINK) $(LDFLAGS) -pie -o $@ $(filter-out %.a,$^) $(EDGE_LIBS)
# A peer that means harm: it seals packets with frames of its own.
all: $(B)/tests/hostile
$(B)/tests/hostile: $(call objects,$(wildcard tests/e2e/hostile/*.c)) $(B)/libzsp2p.a $(B)/libzs.a
	@mkdir -p $(@D) && echo "  LD    $@"
	@$(CC) $(FLAVOUR_LINK) $(LDFLAGS) -Wl,--wrap=zs_quic_seal -Wl,--wrap=zs_quic_unseal -pie -o $@ $(filter %.o,$^) $(B)/libzsp2p.a $(B)/libzs.a $(P2P_LIBS) $(LIB_LIBS)
# Releases after this one, for tests/e2e/upgrade: of another version alone (soon); with layouts of state and tables that are one further,
# with a step that takes over this one's (next); of which the state's is two further (far). $(call later,NAME,STATE,TABLES,STEPS)
NEXT_OWN := lib/shm/state lib/shm/state_layout lib/shm/tables dataplane/main controlplane/main
NEXT_STEPS := $(call objects,$(wildcard tests/next/*.c))
define later
$(B)/$(1)/obj/%.o: %.c $(B)/obj/%.o $(B)/$(1)/version.h
	@mkdir -p $$(@D) && echo "  CC    $$< ($(1))"
	@$(CC) -iquote$(B)/$(1) $(CFLAGS) $(HARDEN) -DZS_STATE_VERSION=$(2) -DZS_TABLES_VERSION=$(3) -Ilib -Ibpf -I$$(firstword $$(subst /, ,$$<)) $(P2P_FLAGS) $(DPDK_CFLAGS) -c $$< -o $$@
$(B)/$(1)/version.h:
	@mkdir -p $$(@D) && echo '#define ZS_VERSION "$(RELEASE)+$(1)"' > $$@
$(B)/$(1)/zs-dataplane: $(filter-out %/main.o,$(DP_OBJ)) $(BPF_OBJ) $(patsubst %,$(B)/$(1)/obj/%.o,$(filter-out controlplane/%,$(NEXT_OWN))) $(4) $(B)/libzsrelay.a $(B)/libzs.a
	@echo "  LD    $$@"
	@$(CC) $(LDFLAGS) -pie -o $$@ $$(filter %.o,$$^) $(DPDK_LIBS) $(RELAY_LIBS) $(LIB_LIBS)
$(B)/$(1)/zs-controlplane: $(filter-out %/main.o,$(CP_OBJ)) $(patsubst %,$(B)/$(1)/obj/%.o,$(filter-out dataplane/%,$(NEXT_OWN))) $(4) $(B)/libzsp2p.a $(B)/libzs.a
	@echo "  LD    $$@"
	@$(CC) $(LDFLAGS) -pie -o $$@ $$(filter %.o,$$^) $(CP_LIBS) $(B)/libzs.a $(LIB_LIBS)
$(B)/$(1)/zsctl: $(filter-out %/version.o,$(ZSCTL_OBJ)) $(patsubst %,$(B)/$(1)/obj/%.o,tools/zsctl/version $(filter lib/%,$(NEXT_OWN))) $(4) $(B)/libzs.a
	@echo "  LD    $$@"
	@$(CC) $(LDFLAGS) -pie -o $$@ $$(filter %.o,$$^) $(B)/libzs.a $(ZSCTL_LIBS)
$(B)/$(1)/zs-steer: $(BPF_OBJ) $(B)/$(1)/obj/bpf/steerctl.o $(B)/libzs.a
	@echo "  LD    $$@"
	@$(CC) $(LDFLAGS) -pie -o $$@ $$(filter %.o,$$^) $(B)/libzs.a $(BPF_LIBS) $(LIB_LIBS)
later-bins: $(addprefix $(B)/$(1)/,zs-dataplane zs-controlplane zsctl zs-steer)
endef
ifeq ($(FLAVOUR)$(CONFIG_ENGINE_DPDK),releasey)
.PHONY: later-bins
$(eval $(call later,soon,3,2))
$(eval $(call later,next,4,3,$(NEXT_STEPS)))
$(eval $(call later,far,5,3,$(NEXT_STEPS)))
all: later-bins
endif

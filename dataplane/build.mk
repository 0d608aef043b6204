# dataplane/: zs-dataplane, DPDK linked statically with the drivers named here and no other.
# Shared DPDK would load its whole plugin folder, OpenSSL with it.
ifdef CONFIG_ENGINE_DPDK
DPDK_CFLAGS  := $(patsubst -I%,-isystem %,$(filter-out %libnl3 %dbus-1.0 %dbus-1.0/include,$(shell $(PKG) --cflags libdpdk)))
DPDK_DRIVERS := bus_vdev bus_pci mempool_ring net_af_xdp net_af_packet net_tap
DPDK_CORE    := gso ethdev net mbuf mempool ring pci kvargs telemetry meter eal
DPDK_SYSTEM  := -lxdp -lbpf -lelf -lz -lnuma -lbsd -lpthread -lm -ldl
ifdef CONFIG_DRIVER_MEMIF
DPDK_DRIVERS += net_memif
DPDK_CORE    += hash rcu
endif
ifdef CONFIG_DRIVER_BENCH
DPDK_DRIVERS += net_null net_ring net_pcap
DPDK_SYSTEM  += -lpcap
endif
ifdef CONFIG_DRIVER_NICS
DPDK_DRIVERS += net_e1000 net_ixgbe net_i40e net_ice net_iavf net_virtio net_ena net_vmxnet3 common_iavf
DPDK_CORE    += security cryptodev hash rcu timer
endif
archives = $(foreach l,$(1),-l:librte_$(l).a)
DPDK_LIBS = -Wl,--whole-archive $(call archives,$(DPDK_DRIVERS)) -Wl,--no-whole-archive \
	-Wl,--start-group $(call archives,$(DPDK_CORE)) -Wl,--end-group $(DPDK_SYSTEM)

$(eval $(call compile,dataplane,-Ilib -Ibpf -Idataplane $(DPDK_CFLAGS)))
DP_SRC := $(wildcard dataplane/*.c dataplane/stage/*.c)
DP_OBJ := $(call objects,$(DP_SRC))
$(eval $(call program,zs-dataplane,$$(DP_OBJ) $$(BPF_OBJ) $$(B)/libzsrelay.a,$$(DPDK_LIBS) $$(RELAY_LIBS) $$(LIB_LIBS)))
all: $(B)/man/zs-dataplane.8
$(B)/man/zs-dataplane.8: $(B)/zs-dataplane
	@mkdir -p $(@D) && $< --man > $@
endif

# A control plane made of text, for tests of the dataplane alone.
all: $(B)/tests/zs-tables
$(B)/tests/zs-tables: $(B)/obj/tests/dataplane/tables.o $(B)/libzs.a
	@mkdir -p $(@D) && echo "  LD    $@"
	@$(CC) $(FLAVOUR_LINK) $(LDFLAGS) -pie -o $@ $^ $(LIB_LIBS)

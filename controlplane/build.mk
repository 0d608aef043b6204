# zs-controlplane: one event loop; the only writer of the tables.
CP_SRC  := $(wildcard controlplane/*.c controlplane/*/*.c)
CP_OBJ  := $(call objects,$(CP_SRC))
CP_OBJ_TESTED := $(filter-out %/main.o,$(CP_OBJ))
CP_PKGS := rocksdb jansson libmicrohttpd libmnl libsodium yaml-0.1 liburing libseccomp
ifdef CONFIG_JEMALLOC
CP_PKGS += jemalloc
endif
# zs-controlplane speaks libp2p: lib/p2p stands before what it is made of.
CP_LIBS := $(B)/libzsp2p.a $(B)/libzs.a $(P2P_LIBS) $(shell $(PKG) --libs $(CP_PKGS))
$(eval $(call compile,controlplane,-Icontrolplane $(P2P_FLAGS)))
$(CP_OBJ): | $(P2P_PB)
$(B)/zs-controlplane: $(B)/libzsp2p.a
$(eval $(call program,zs-controlplane,$(CP_OBJ),$(CP_LIBS)))
all: $(B)/man/zs-controlplane.8
$(B)/man/zs-controlplane.8: $(B)/zs-controlplane
	@mkdir -p $(@D) && $< --man > $@

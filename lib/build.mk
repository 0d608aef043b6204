# lib/: pure C, one static library that every program links. No DPDK, no RocksDB.
LIB_SRC  := $(filter-out lib/p2p/% lib/node/% lib/crypto/% lib/relay/%,$(wildcard lib/*/*.c))
LIB_PKGS := yaml-0.1 jansson liburing libsodium libseccomp
LIB_LIBS  = $(shell $(PKG) --libs $(LIB_PKGS))
$(eval $(call compile,lib,-Ilib))
$(B)/libzs.a: $(call objects,$(LIB_SRC))
	@rm -f $@ && ar rcs $@ $^
all: $(B)/libzs.a
include lib/relay/build.mk lib/p2p/build.mk

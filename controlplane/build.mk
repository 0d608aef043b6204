# zs-controlplane: one event loop; the only writer of the tables.
CP_SRC  := $(wildcard controlplane/*.c controlplane/*/*.c)
CP_OBJ  := $(call objects,$(CP_SRC))
CP_OBJ_TESTED := $(filter-out %/main.o,$(CP_OBJ))
CP_PKGS := rocksdb jansson libmicrohttpd libmnl libsodium yaml-0.1 liburing libseccomp
ifdef CONFIG_JEMALLOC
CP_PKGS += jemalloc
endif
CP_LIBS := $(shell $(PKG) --libs $(CP_PKGS))
# Only main.o knows the version: a commit does not rebuild the room.
$(B)/obj/controlplane/main.o: OWN_FLAGS := -DZS_VERSION='"$(VERSION)"'
$(eval $(call compile,controlplane,-Ilib -Icontrolplane))
$(eval $(call program,zs-controlplane,$(CP_OBJ),$(CP_LIBS)))

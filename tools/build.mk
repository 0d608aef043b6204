# zsctl links lib/ alone. Its manual and completion come from the same command table.
ZSCTL_SRC  := $(wildcard tools/zsctl/*.c)
ZSCTL_OBJ  := $(call objects,$(ZSCTL_SRC))
ZSCTL_LIBS := $(shell $(PKG) --libs $(LIB_PKGS))
$(eval $(call compile,tools,-Ilib -Itools/zsctl))
# Only version.o knows the version: a commit does not rebuild the room.
$(B)/obj/tools/zsctl/version.o: OWN_FLAGS := -DZS_VERSION='"$(VERSION)"'
$(eval $(call program,zsctl,$(ZSCTL_OBJ),$(ZSCTL_LIBS)))
all: $(B)/man/zsctl.8 $(B)/completion/zsctl
$(B)/man/zsctl.8: $(B)/zsctl
	@mkdir -p $(@D) && $< man > $@
$(B)/completion/zsctl: $(B)/zsctl
	@mkdir -p $(@D) && $< completion bash > $@

# zsctl links lib/ alone. Its manual and completion come from the same command table.
ZSCTL_SRC  := $(wildcard tools/zsctl/*.c)
ZSCTL_OBJ  := $(call objects,$(ZSCTL_SRC))
ZSCTL_LIBS := $(shell $(PKG) --libs $(LIB_PKGS))
$(eval $(call compile,tools,-Ilib -Itools/zsctl))
$(eval $(call program,zsctl,$(ZSCTL_OBJ),$(ZSCTL_LIBS)))
all: $(B)/man/zsctl.8 $(B)/man/zerostate.yaml.5 $(B)/man/zs-health.7 $(B)/completion/zsctl
$(B)/man/zsctl.8: $(B)/zsctl
	@mkdir -p $(@D) && $< man > $@
$(B)/man/zerostate.yaml.5: $(B)/zsctl
	@mkdir -p $(@D) && $< man config > $@
$(B)/man/zs-health.7: $(B)/zsctl
	@mkdir -p $(@D) && $< man health > $@
$(B)/completion/zsctl: $(B)/zsctl
	@mkdir -p $(@D) && $< completion bash > $@

# zs-edge links lib/ and lib/p2p.
EDGE_SRC  := $(wildcard tools/edge/*.c)
EDGE_OBJ  := $(call objects,$(EDGE_SRC))
EDGE_OBJ_TESTED := $(filter-out %/main.o,$(EDGE_OBJ))
EDGE_LIBS  = $(B)/libzsp2p.a $(B)/libzs.a $(P2P_LIBS) $(LIB_LIBS)
$(eval $(call compile,tools/edge,-Ilib -Itools/edge $(P2P_FLAGS)))
$(eval $(call program,zs-edge,$(EDGE_OBJ) $(B)/libzsp2p.a,$$(EDGE_LIBS)))
all: $(B)/man/zs-edge.8 $(B)/completion/zs-edge
$(B)/man/zs-edge.8: $(B)/zs-edge
	@mkdir -p $(@D) && $< man > $@
$(B)/completion/zs-edge: $(B)/zs-edge
	@mkdir -p $(@D) && $< completion > $@

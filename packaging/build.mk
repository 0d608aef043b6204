# packaging/: what is installed, the units, the Debian package.
DESTDIR     ?=
DEB_VERSION ?= $(RELEASE)
# Stands in the package; whoever gives packages away says who they are.
MAINTAINER  ?=

# zs-dataplane and zs-bench have DPDK in them, the programs of lib/p2p nanopb: their licences go where they go.
COPYRIGHTS := $(wildcard $(patsubst %,/usr/share/doc/%/copyright,libdpdk-dev libnanopb-dev))
$(B)/copyright: LICENSE $(COPYRIGHTS)
	@mkdir -p $(@D)
	@{ cat LICENSE; for f in $(COPYRIGHTS); do printf '\n%s\n\n' "--- Parts of $$(basename $$(dirname $$f)) are in the programs: ---"; cat $$f; done; } > $@
all: $(B)/copyright

.PHONY: install uninstall deb
install: all ## lay out programs, manuals, units and the example below DESTDIR
	@B=$(B) scripts/install install "$(DESTDIR)"
uninstall: ## take that away again; configuration and state stay
	@B=$(B) scripts/install remove "$(DESTDIR)"
deb: all ## a Debian package of the same files, build/deb/*.deb
	@B=$(B) VERSION="$(DEB_VERSION)" MAINTAINER="$(MAINTAINER)" scripts/deb

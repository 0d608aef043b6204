# lib/crypto and lib/relay: the relay protocol, in both planes and in zs-edge. An archive of its own, since it links
# BoringSSL's libcrypto and, on x86, intel-ipsec-mb. Of our headers crypto/label.h alone needs one of theirs.
RELAY_X86   := $(filter x86_64%,$(shell $(CC) -dumpmachine))
RELAY_SRC   := $(wildcard lib/crypto/*.c lib/relay/*.c)
BORINGSSL   := /usr/lib/$(shell $(CC) -print-multiarch 2>/dev/null || echo x86_64-linux-gnu)/android
RELAY_FLAGS := -Ilib -isystem /usr/include/android
RELAY_LIBS  := $(B)/libzsrelay.a $(B)/libzs.a -L$(BORINGSSL) -Wl,-rpath,$(BORINGSSL) -lcrypto
ifneq ($(RELAY_X86),)
RELAY_LIBS  += -lIPSec_MB
else
RELAY_SRC   := $(filter-out %_ipsecmb.c,$(RELAY_SRC))
endif
$(eval $(call compile,lib/crypto,$(RELAY_FLAGS)))
$(eval $(call compile,lib/relay,$(RELAY_FLAGS)))
$(B)/libzsrelay.a: $(call objects,$(RELAY_SRC))
	@rm -f $@ && ar rcs $@ $^
all: $(B)/libzsrelay.a

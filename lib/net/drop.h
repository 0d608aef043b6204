/* Why a packet ended here: lib/defs/drops.def as an enum. Texts are in shm/state.h. */
#ifndef ZS_NET_DROP_H
#define ZS_NET_DROP_H

enum zs_drop {
#define ZS_DROP(name, text) ZS_DROP_##name,
#include "defs/drops.def"
#undef ZS_DROP
	ZS_DROPS
};

#endif

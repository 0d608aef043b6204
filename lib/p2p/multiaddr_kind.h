/* What multiaddr.c (bytes) and multiaddr_text.c share; nobody else includes it. */
#ifndef ZS_P2P_MULTIADDR_KIND_H
#define ZS_P2P_MULTIADDR_KIND_H

#include "p2p/multiaddr.h"

enum zs_ma_kind_of {
	ZS_MA_KIND_NONE,
	ZS_MA_KIND_IP4,
	ZS_MA_KIND_IP6,
	ZS_MA_KIND_PORT,
	ZS_MA_KIND_TEXT,
	ZS_MA_KIND_PEER,
	ZS_MA_KIND_HASH,
};

/* A row of lib/defs/multiaddr.def. */
struct zs_ma_kind {
	const char *name;
	enum zs_multiaddr_code code;
	enum zs_ma_kind_of kind;
};

const struct zs_ma_kind *zs_ma_kind_of_code(uint64_t code); /* NULL: unknown */
const struct zs_ma_kind *zs_ma_kind_of_name(const char *name);
/* Bytes of a value of fixed size, -1: a length stands before it. */
int zs_ma_fixed_len(enum zs_ma_kind_of kind);
bool zs_ma_value_valid(enum zs_ma_kind_of kind, const uint8_t *value, size_t len);

#endif

/* The command line of zs-edge (options.def). Pure but for --help and --version. */
#ifndef ZS_EDGE_OPTIONS_H
#define ZS_EDGE_OPTIONS_H

#include <stdbool.h>
#include "base/error.h"
#include "data.h"
#include "p2p/attach_client.h"
#include "p2p/gater.h"

#define PROGRAM "zs-edge"

struct zs_edge_options {
	struct zs_attach_target relay; /* peer.len 0: --trust-first */
	const char *relay_text, *identity, *token_file, *psk_file;
	const char *cid_socket; /* alone, or beside publish and forward; NULL: not wanted */
	char state[512];
	enum zs_gater_profile profile;
	bool trust_first, once_ready, json;
	uint32_t publishes;
	struct zs_attach_publish publish[ZS_ATTACH_PUBLISHED];
	struct zs_edge_target target[ZS_ATTACH_PUBLISHED]; /* of each */
	uint32_t forwards;
	struct zs_edge_forward forward[ZS_EDGE_FORWARDS];
	uint32_t flows, idle_s;
};

/* 0; 1: all was said (--help), end with 0; -EINVAL with what to do in err. `json` is set even then. */
int zs_edge_options_parse(struct zs_edge_options *o, int argc, char **argv, struct zs_error *err);
/* HOST:PORT/PEERID, [V6]:PORT/PEERID, without /PEERID, or a multiaddr of QUIC or /dnsaddr/NAME/p2p/PEERID. -EINVAL. */
int zs_edge_relay_parse(struct zs_attach_target *out, const char *text, struct zs_error *err);
/* NAME=ADDR:PORT or NAME:RELAYPORT=ADDR:PORT, and ,auth or ,follow or both behind it. -EINVAL. */
int zs_edge_publish_parse(struct zs_attach_publish *out, struct zs_edge_target *target, const char *text,
			  struct zs_error *err);
/* ADDR:PORT=HOST:PORT. -EINVAL. */
int zs_edge_forward_parse(struct zs_edge_forward *out, const char *text, struct zs_error *err);

#endif

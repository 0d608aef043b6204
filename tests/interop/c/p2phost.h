/* Our host as a peer of the interop tests: one command at a time, as ../README.md says. */
#ifndef ZS_TEST_P2PHOST_H
#define ZS_TEST_P2PHOST_H

#include <jansson.h>
#include "loop/loop.h"
#include "node/node.h"

#define SINK_PROTOCOL	"/zerostate/test/sink/1.0.0"
#define SOURCE_PROTOCOL "/zerostate/test/source/1.0.0"
#define PEERS		64

struct told { /* the last identify of a peer */
	struct zs_peer_id peer;
	json_t *last;
	uint32_t messages;
};

struct refused { /* a limit of ours that was met */
	uint64_t count;
	char first[ZS_HOST_TEXT];
};

/* The command under way. `step` runs in every turn of the loop; it answers or waits. */
struct program;
typedef void step_fn(struct program *p);
struct command {
	step_fn *step;
	struct zs_peer_id peer;
	uint64_t began_ns, give_up_ns, connected_ns;
	uint32_t left;
	bool failed;
	char text[ZS_HOST_TEXT];
	json_t *list;
};

struct program {
	struct zs_loop *loop;
	struct zs_watch *watch;
	struct zs_node node;
	struct zs_identity identity;
	struct zs_endpoint listen[ZS_HOST_ADDRS];
	uint32_t listens;
	struct told told[PEERS];
	uint32_t told_count;
	struct refused refused[ZS_SCOPES * ZS_RESOURCES];
	struct command now;
	struct attach *attach; /* attach.c; NULL: there is no such stream */
	char line[65536];
	size_t have;
	bool ended;
};

/* p2phost.c */
json_t *text_of_endpoint(const struct zs_endpoint *at);
json_t *text_of_peer(const struct zs_peer_id *peer);
struct told *told_of(struct program *p, const struct zs_peer_id *peer);
bool is_busy(const struct program *p);
/* Answers the command under way and ends it; takes `fields`. */
void answer(struct program *p, json_t *fields);
void refuse(struct program *p, const char *text);

/* settings.c: false when there is no such number. */
bool settings_apply(struct zs_host_config *c, const char *text);
/* fault.c: the host made next is faulty; false when there is no such fault. */
bool fault_set(const char *name);

/* commands.c */
void run_command(struct program *p, const json_t *c);

/* attach.c */
int attach_register(struct program *p);
void begin_attach(struct program *p, const json_t *c);

/* streams.c */
int streams_register(struct program *p);
void begin_send(struct program *p, uint64_t bytes, uint64_t seed);
void begin_fetch(struct program *p, uint64_t bytes);
/* All the bytes that one more identify brings, in hex. */
void begin_raw_identify(struct program *p, void (*done)(struct program *p, json_t *hex));

#endif

/* Relays whose clients are programs of their own: bench/peers/go, and coturn's turnutils_uclient. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "cpu/stand.h"
#include "cpu/turn.h"

#define STR_(x)	  #x
#define STR(x)	  STR_(x)
#define WORD	  320
#define CIRCUIT	  "4001"
#define DERP	  "3340"
#define SETTLE_US 100000 /* until the last packet has arrived */
#define CLIENTS	  20	 /* of uclient */
#define WORDS	  65536	 /* the last of what it says */

static char *program(const struct zs_stand *s, char path[WORD], const char *name)
{
	snprintf(path, WORD, "%s/%s", s->made, name);
	return path;
}

/* Channels stay bound while the one who bound them does. */
int zs_clients_pion(struct zs_stand *s, struct zs_error *err)
{
	char path[WORD], *peer = program(s, path, "peer");
	char *relay[] = { peer, "turn-relay", "10.78.1.1", STR(ZS_TURN_PORT), "10.78.2.1", NULL };
	char *bind[] = { peer,	      "turn-bind",	 "10.78.1.1",	       STR(ZS_TURN_PORT),
			 "10.78.1.2", STR(ZS_LOAD_PORT), STR(ZS_LOAD_CLIENTS), "10.78.2.2:443",
			 NULL };
	int rc = zs_helper_start(&s->relay, &s->wire, 'r', "pion", relay, err);

	return rc ? rc : zs_helper_start(&s->sender, &s->wire, 'g', "bind", bind, err);
}

int zs_clients_circuit(struct zs_stand *s, struct zs_error *err)
{
	char path[WORD], near[WORD], far[WORD], *peer = program(s, path, "peer");
	char *relay[] = { peer, "circuit-relay", "0.0.0.0", CIRCUIT, NULL };
	char *sink[] = { peer, "circuit-sink", far, NULL };
	char *sender[] = { peer, "circuit-send", near, NULL };
	int rc = zs_helper_start(&s->relay, &s->wire, 'r', "circuit", relay, err);

	if (rc)
		return rc;
	snprintf(far, WORD, "/ip4/10.78.2.1/udp/" CIRCUIT "/quic-v1/p2p/%.100s", s->relay.told);
	if ((rc = zs_helper_start(&s->sink, &s->wire, 's', "sink", sink, err)))
		return rc;
	snprintf(near, WORD, "/ip4/10.78.1.1/udp/" CIRCUIT "/quic-v1/p2p/%.100s/p2p-circuit/p2p/%.100s",
		 s->relay.told, s->sink.told);
	return zs_helper_start(&s->sender, &s->wire, 'g', "sender", sender, err);
}

/* As it is run where others reach it: TLS, with a certificate that it makes for its address. */
int zs_clients_derper(struct zs_stand *s, struct zs_error *err)
{
	char path[WORD], peer_path[WORD], log[64], dir[64], conf[80];
	char *peer = program(s, peer_path, "peer");
	char *relay[] = { program(s, path, "derper"),
			  "-a",
			  ":" DERP,
			  "-stun=false",
			  "-http-port=-1",
			  "-certmode=manual",
			  "-hostname=10.78.1.1",
			  "-certdir",
			  dir,
			  "-c",
			  conf,
			  NULL };
	char *sink[] = { peer, "derp-sink", "10.78.2.1", DERP, NULL };
	char *sender[] = { peer, "derp-send", "10.78.1.1", DERP, s->sink.told, NULL };
	int rc;

	snprintf(log, sizeof(log), "/tmp/%s-derper.log", s->wire.tag);
	snprintf(dir, sizeof(dir), "/tmp/%s-run", s->wire.tag);
	snprintf(conf, sizeof(conf), "%s/derper.json", dir);
	if ((rc = zs_wire_spawn(&s->wire, log, relay, err)) ||
	    (rc = zs_helper_start(&s->sink, &s->wire, 's', "sink", sink, err)))
		return rc;
	return zs_helper_start(&s->sender, &s->wire, 'g', "sender", sender, err);
}

int zs_clients_run(struct zs_stand *s, const struct zs_load *load, struct zs_moved *m, struct zs_error *err)
{
	char line[64];
	uint64_t before;
	int rc;

	snprintf(line, sizeof(line), "%u %u %u", load->rate, load->payload, load->ms);
	if ((rc = zs_helper_ask(&s->sink, "", &before, err)) ||
	    (rc = zs_helper_ask(&s->sender, line, &m->sent, err)))
		return rc;
	m->seconds = load->ms / 1e3;
	usleep(SETTLE_US);
	rc = zs_helper_ask(&s->sink, "", &m->got, err);
	m->got -= before;
	return rc;
}

/* --- turnutils_uclient --- */

int zs_clients_echo(struct zs_stand *s, struct zs_error *err)
{
	char *echo[] = { "sh", "-c", "echo ready; exec turnutils_peer -L 10.78.2.2 -p 443 >/dev/null", NULL };

	return zs_helper_start(&s->sink, &s->wire, 's', "echo", echo, err);
}

/* The last `key=NUMBER` in its words. */
static uint64_t number_after(const char *text, const char *key)
{
	const char *at = NULL;

	for (const char *p = strstr(text, key); p; p = strstr(p + 1, key))
		at = p + strlen(key);
	return at ? strtoull(at, NULL, 10) : 0;
}

static int listen_to(const char *command, struct zs_moved *m)
{
	char *text = calloc(1, WORDS + 1);
	uint64_t start = zs_clock_ns();
	FILE *p = text ? popen(command, "r") : NULL;

	if (!p) {
		free(text);
		return -ENOMEM;
	}
	text[fread(text, 1, WORDS, p)] = 0;
	pclose(p);
	m->seconds = (double)(zs_clock_ns() - start) / 1e9;
	m->sent = 2 * number_after(text, "tot_send_msgs=");
	m->got = m->sent / 2 + number_after(text, "tot_recv_msgs=");
	free(text);
	return m->sent ? 0 : -EIO;
}

/* What it sends comes back by turnutils_peer: the relay carries it twice. It knows a number of packets and the ms between two. */
int zs_clients_uclient(struct zs_stand *s, const struct zs_load *load, struct zs_moved *m,
		       struct zs_error *err)
{
	uint32_t gap_ms = load->rate ? 2000 * CLIENTS / load->rate : 0,
		 each = load->ms / (gap_ms ? gap_ms : 1);
	char command[512];

	snprintf(command, sizeof(command),
		 "ip netns exec %s-g timeout 60 turnutils_uclient -c -m %d -n %u -l %u -z %u -u a -w a "
		 "-e 10.78.2.2 -r 443 10.78.1.1 2>&1 | tail -c %d",
		 s->wire.tag, CLIENTS, each ? each : 1, load->payload, gap_ms, WORDS);
	if (listen_to(command, m))
		return zs_error_set(err, -EIO, ZS_EXIT_FAILED,
				    "turnutils_uclient sends nothing; see /tmp/%s-coturn.log", s->wire.tag);
	return 0;
}

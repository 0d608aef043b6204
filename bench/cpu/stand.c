#include "cpu/stand.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cpu/turn.h"
#include "planes.h"

/* As an operator has it who cannot give a core away: a quiet worker sleeps at once, for a millisecond at most, or 20 where the kernel
 * forwards. */
static int start_relay(struct zs_stand *s, struct zs_error *err)
{
	bool xdp = s->who == &zs_contenders[ZS_STAND_XDP];
	struct zs_planes calm = { .sleep_max_us = xdp ? 20000 : 1000, .xdp = xdp };
	struct zs_load first = { .port = ZS_LOAD_RELAY_PORT, .payload = 120, .rate = 2000, .ms = 500 };
	int rc = zs_planes_start(&s->wire, s->opt, &calm, err);

	rc = rc ? rc : zs_wire_wait(&s->wire, "data", ZS_PLANES_READY, err);
	/* The kernel gets a flow once its client has spoken again after an answer. */
	return rc || !xdp ? rc : zs_load_answered(&s->wire, &first, err);
}

static int neighbour(const struct zs_wire *w, struct zs_error *err)
{
	static const uint8_t mac[6] = ZS_WIRE_NOBODY;

	if (zs_sh("ip -n %s-r neigh replace 10.78.2.2 lladdr %02x:%02x:%02x:%02x:%02x:%02x dev r1 nud "
		  "permanent",
		  w->tag, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]))
		return zs_error_set(err, -EPERM, ZS_EXIT_PRIVILEGE,
				    "no neighbour in a namespace; run as root");
	return 0;
}

static int addresses(const struct zs_wire *w, struct zs_error *err)
{
	if (zs_sh("mkdir -p /tmp/%s-run && ip -n %s-g addr add 10.78.1.2/24 dev g0 && "
		  "ip -n %s-s addr add 10.78.2.2/24 dev s0",
		  w->tag, w->tag, w->tag))
		return zs_error_set(err, -EPERM, ZS_EXIT_PRIVILEGE, "no address in a namespace; run as root");
	return 0;
}

/* It faces the target with its own address, as the relay does. */
static int start_kernel(struct zs_stand *s, struct zs_error *err)
{
	const char *tag = s->wire.tag;

	if (zs_sh("ip netns exec %s-r sysctl -w net.ipv4.ip_forward=1 && ip netns exec %s-r nft -f - <<'E'\n"
		  "table ip relay {\n"
		  " chain in { type nat hook prerouting priority -100; udp dport 4443 dnat to 10.78.2.2:443; "
		  "}\n"
		  " chain out { type nat hook postrouting priority 100; oifname \"r1\" masquerade; }\n"
		  "}\nE\n",
		  tag, tag))
		return zs_error_set(err, -EIO, ZS_EXIT_FAILED, "nft takes no table");
	return neighbour(&s->wire, err);
}

#ifdef CONFIG_DRIVER_BENCH
static int start_forwarder(struct zs_stand *s, struct zs_error *err)
{
	return zs_forwarder_start(s, err);
}
#endif

static int coturn(struct zs_stand *s, struct zs_error *err)
{
	char log[64], db[64], pid[64];
	char *argv[] = { "turnserver", "-n",	     "--no-auth", "--no-tls",	  "--no-dtls",
			 "--no-tcp",   "--no-cli",   "-L",	  "10.78.1.1",	  "-E",
			 "10.78.2.1",  "--log-file", "stdout",	  "--simple-log", "--min-port",
			 "50000",      "--max-port", "50999",	  "--userdb",	  db,
			 "--pidfile",  pid,	     NULL };

	snprintf(log, sizeof(log), "/tmp/%s-coturn.log", s->wire.tag);
	snprintf(db, sizeof(db), "/tmp/%s-run/turn.db", s->wire.tag);
	snprintf(pid, sizeof(pid), "/tmp/%s-run/turn.pid", s->wire.tag);
	return zs_wire_spawn(&s->wire, log, argv, err);
}

static int start_coturn(struct zs_stand *s, struct zs_error *err)
{
	int rc = addresses(&s->wire, err);

	if (rc || (rc = neighbour(&s->wire, err)) || (rc = coturn(s, err)))
		return rc;
	return zs_turn_open(&s->wire, err);
}

static int start_uclient(struct zs_stand *s, struct zs_error *err)
{
	int rc = addresses(&s->wire, err);

	if (rc || (rc = coturn(s, err)) || (rc = zs_turn_open(&s->wire, err))) /* it answers */
		return rc;
	return zs_clients_echo(s, err);
}

static int start_pion(struct zs_stand *s, struct zs_error *err)
{
	int rc = addresses(&s->wire, err);

	if (rc || (rc = neighbour(&s->wire, err)))
		return rc;
	return zs_clients_pion(s, err);
}

static int start_circuit(struct zs_stand *s, struct zs_error *err)
{
	int rc = addresses(&s->wire, err);

	return rc ? rc : zs_clients_circuit(s, err);
}

static int start_derper(struct zs_stand *s, struct zs_error *err)
{
	int rc = addresses(&s->wire, err);

	return rc ? rc : zs_clients_derper(s, err);
}

#define FRAMES .port = ZS_LOAD_RELAY_PORT
#define TURN   .port = ZS_TURN_PORT, .channel = true
const struct zs_contender zs_contenders[ZS_STANDS] = {
	[ZS_STAND_BARE] = { "bare", "bare wire", FRAMES, .bare = true },
	[ZS_STAND_RELAY] = { "relay", "relay, AF_XDP", FRAMES, .start = start_relay },
	[ZS_STAND_XDP] = { "xdp", "relay, engine xdp", FRAMES, .start = start_relay },
	{ "kernel", "nftables", .needs = "nft", FRAMES, .start = start_kernel },
#ifdef CONFIG_DRIVER_BENCH
	{ "forwarder", "XDP forwarder", FRAMES, .start = start_forwarder },
#else
	{ "forwarder", "XDP forwarder", .needs = "xdp_forwarder.bpf.o", .built = true },
#endif
	{ "coturn", "coturn", .needs = "turnserver", TURN, .start = start_coturn },
	{ "uclient", "coturn, its uclient", .needs = "turnutils_uclient", .start = start_uclient,
	  .run = zs_clients_uclient },
	{ "pion", "pion/turn", .needs = "peer", .built = true, TURN, .start = start_pion },
	{ "circuit", "libp2p circuit", .needs = "peer", .built = true, .start = start_circuit,
	  .run = zs_clients_run },
	{ "derper", "derper", .needs = "derper", .built = true, .start = start_derper,
	  .run = zs_clients_run },
};

bool zs_stand_absent(const struct zs_contender *c, const char *made, char why[128])
{
	char path[320];

	if (!c->needs)
		return false;
	snprintf(path, sizeof(path), "%s/%s", made, c->needs);
	if (c->built ? *made && !access(path, X_OK) : !zs_sh("command -v %s", c->needs))
		return false;
	snprintf(why, 128, "%s: there is no %s; make bench-peers %s it", c->title, c->needs,
		 c->built ? "builds" : "installs");
	return true;
}

int zs_stand_open(struct zs_stand *s, const struct zs_contender *c, const struct zs_bench_options *opt,
		  const char *made, struct zs_error *err)
{
	int rc;

	*s = (struct zs_stand){ .who = c, .opt = opt, .made = made };
	rc = zs_wire_open(&s->wire, c->bare, err);
	if (rc)
		return rc;
	/* A veth takes what XDP hands it where its peer polls: with GRO. */
	if (zs_sh("ip netns exec %s-s ethtool -K s0 gro on", s->wire.tag))
		rc = zs_error_set(err, -EIO, ZS_EXIT_FAILED, "ethtool cannot set gro of a veth");
	if (!rc && c->start)
		rc = c->start(s, err);
	if (rc)
		zs_stand_close(s, true);
	return rc;
}

void zs_stand_close(struct zs_stand *s, bool failed)
{
	zs_helper_stop(&s->sender);
	zs_helper_stop(&s->sink);
	zs_helper_stop(&s->relay);
	zs_wire_close(&s->wire, !failed);
}

int zs_stand_run(struct zs_stand *s, struct zs_load load, struct zs_moved *m, struct zs_error *err)
{
	load.port = s->who->port;
	load.channel = s->who->channel;
	return s->who->run ? s->who->run(s, &load, m, err) : zs_load_run(&s->wire, &load, m, err);
}

/* Its threads that are alive, to the ns: /proc/PID/stat has ticks. */
static double seconds_of(pid_t pid)
{
	char path[320];
	uint64_t sum = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));) {
		unsigned long long ns = 0;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid, e->d_name);
		f = fopen(path, "re");
		if (f && fscanf(f, "%llu", &ns) == 1)
			sum += ns;
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return (double)sum / 1e9;
}

double zs_stand_seconds(const struct zs_stand *s)
{
	double sum = s->relay.pid > 0 ? seconds_of(s->relay.pid) : 0;

	for (uint32_t i = 0; i < s->wire.children; i++)
		sum += seconds_of(s->wire.child[i]);
	return sum;
}

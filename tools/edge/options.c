#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "manual.h"
#include "net/deny.h"
#include "version.h"

enum {
#define ZS_EDGE_OPTION(id, name, value, text) OPTION_##id,
#include "options.def"
#undef ZS_EDGE_OPTION
	OPTIONS
};

static const struct {
	const char *name, *value, *text;
} rows[] = {
#define ZS_EDGE_OPTION(id, name, value, text) { name, value, text },
#include "options.def"
#undef ZS_EDGE_OPTION
};

static int refuse(struct zs_error *err, const char *what, const char *text)
{
	return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "'%.100s': %s", text, what);
}

static bool parse_port(const char *text, uint16_t *out)
{
	unsigned long v;

	if (!text[0] || strlen(text) > 5 || strspn(text, "0123456789") != strlen(text))
		return false;
	v = strtoul(text, NULL, 10);
	*out = (uint16_t)v;
	return v >= 1 && v <= UINT16_MAX;
}

static int parse_number(uint32_t *out, const char *text, uint32_t least, uint32_t most)
{
	if (!text[0] || strlen(text) > 9 || strspn(text, "0123456789") != strlen(text))
		return -EINVAL;
	*out = (uint32_t)strtoul(text, NULL, 10);
	return *out >= least && *out <= most ? 0 : -EINVAL;
}

static bool is_name(const char *text)
{
	return text[0] && strlen(text) < ZS_DNS_NAME &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
		   strlen(text) &&
	       strspn(text, "0123456789.") != strlen(text);
}

/* HOST:PORT. */
static const char *parse_host(struct zs_dial_target *at, char *text)
{
	struct zs_endpoint ep;
	char *colon = strrchr(text, ':');

	if (zs_endpoint_parse(&ep, text) == 0) {
		at->host = ZS_DIAL_IP;
		at->addr = ep.addr;
		at->port = ep.port;
		return NULL;
	}
	if (!colon || !parse_port(colon + 1, &at->port))
		return "no port; say HOST:PORT";
	*colon = '\0';
	if (!is_name(text))
		return "HOST is neither a name nor an address; IPv6 stands in [ ]";
	at->host = ZS_DIAL_DNS;
	strcpy(at->name, text);
	return NULL;
}

int zs_edge_relay_parse(struct zs_attach_target *out, const char *text, struct zs_error *err)
{
	struct zs_multiaddr addr;
	const char *why;
	char copy[512], *slash;

	*out = (struct zs_attach_target){ 0 };
	if (text[0] == '/') {
		if (zs_multiaddr_parse(&addr, text) || zs_multiaddr_dial(&addr, &out->at))
			return refuse(err, "no address of QUIC: /ip4/ADDR/udp/PORT/quic-v1/p2p/PEERID", text);
		if (out->at.host == ZS_DIAL_DNSADDR && !out->at.peer.len)
			return refuse(err, "whose address? say /dnsaddr/NAME/p2p/PEERID", text);
		return 0;
	}
	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return refuse(err, "too long", text);
	slash = strchr(copy, '/');
	if (slash)
		*slash = '\0';
	if (slash && zs_peer_id_parse(&out->at.peer, slash + 1))
		return refuse(err, "what follows / is no peer id; zsctl status on the relay shows it", text);
	why = strrchr(copy, ':')
		  ? parse_host(&out->at, copy)
		  : "no port; a relay is HOST:PORT/PEERID, its control port is 4001 unless changed";
	return why ? refuse(err, why, text) : 0;
}

/* What stands behind a service's address: each word once. */
static bool parse_wishes(const char *comma, struct zs_attach_publish *out, struct zs_edge_target *target)
{
	size_t len;

	out->protection = ZS_ATTACH_PROTECTION_seal;
	for (; comma; comma = comma[1 + len] ? comma + 1 + len : NULL) {
		len = strcspn(comma + 1, ",");
		if (len == 4 && !strncmp(comma + 1, "auth", len) &&
		    out->protection == ZS_ATTACH_PROTECTION_seal)
			out->protection = ZS_ATTACH_PROTECTION_auth;
		else if (len == 6 && !strncmp(comma + 1, "follow", len) && !target->follow)
			target->follow = true;
		else
			return false;
	}
	return true;
}

int zs_edge_publish_parse(struct zs_attach_publish *out, struct zs_edge_target *target, const char *text,
			  struct zs_error *err)
{
	const char *equals = strchr(text, '='), *comma = equals ? strchr(equals, ',') : NULL;
	char left[64], right[ZS_ENDPOINT_TEXT] = "", *colon;

	*out = (struct zs_attach_publish){ 0 };
	*target = (struct zs_edge_target){ 0 };
	if (!parse_wishes(comma, out, target))
		return refuse(err, "what stands behind the service is ,auth or ,follow or both", text);
	if (equals)
		snprintf(right, sizeof(right), "%.*s", comma ? (int)(comma - equals) - 1 : (int)sizeof(right),
			 equals + 1);
	if (!equals || zs_endpoint_parse(&target->at, right))
		return refuse(err, "a service is NAME=ADDR:PORT, as web=127.0.0.1:8443", text);
	snprintf(left, sizeof(left), "%.*s", (int)(equals - text), text);
	colon = strchr(left, ':');
	if (colon && !parse_port(colon + 1, &out->port))
		return refuse(err, "the relay's port is 1 to 65535", text);
	if (colon)
		*colon = '\0';
	if (!zs_attach_name_ok(left))
		return refuse(err, "a name has 1 to 32 characters, each of printable ASCII", text);
	strcpy(out->name, left);
	return 0;
}

int zs_edge_forward_parse(struct zs_edge_forward *out, const char *text, struct zs_error *err)
{
	static const char form[] = "a forward is ADDR:PORT=HOST:PORT, as 127.0.0.1:9000=pop.example:20000";
	const char *equals = strchr(text, '=');
	char left[ZS_ENDPOINT_TEXT] = "", right[ZS_DNS_NAME + 8];

	*out = (struct zs_edge_forward){ 0 };
	if (equals && equals - text < (int)sizeof(left))
		snprintf(left, sizeof(left), "%.*s", (int)(equals - text), text);
	if (!equals || zs_endpoint_parse(&out->local, left) ||
	    snprintf(right, sizeof(right), "%s", equals + 1) >= (int)sizeof(right) ||
	    parse_host(&out->target, right))
		return refuse(err, form, text);
	return 0;
}

static int add_publish(struct zs_edge_options *o, const char *word, struct zs_error *err)
{
	uint32_t n = o->publishes;
	int rc;

	if (n == ZS_ATTACH_PUBLISHED)
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "an edge has at most %d names",
				    ZS_ATTACH_PUBLISHED);
	rc = zs_edge_publish_parse(&o->publish[n], &o->target[n], word, err);
	for (uint32_t j = 0; !rc && j < n; j++)
		if (!strcmp(o->publish[j].name, o->publish[n].name))
			rc = refuse(err, "the name stands here twice", word);
	o->publishes++;
	return rc;
}

static int add_forward(struct zs_edge_options *o, const char *word, struct zs_error *err)
{
	uint32_t n = o->forwards;
	int rc;

	if (n == ZS_EDGE_FORWARDS)
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "an edge has at most %d forwards",
				    ZS_EDGE_FORWARDS);
	rc = zs_edge_forward_parse(&o->forward[n], word, err);
	for (uint32_t j = 0; !rc && j < n; j++)
		if (zs_endpoint_eq(&o->forward[j].local, &o->forward[n].local))
			rc = refuse(err, "the address stands here twice", word);
	o->forwards++;
	return rc;
}

/* publish WORD … forward WORD …, in any order. */
static int words(struct zs_edge_options *o, int argc, char **argv, struct zs_error *err)
{
	int (*add)(struct zs_edge_options *, const char *, struct zs_error *) = NULL;
	int taken = 1;

	for (int i = 0; i < argc; i++) {
		bool publish = !strcmp(argv[i], "publish"), forward = !strcmp(argv[i], "forward");
		int rc;

		if ((publish || forward) && taken) {
			add = publish ? add_publish : add_forward;
			taken = 0;
			continue;
		}
		if (!add)
			return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE,
					    "no verb '%.60s'; say: publish NAME=ADDR:PORT, or forward "
					    "ADDR:PORT=HOST:PORT",
					    argv[i]);
		rc = add(o, argv[i], err);
		if (rc)
			return rc;
		taken++;
	}
	if (!add)
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE,
				    "no verb; say: publish NAME=ADDR:PORT, or forward ADDR:PORT=HOST:PORT");
	if (!taken)
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "nothing to %s; say: %s",
				    add == add_publish ? "publish" : "forward",
				    add == add_publish ? "publish NAME=ADDR:PORT"
						       : "forward ADDR:PORT=HOST:PORT");
	return 0;
}

static bool has_address(const struct ifaddrs *i, const struct zs_addr *a)
{
	struct zs_addr own;

	if (!i->ifa_addr || (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
		return false;
	if (i->ifa_addr->sa_family == AF_INET)
		own = zs_addr_from4(((const struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr);
	else
		memcpy(own.ip, &((const struct sockaddr_in6 *)i->ifa_addr)->sin6_addr, sizeof(own.ip));
	return zs_addr_eq(&own, a);
}

static bool is_this_machine(const struct zs_addr *a)
{
	enum zs_special what = zs_special_of(a);
	bool yes = what == ZS_SPECIAL_loopback || what == ZS_SPECIAL_unspecified;
	struct ifaddrs *all = NULL;

	if (!yes && !getifaddrs(&all))
		for (const struct ifaddrs *i = all; i && !yes; i = i->ifa_next)
			yes = has_address(i, a);
	freeifaddrs(all);
	return yes;
}

/* Does what is sent to `target` come to a socket bound to `local`? [::] is both families'. */
static bool is_met(const struct zs_endpoint *target, const struct zs_endpoint *local)
{
	bool anywhere = zs_special_of(&local->addr) == ZS_SPECIAL_unspecified;

	if (target->port != local->port)
		return false;
	if (!anywhere)
		return zs_addr_eq(&target->addr, &local->addr) ||
		       (zs_special_of(&target->addr) == ZS_SPECIAL_unspecified &&
			zs_special_of(&local->addr) == ZS_SPECIAL_loopback &&
			zs_addr_is4(&target->addr) == zs_addr_is4(&local->addr));
	return (!zs_addr_is4(&local->addr) || zs_addr_is4(&target->addr)) && is_this_machine(&target->addr);
}

/* A listener of ours that we publish sends what comes through the relay to the relay again, each time as a new flow. */
static int check_loops(const struct zs_edge_options *o, struct zs_error *err)
{
	char text[ZS_ENDPOINT_TEXT];

	for (uint32_t i = 0; i < o->publishes; i++)
		for (uint32_t j = 0; j < o->forwards; j++)
			if (is_met(&o->target[i].at, &o->forward[j].local))
				return zs_error_set(
				    err, -EINVAL, ZS_EXIT_USAGE,
				    "publish %s=%s: that is a forward's own listener, a loop; "
				    "publish the service itself, or forward at another port",
				    o->publish[i].name, zs_endpoint_format(&o->target[i].at, text));
	return 0;
}

static int finish(struct zs_edge_options *o, struct zs_error *err)
{
	int rc;

	if (!o->relay_text || !o->identity)
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "--%s is missing; see --help",
				    o->relay_text ? "identity" : "relay");
	rc = zs_edge_relay_parse(&o->relay, o->relay_text, err);
	if (rc)
		return rc;
	if ((rc = check_loops(o, err)))
		return rc;
	if (!o->relay.at.peer.len && !o->trust_first)
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE,
				    "--relay has no peer id: append /PEERID (zsctl status on the relay shows "
				    "it), or say --trust-first");
	if (!o->state[0] &&
	    snprintf(o->state, sizeof(o->state), "%s.state", o->identity) >= (int)sizeof(o->state))
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "--identity: the path is too long");
	return 0;
}

static int take(struct zs_edge_options *o, int which, const char *value)
{
	switch (which) {
	case OPTION_RELAY:
		o->relay_text = value;
		break;
	case OPTION_IDENTITY:
		o->identity = value;
		break;
	case OPTION_STATE:
		return snprintf(o->state, sizeof(o->state), "%s", value) < (int)sizeof(o->state) ? 0
												 : -EINVAL;
	case OPTION_TOKEN_FILE:
		o->token_file = value;
		break;
	case OPTION_PSK_FILE:
		o->psk_file = value;
		break;
	case OPTION_CID_SOCKET:
		o->cid_socket = value;
		break;
	case OPTION_FLOWS:
		return parse_number(&o->flows, value, 1, 32768);
	case OPTION_IDLE:
		return parse_number(&o->idle_s, value, 10, 3600);
	case OPTION_PROFILE:
		return zs_gater_profile_parse(&o->profile, value);
	case OPTION_TRUST_FIRST:
		o->trust_first = true;
		break;
	case OPTION_ONCE_READY:
		o->once_ready = true;
		break;
	case OPTION_JSON:
		o->json = true;
		break;
	case OPTION_VERSION:
		puts(PROGRAM " " ZS_VERSION);
		return 1;
	case OPTION_HELP:
		zs_edge_help();
		return 1;
	}
	return 0;
}

int zs_edge_options_parse(struct zs_edge_options *o, int argc, char **argv, struct zs_error *err)
{
	struct option longs[OPTIONS + 1] = { 0 };
	int c, rc;

	*o = (struct zs_edge_options){ .flows = 1024, .idle_s = 120 };
	for (int i = 1; i < argc; i++)
		o->json |= !strcmp(argv[i], "--json");
	for (int i = 0; i < OPTIONS; i++)
		longs[i] = (struct option){ .name = rows[i].name,
					    .has_arg = rows[i].value[0] != 0,
					    .val = 0x100 + i };
	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		if (c == ':' || c == '?')
			return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "%.60s %s; see --help",
					    argv[optind - 1], c == ':' ? "needs a value" : "is no option");
		rc = take(o, c - 0x100, optarg);
		if (rc < 0)
			return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "--%s '%.60s': %s",
					    rows[c - 0x100].name, optarg, rows[c - 0x100].text);
		if (rc)
			return rc;
	}
	if (argc - optind == 1 && !strcmp(argv[optind], "man")) {
		zs_edge_man();
		return 1;
	}
	if (argc - optind == 1 && !strcmp(argv[optind], "completion")) {
		zs_edge_completion();
		return 1;
	}
	rc = o->cid_socket && optind == argc ? 0 : words(o, argc - optind, argv + optind, err);
	return rc ? rc : finish(o, err);
}

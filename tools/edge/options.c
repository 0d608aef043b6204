#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "manual.h"

enum {
#define ZS_EDGE_OPTION(id, name, value, text) OPTION_##id,
#include "options.def"
#undef ZS_EDGE_OPTION
	OPTIONS
};

static const struct {
	const char *name, *value;
} rows[] = {
#define ZS_EDGE_OPTION(id, name, value, text) { name, value },
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
		return "no port; a relay is HOST:PORT/PEERID, its control port is 4001 unless changed";
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
		if (zs_multiaddr_parse(&addr, text) || zs_multiaddr_dial(&addr, &out->at) ||
		    out->at.host == ZS_DIAL_DNSADDR)
			return refuse(err, "no address of QUIC: /ip4/ADDR/udp/PORT/quic-v1/p2p/PEERID", text);
		return 0;
	}
	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return refuse(err, "too long", text);
	slash = strchr(copy, '/');
	if (slash)
		*slash = '\0';
	if (slash && zs_peer_id_parse(&out->at.peer, slash + 1))
		return refuse(err, "what follows / is no peer id; zsctl status on the relay shows it", text);
	why = parse_host(&out->at, copy);
	return why ? refuse(err, why, text) : 0;
}

int zs_edge_publish_parse(struct zs_attach_publish *out, struct zs_endpoint *target, const char *text,
			  struct zs_error *err)
{
	const char *equals = strchr(text, '=');
	char left[64], *colon;

	*out = (struct zs_attach_publish){ 0 };
	if (!equals || zs_endpoint_parse(target, equals + 1))
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

static int publish(struct zs_edge_options *o, int argc, char **argv, struct zs_error *err)
{
	if (argc < 1 || strcmp(argv[0], "publish") != 0)
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "%s%.60s%s; say: publish NAME=ADDR:PORT",
				    argc < 1 ? "no verb" : "no verb '", argc < 1 ? "" : argv[0],
				    argc < 1 ? "" : "'");
	if (argc < 2)
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE,
				    "nothing to publish; say: publish NAME=ADDR:PORT");
	if (argc - 1 > ZS_ATTACH_PUBLISHED)
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "an edge has at most %d names",
				    ZS_ATTACH_PUBLISHED);
	for (int i = 1; i < argc; i++) {
		uint32_t n = o->publishes++;
		int rc = zs_edge_publish_parse(&o->publish[n], &o->target[n], argv[i], err);
		for (uint32_t j = 0; !rc && j < n; j++)
			if (!strcmp(o->publish[j].name, o->publish[n].name))
				rc = refuse(err, "the name stands here twice", argv[i]);
		if (rc)
			return rc;
	}
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

	*o = (struct zs_edge_options){ 0 };
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
			return refuse(err, "no such value; see --help", optarg);
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
	rc = publish(o, argc - optind, argv + optind, err);
	return rc ? rc : finish(o, err);
}

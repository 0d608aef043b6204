/* A search is a list of questions, each for the texts or for the addresses of one name; it grows while answers come and never
 * beyond its bounds, so that records which name each other end it too. It is over when no question is open. */
#include "node/dnsaddr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "node/node.h"

#define PREFIX "dnsaddr="
#define LABEL  "_dnsaddr."

struct question {
	struct zs_dnsaddr *of;
	struct zs_resolve *query; /* NULL: answered */
	uint32_t depth;
	uint16_t port; /* of the addresses */
};

struct zs_dnsaddr {
	struct zs_resolver *resolver;
	struct zs_peer_id peer;
	zs_dnsaddr_fn *fn;
	void *ctx;
	struct question question[ZS_DNSADDR_QUESTIONS];
	uint32_t asked, open, count;
	struct zs_endpoint at[ZS_DNSADDR_ENDPOINTS];
	char why[ZS_ERROR_TEXT]; /* of the first that brought nothing */
};

static void found(struct zs_dnsaddr *d, const struct zs_addr *addr, uint16_t port)
{
	for (uint32_t i = 0; i < d->count; i++)
		if (d->at[i].port == port && zs_addr_eq(&d->at[i].addr, addr))
			return;
	if (d->count < ZS_DNSADDR_ENDPOINTS)
		d->at[d->count++] = (struct zs_endpoint){ .addr = *addr, .port = port };
}

static void answered(struct question *q, const char *why)
{
	struct zs_dnsaddr *d = q->of;

	if (!d->why[0])
		snprintf(d->why, sizeof(d->why), "%s", why);
	if (--d->open)
		return;
	d->fn(d->ctx, d->at, d->count, d->count ? "" : d->why);
	free(d);
}

static void on_addrs(void *ctx, const struct zs_addr *addrs, uint32_t count, const char *why)
{
	struct question *q = ctx;

	q->query = NULL;
	for (uint32_t i = 0; i < count; i++)
		found(q->of, &addrs[i], q->port);
	answered(q, why);
}

static void on_texts(void *ctx, const char *texts, size_t len, const char *why);

/* A name's texts, or the addresses of a target. */
static int begin(struct zs_dnsaddr *d, const struct zs_dial_target *target, uint32_t depth)
{
	struct question *q = &d->question[d->asked]; /* behind the last when it is full: not touched then */
	char name[sizeof(LABEL) + ZS_DNS_NAME];
	int rc = snprintf(name, sizeof(name), LABEL "%s", target->name);

	if (d->asked == ZS_DNSADDR_QUESTIONS || depth > ZS_DNSADDR_DEPTH)
		return -ELOOP;
	if (target->host == ZS_DIAL_DNSADDR && rc >= ZS_DNS_NAME)
		return -EINVAL;
	*q = (struct question){ .of = d, .depth = depth, .port = target->port };
	rc = target->host == ZS_DIAL_DNSADDR ? zs_resolve_texts(&q->query, d->resolver, name, on_texts, q)
					     : zs_node_resolve(&q->query, d->resolver, target, on_addrs, q);
	if (rc)
		return rc;
	d->asked++;
	d->open++;
	return 0;
}

/* Follows one record; false: it leads nowhere. */
static bool follow(struct zs_dnsaddr *d, const char *text, uint32_t depth)
{
	struct zs_dial_target target;
	struct zs_multiaddr addr;

	if (strncmp(text, PREFIX, strlen(PREFIX)) || zs_multiaddr_parse(&addr, text + strlen(PREFIX)) ||
	    zs_multiaddr_dial(&addr, &target) || !zs_peer_id_eq(&target.peer, &d->peer))
		return false;
	if (target.host != ZS_DIAL_IP)
		return begin(d, &target, depth + 1) == 0;
	found(d, &target.addr, target.port);
	return true;
}

static void on_texts(void *ctx, const char *texts, size_t len, const char *why)
{
	struct question *q = ctx;
	bool any = false;

	q->query = NULL;
	for (size_t at = 0; at < len; at += strlen(texts + at) + 1)
		any |= follow(q->of, texts + at, q->depth);
	if (len && !any)
		why = "the name's dnsaddr records hold no QUIC address of this peer; see its TXT records";
	answered(q, why);
}

int zs_dnsaddr_start(struct zs_dnsaddr **out, struct zs_resolver *r, const char *name,
		     const struct zs_peer_id *peer, zs_dnsaddr_fn *fn, void *ctx)
{
	struct zs_dial_target target = { .host = ZS_DIAL_DNSADDR };
	struct zs_dnsaddr *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return -ENOMEM;
	*d = (struct zs_dnsaddr){ .resolver = r, .peer = *peer, .fn = fn, .ctx = ctx };
	snprintf(target.name, sizeof(target.name), "%s", name);
	rc = begin(d, &target, 1);
	if (rc) {
		free(d);
		return rc;
	}
	*out = d;
	return 0;
}

void zs_dnsaddr_cancel(struct zs_dnsaddr *d)
{
	for (uint32_t i = 0; i < d->asked; i++)
		if (d->question[i].query)
			zs_resolve_cancel(d->question[i].query);
	free(d);
}

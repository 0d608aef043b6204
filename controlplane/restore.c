/* What the tables should hold: after a start (the stored and the configured published ports
 * against what the segment holds already) and after a new configuration.
 *
 * The configuration wins over the store: a port that both name is the configuration's while it
 * is there, and the stored one's again afterwards. */
#include <errno.h>
#include <stdlib.h>
#include "program_internal.h"

static int add_configured(struct zs_program *p, const struct zs_conf *conf)
{
	for (uint32_t i = 0; i < conf->publishes; i++) {
		struct zs_publication pub = zs_publication_from_conf(&conf->publish[i]);

		if (!p->slot[pub.port] && !zs_slot_new(p, &pub))
			return -ENOMEM;
	}
	return 0;
}

/* `pub` is not in force, for the configuration's is. */
static void tell_displaced(struct zs_program *p, const struct zs_publication *pub)
{
	char text[ZS_ENDPOINT_TEXT];

	ZS_LOG(&p->c->log, PUBLISH_REFUSED,
	       "port=%u target=\"%s\" error=\"the configuration aims it elsewhere\"", pub->port,
	       zs_publication_format(pub, text));
}

bool zs_program_waiting(const struct zs_program *p, uint16_t port, struct zs_publication *out)
{
	const struct zs_slot *s = p->slot[port];

	if (!s || !s->stored || !s->pub.from_config || zs_publication_same_target(&s->pub, &s->own))
		return false;
	*out = s->own;
	return true;
}

static int add_stored(struct zs_program *p, const struct zs_publication *pub)
{
	struct zs_slot *s = p->slot[pub->port];
	struct zs_publication waits;

	if (!s)
		s = zs_slot_new(p, pub);
	if (!s)
		return -ENOMEM;
	s->stored = true;
	s->own = *pub;
	if (zs_program_waiting(p, pub->port, &waits))
		tell_displaced(p, &waits);
	return 0;
}

static bool is_attached(const struct zs_program *p, uint16_t port)
{
	struct zs_published now;

	return zs_tables_published(&p->tables, port, &now) && now.kind == ZS_PUBLISHED_ATTACHED;
}

int zs_program_restore(struct zs_program *p, struct zs_error *err)
{
	int rc = add_configured(p, p->c->conf);

	if (!rc)
		rc = zs_record_each(p, add_stored);
	if (rc == -ENOMEM)
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "no memory for the published ports");
	if (rc)
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE,
				    "the published ports cannot be read from the store: %s", strerror(-rc));
	zs_program_set_settings(p, p->c->conf);
	zs_program_set_locals(p, p->c->conf);
	zs_own_ports_settle(p);
	for (uint32_t port = 0; port < ZS_UDP_PORTS; port++) {
		if (p->slot[port])
			zs_slot_settle(p, p->slot[port]);
		else if (!is_attached(p, (uint16_t)port)) /* those wait for zs_program_release_rest */
			zs_slot_clear(p, (uint16_t)port);
	}
	zs_publications_health(p);
	return 0;
}

static const struct zs_conf_publish *configured(const struct zs_conf *conf, uint16_t port)
{
	for (uint32_t i = 0; i < conf->publishes; i++)
		if (conf->publish[i].port == port)
			return &conf->publish[i];
	return NULL;
}

/* A port that zsctl published is not taken over silently. */
static int check_conflict(struct zs_program *p, const struct zs_publication *pub, struct zs_error *err)
{
	const struct zs_slot *s = p->slot[pub->port];
	char text[ZS_ENDPOINT_TEXT];

	if (!s || s->pub.from_config || zs_publication_same_target(&s->pub, pub))
		return 0;
	if (s->pub.attached.id)
		return zs_error_set(
		    err, -EEXIST, ZS_EXIT_REFUSED,
		    "port %u is attachment %u's; end that first (zsctl attach kick) or take another",
		    pub->port, s->pub.attached.id);
	return zs_error_set(
	    err, -EEXIST, ZS_EXIT_REFUSED,
	    "port %u is published by command, toward %s; withdraw it first (zsctl publish del %u)", pub->port,
	    zs_endpoint_format(&s->pub.target, text), pub->port);
}

/* What a new configuration needs before anything changes: slots of the ports it adds, their sockets bound. */
struct plan {
	uint32_t count;
	uint32_t own_count;
	struct zs_addr own[ZS_LOCALS_MAX];
	struct zs_slot *add[];
};

static void drop_plan(struct plan *plan)
{
	for (uint32_t i = 0; i < plan->count; i++)
		zs_slot_free(plan->add[i]);
	free(plan);
}

/* What refuses a port: that it may not be, is somebody else's, or is one too many. */
static int check_port(struct zs_program *p, const struct zs_conf *next, const struct zs_publication *pub,
		      const struct plan *plan, struct zs_error *err)
{
	int rc = zs_publication_check(next, pub, err);

	if (!rc)
		rc = check_conflict(p, pub, err);
	if (!rc && !p->slot[pub->port] && p->slots + plan->count >= ZS_PUBLICATIONS_MAX)
		rc = zs_error_set(err, -ENOSPC, ZS_EXIT_REFUSED,
				  "more than %u published ports; withdraw some", ZS_PUBLICATIONS_MAX);
	return rc;
}

static int plan_one(struct zs_program *p, const struct zs_publication *pub, bool must, struct plan *plan,
		    struct zs_error *err)
{
	struct zs_slot *s;
	int rc;

	if (p->slot[pub->port])
		return 0;
	s = zs_slot_make(pub);
	if (!s)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	plan->add[plan->count++] = s;
	rc = zs_placeholder_hold(&s->held, pub->port, plan->own, plan->own_count, err);
	return must ? 0 : rc;
}

/* `must`: nothing but memory stands in the way; what does shows when the slots are settled. */
static int make_plan(struct zs_program *p, const struct zs_conf *next, bool must, struct plan **out,
		     struct zs_error *err)
{
	struct plan *plan = calloc(1, sizeof(*plan) + next->publishes * sizeof(plan->add[0]));
	int rc = 0;

	if (!plan)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	plan->own_count = zs_placeholder_addresses(next, plan->own);
	for (uint32_t i = 0; i < next->publishes && !rc; i++) {
		struct zs_publication pub = zs_publication_from_conf(&next->publish[i]);

		rc = must ? 0 : check_port(p, next, &pub, plan, err);
		if (!rc)
			rc = plan_one(p, &pub, must, plan, err);
		if (rc && err)
			err->line = next->publish[i].line;
	}
	if (rc)
		drop_plan(plan);
	else
		*out = plan;
	return rc;
}

static void withdraw_gone(struct zs_program *p, const struct zs_conf *next)
{
	for (uint32_t port = 1; port < ZS_UDP_PORTS; port++) {
		struct zs_slot *s = p->slot[port];

		if (!s || !s->pub.from_config || configured(next, (uint16_t)port))
			continue;
		if (s->stored) {
			s->pub = s->own;
			continue;
		}
		zs_slot_clear(p, (uint16_t)port);
		zs_slot_delete(p, (uint16_t)port);
		ZS_LOG(&p->c->log, UNPUBLISHED, "port=%u origin=config", port);
	}
}

static void put_configured(struct zs_program *p, const struct zs_conf *next, struct plan *plan)
{
	for (uint32_t i = 0; i < plan->count; i++)
		zs_slot_put(p, plan->add[i]);
	plan->count = 0;
	for (uint32_t i = 0; i < next->publishes; i++) {
		struct zs_publication pub = zs_publication_from_conf(&next->publish[i]);
		struct zs_slot *s = p->slot[pub.port];

		if (!s->pub.from_config && !zs_publication_same_target(&s->pub, &pub))
			tell_displaced(p, &s->pub);
		s->pub = pub;
	}
}

static void follow(struct zs_program *p, const struct zs_conf *next, struct plan *plan)
{
	const struct zs_conf *old = p->c->conf;

	withdraw_gone(p, next);
	put_configured(p, next, plan);
	p->own_count = plan->own_count;
	memcpy(p->own, plan->own, sizeof(p->own));
	drop_plan(plan);
	zs_program_set_settings(p, next);
	zs_program_set_locals(p, next);
	p->c->conf = (struct zs_conf *)next; /* slots are judged by it */
	zs_own_ports_settle(p);
	for (uint32_t port = 1; port < ZS_UDP_PORTS; port++)
		if (p->slot[port])
			zs_slot_settle(p, p->slot[port]);
	p->c->conf = (struct zs_conf *)old;
	zs_publications_health(p);
}

int zs_program_apply(struct zs_program *p, const struct zs_conf *next, struct zs_error *err)
{
	struct plan *plan = NULL;
	int rc = zs_program_writable(p, err);

	if (!rc)
		rc = make_plan(p, next, false, &plan, err);
	if (!rc)
		follow(p, next, plan);
	return rc;
}

int zs_program_go_back(struct zs_program *p, const struct zs_conf *back, struct zs_error *err)
{
	struct plan *plan = NULL;
	int rc = make_plan(p, back, true, &plan, err);

	if (!rc)
		follow(p, back, plan);
	return rc;
}

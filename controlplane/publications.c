/* Published ports: what is asked for becomes a slot (slots.c), in the store first unless it is the configuration's or an
 * attachment's. */
#include <errno.h>
#include "base/clock.h"
#include "program_internal.h"

#define REFUSED_SHOWN_NS (60 * ZS_NS_PER_S) /* a refused request is no lasting state, but should be seen */

/* A refused request shows for a minute, as a warning: nothing that runs is wrong. The caller's log has the record. */
static void note_refusal(struct zs_program *p, const struct zs_publication *pub, const struct zs_error *why)
{
	if (why->code != -EADDRINUSE && why->code != -EPERM)
		return;
	p->refused_until_ns = zs_loop_now(p->c->loop) + REFUSED_SHOWN_NS;
	zs_health_raise(p->c->health, ZS_HEALTH_publish_refused, "udp %u: %s", pub->port,
			why->code == -EPERM ? "target denied" : "port taken");
}

static int publish_new(struct zs_program *p, const struct zs_publication *pub, struct zs_error *err)
{
	struct zs_slot *s;
	int rc;

	if (p->slots >= ZS_PUBLICATIONS_MAX) {
		zs_control_raise(p->c, ZS_HEALTH_table_full, "published ports: %u", p->slots);
		return zs_error_set(err, -ENOSPC, ZS_EXIT_REFUSED,
				    "there are %u published ports already; withdraw one", p->slots);
	}
	s = zs_slot_new(p, pub);
	if (!s)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	s->own = *pub;
	s->stored = !pub->attached.id;
	rc = zs_placeholder_hold(&s->held, pub->port, p->own, p->own_count, err);
	if (!rc && s->stored)
		rc = zs_record_publication(p, pub, err);
	if (!rc)
		rc = zs_slot_program(p, s, err);
	if (rc) {
		zs_slot_delete(p, pub->port);
		return rc;
	}
	s->state = ZS_SLOT_ACTIVE;
	zs_slot_log(p, pub);
	return 0;
}

/* The same port and target again: at most its limits change. */
static int publish_again(struct zs_program *p, struct zs_slot *s, const struct zs_publication *pub,
			 struct zs_error *err)
{
	int rc;

	if (zs_publication_same(&s->pub, pub))
		return s->state == ZS_SLOT_ACTIVE
			   ? 0
			   : zs_placeholder_hold(&s->held, pub->port, p->own, p->own_count, err);
	if (s->pub.from_config)
		return zs_error_set(err, -EPERM, ZS_EXIT_REFUSED,
				    "port %u is published by the configuration; change its limits there",
				    pub->port);
	rc = pub->attached.id ? 0 : zs_record_publication(p, pub, err);
	if (rc)
		return rc;
	s->pub = s->own = *pub;
	zs_slot_settle(p, s);
	return 0;
}

static int take(struct zs_program *p, const struct zs_publication *want, struct zs_error *err)
{
	struct zs_slot *s = p->slot[want->port];
	char text[ZS_ENDPOINT_TEXT];
	int rc;

	rc = zs_program_writable(p, err);
	if (!rc)
		rc = zs_publication_check(p->c->conf, want, err);
	if (rc)
		return rc;
	if (s && !zs_publication_same_target(&s->pub, want))
		return zs_error_set(err, -EEXIST, ZS_EXIT_REFUSED,
				    "port %u is published already, toward %s; withdraw it first", want->port,
				    zs_publication_format(&s->pub, text));
	return s ? publish_again(p, s, want, err) : publish_new(p, want, err);
}

static bool is_draining(const struct zs_program *p, struct zs_error *err)
{
	return p->c->drain.state != ZS_SERVING &&
	       zs_error_set(err, -EBUSY, ZS_EXIT_REFUSED,
			    "the relay is draining; lift that first (zsctl undrain)");
}

int zs_program_publish(struct zs_program *p, const struct zs_publication *pub, struct zs_error *err)
{
	struct zs_publication want = *pub;
	struct zs_error why = { 0 };
	int rc;

	want.from_config = false;
	rc = is_draining(p, &why) ? why.code : take(p, &want, &why);
	if (rc) {
		note_refusal(p, &want, &why);
		if (err)
			*err = why;
	}
	return rc;
}

int zs_program_reserve(struct zs_program *p, const struct zs_publication *pub, struct zs_error *err)
{
	return take(p, pub, err);
}

static void withdraw(struct zs_program *p, uint16_t port)
{
	zs_slot_clear(p, port);
	zs_slot_delete(p, port);
	zs_publications_health(p);
	ZS_LOG(&p->c->log, UNPUBLISHED, "port=%u", port);
}

void zs_program_release(struct zs_program *p, uint16_t port, uint32_t attachment)
{
	struct zs_slot *s = p->slot[port];

	if (s && attachment && s->pub.attached.id == attachment)
		withdraw(p, port);
}

void zs_program_release_rest(struct zs_program *p)
{
	struct zs_published now;

	for (uint32_t port = 1; port < ZS_UDP_PORTS; port++)
		if (!p->slot[port] && zs_tables_published(&p->tables, (uint16_t)port, &now))
			zs_slot_clear(p, (uint16_t)port);
}

int zs_program_unpublish(struct zs_program *p, uint16_t port, struct zs_error *err)
{
	struct zs_slot *s = p->slot[port];
	int rc;

	if (!s)
		return zs_error_set(err, -ENOENT, ZS_EXIT_REFUSED, "port %u is not published", port);
	if (s->pub.from_config)
		return zs_error_set(err, -EPERM, ZS_EXIT_REFUSED,
				    "port %u is published by the configuration; remove it there and apply",
				    port);
	if (s->pub.attached.id)
		return zs_error_set(err, -EPERM, ZS_EXIT_REFUSED,
				    "port %u is attachment %u's; zsctl attach kick ends it", port,
				    s->pub.attached.id);
	rc = zs_program_writable(p, err);
	if (!rc)
		rc = zs_record_unpublish(p, port, err);
	if (!rc)
		withdraw(p, port);
	return rc;
}

uint32_t zs_program_published(const struct zs_program *p)
{
	return p->slots;
}

uint32_t zs_program_publications(struct zs_program *p, struct zs_publication *out, uint32_t cap)
{
	uint32_t n = 0;

	for (uint32_t port = 0; port < ZS_UDP_PORTS && n < cap; port++)
		if (p->slot[port])
			out[n++] = p->slot[port]->pub;
	return n;
}

static uint32_t find_state(const struct zs_program *p, enum zs_slot_state state)
{
	for (uint32_t port = 0; port < ZS_UDP_PORTS; port++)
		if (p->slot[port] && p->slot[port]->state == state)
			return port;
	return 0; /* port 0 is never published */
}

static void show(struct zs_program *p, enum zs_health h, enum zs_slot_state state)
{
	uint32_t port = find_state(p, state);

	if (!port && state == ZS_SLOT_TAKEN)
		port = zs_own_port_taken(p);
	if (port)
		zs_control_raise(p->c, h, "udp %u", port);
	else
		zs_control_clear(p->c, h);
}

void zs_publications_health(struct zs_program *p)
{
	show(p, ZS_HEALTH_port_taken, ZS_SLOT_TAKEN);
	show(p, ZS_HEALTH_target_denied, ZS_SLOT_DENIED);
	if (zs_loop_now(p->c->loop) >= p->refused_until_ns)
		zs_health_clear(p->c->health, ZS_HEALTH_publish_refused);
}

void zs_publications_retry(struct zs_program *p)
{
	for (uint32_t port = 0; port < ZS_UDP_PORTS; port++)
		if (p->slot[port] && p->slot[port]->state == ZS_SLOT_TAKEN)
			zs_slot_settle(p, p->slot[port]);
	zs_publications_health(p);
}

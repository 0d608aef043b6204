/* Published ports. A slot is what the relay was asked for; the table entry is what the
 * dataplane does; a placeholder stands between them: without it no entry is written, but one
 * that is there already (adopted after a crash) goes on working while the port is fought over.
 *
 * An entry's generation is drawn anew whenever its target changes or it comes into being, so a
 * flow of an older life can never be taken for one of the new. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include "base/clock.h"
#include "program_internal.h"

#define REFUSED_SHOWN_NS (60 * ZS_NS_PER_S) /* a refused request is no lasting state, but should be seen */

bool zs_publication_same_target(const struct zs_publication *a, const struct zs_publication *b)
{
	return zs_addr_eq(&a->target.addr, &b->target.addr) && a->target.port == b->target.port &&
	       a->attached.id == b->attached.id && a->attached.generation == b->attached.generation &&
	       a->attached.service == b->attached.service;
}

const char *zs_publication_format(const struct zs_publication *pub, char text[ZS_ENDPOINT_TEXT])
{
	if (!pub->attached.id)
		return zs_endpoint_format(&pub->target, text);
	snprintf(text, ZS_ENDPOINT_TEXT, "attachment %u service %u", pub->attached.id, pub->attached.service);
	return text;
}

bool zs_publication_same(const struct zs_publication *a, const struct zs_publication *b)
{
	return a->port == b->port && zs_publication_same_target(a, b) &&
	       a->attached.protection == b->attached.protection && a->new_flows_s == b->new_flows_s &&
	       a->new_flows_burst == b->new_flows_burst && a->max_flows == b->max_flows;
}

struct zs_publication zs_publication_from_conf(const struct zs_conf_publish *cp)
{
	return (struct zs_publication){ .port = cp->port,
					.target = cp->target,
					.new_flows_s = cp->new_flows_s,
					.new_flows_burst = cp->new_flows_burst,
					.max_flows = cp->max_flows,
					.from_config = true };
}

/* What the host and what it grants use, if there is a host; NULL: none of that. */
static const char *use_of(const struct zs_conf *conf, uint16_t port)
{
	if (!conf->p2p.listens)
		return NULL;
	if (port == conf->attach.tunnel_port)
		return "attach.tunnel_port";
	if (port == conf->attach.service_port)
		return "attach.service_port";
	for (uint32_t i = 0; i < conf->p2p.listens; i++)
		if (port == conf->p2p.listen[i].port)
			return "a port of p2p.listen";
	return NULL;
}

int zs_publication_check(const struct zs_conf *conf, const struct zs_publication *pub, struct zs_error *err)
{
	const char *use = use_of(conf, pub->port);
	struct zs_error why = { 0 };

	if (!pub->port || !(pub->attached.id ? pub->attached.service : pub->target.port))
		return zs_error_set(err, -EINVAL, ZS_EXIT_REFUSED, "port 0 cannot be published or aimed at");
	if (pub->port >= conf->flows.port_first && pub->port <= conf->flows.port_last)
		return zs_error_set(err, -EINVAL, ZS_EXIT_REFUSED,
				    "port %u lies in the range of flow ports %u-%u; take one outside",
				    pub->port, conf->flows.port_first, conf->flows.port_last);
	if (pub->port == conf->metrics.port)
		return zs_error_set(err, -EINVAL, ZS_EXIT_REFUSED,
				    "port %u is the metrics port; take another", pub->port);
	if (use)
		return zs_error_set(err, -EINVAL, ZS_EXIT_REFUSED, "port %u is %s; take another", pub->port,
				    use);
	if (pub->attached.id || !zs_conf_target_check(conf, &pub->target, &why))
		return 0;
	return zs_error_set(err, why.code, why.exit, "port %u: %.240s", pub->port, why.text);
}

struct zs_slot *zs_slot_new(struct zs_program *p, const struct zs_publication *pub)
{
	struct zs_slot *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->pub = *pub;
	s->state = ZS_SLOT_TAKEN;
	p->slot[pub->port] = s;
	p->slots++;
	return s;
}

void zs_slot_delete(struct zs_program *p, uint16_t port)
{
	struct zs_slot *s = p->slot[port];

	zs_placeholder_release(&s->held);
	free(s);
	p->slot[port] = NULL;
	p->slots--;
}

/* One target's entry, generation aside. */
static struct zs_published entry_of(const struct zs_publication *pub)
{
	return (struct zs_published){ .used = 1,
				      .kind = pub->attached.id ? ZS_PUBLISHED_ATTACHED : ZS_PUBLISHED_TARGET,
				      .attachment = pub->attached.id,
				      .attachment_generation = pub->attached.generation,
				      .service = pub->attached.service,
				      .protection = pub->attached.protection,
				      .target = pub->target.addr,
				      .target_port = pub->target.port,
				      .new_flows_s = pub->new_flows_s,
				      .new_flows_burst = pub->new_flows_burst,
				      .max_flows = pub->max_flows };
}

static bool entry_aims(const struct zs_published *a, const struct zs_published *b)
{
	return a->used && a->kind == b->kind && zs_addr_eq(&a->target, &b->target) &&
	       a->target_port == b->target_port && a->attachment == b->attachment &&
	       a->attachment_generation == b->attachment_generation && a->service == b->service;
}

static bool entry_same(const struct zs_published *a, const struct zs_published *b)
{
	return entry_aims(a, b) && a->drain == b->drain && a->protection == b->protection &&
	       a->new_flows_s == b->new_flows_s && a->new_flows_burst == b->new_flows_burst &&
	       a->max_flows == b->max_flows;
}

int zs_slot_program(struct zs_program *p, struct zs_slot *s, struct zs_error *err)
{
	struct zs_published want = entry_of(&s->pub), now;
	bool there = zs_tables_published(&p->tables, s->pub.port, &now);
	int rc;

	want.drain = p->c->drain.state != ZS_SERVING;
	if (there && entry_same(&now, &want))
		return 0;
	want.generation = there && entry_aims(&now, &want) ? now.generation : randombytes_random();
	rc = zs_tables_set_published(&p->tables, s->pub.port, &want);
	if (rc)
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE,
				    "port %u cannot be written into the tables: %s", s->pub.port,
				    strerror(-rc));
	return 0;
}

void zs_slot_clear(struct zs_program *p, uint16_t port)
{
	struct zs_published now;

	if (zs_tables_published(&p->tables, port, &now) ||
	    (atomic_load(&p->tables.published[port].seq) & 1)) /* a writer was killed inside */
		zs_tables_set_published(&p->tables, port, NULL);
}

/* While another program has the port only an entry that says the same may stay. */
static void withdraw_other(struct zs_program *p, const struct zs_slot *s)
{
	struct zs_published want = entry_of(&s->pub), now;

	if (!zs_tables_published(&p->tables, s->pub.port, &now) || !entry_aims(&now, &want))
		zs_slot_clear(p, s->pub.port);
}

static void log_refused(struct zs_program *p, const struct zs_publication *pub, const struct zs_error *why)
{
	ZS_LOG(&p->c->log, PUBLISH_REFUSED, "port=%u error=\"%s\"", pub->port, why->text);
}

static void log_published(struct zs_program *p, const struct zs_publication *pub)
{
	char text[ZS_ENDPOINT_TEXT];

	ZS_LOG(&p->c->log, PUBLISHED, "port=%u target=\"%s\" origin=%s", pub->port,
	       zs_publication_format(pub, text),
	       pub->attached.id	  ? "attach"
	       : pub->from_config ? "config"
				  : "store");
}

static void settle_to(struct zs_program *p, struct zs_slot *s, enum zs_slot_state state,
		      const struct zs_error *why)
{
	if (s->state != state && why)
		log_refused(p, &s->pub, why);
	s->state = state;
}

bool zs_slot_settle(struct zs_program *p, struct zs_slot *s)
{
	struct zs_error why = { 0 };

	if (zs_publication_check(p->c->conf, &s->pub, &why)) {
		settle_to(p, s, ZS_SLOT_DENIED, &why);
		zs_slot_clear(p, s->pub.port);
		zs_placeholder_release(&s->held);
		return false;
	}
	if (zs_placeholder_hold(&s->held, s->pub.port, p->own, p->own_count, &why)) {
		settle_to(p, s, ZS_SLOT_TAKEN, &why);
		withdraw_other(p, s);
		return false;
	}
	if (s->state != ZS_SLOT_ACTIVE)
		log_published(p, &s->pub);
	s->state = ZS_SLOT_ACTIVE;
	return zs_slot_program(p, s, NULL) == 0;
}

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
	log_published(p, pub);
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

/* A slot: one published port's publication, its placeholder and its entry in the tables. Without the placeholder no entry is written,
 * but one that is there already (adopted after a crash) goes on working while the port is fought over.
 *
 * An entry's generation is drawn anew whenever its target changes or it comes into being, so a
 * flow of an older life can never be taken for one of the new. */
#include <sodium.h>
#include <stdlib.h>
#include "program_internal.h"

struct zs_slot *zs_slot_make(const struct zs_publication *pub)
{
	struct zs_slot *s = calloc(1, sizeof(*s));

	if (s) {
		s->pub = *pub;
		s->state = ZS_SLOT_TAKEN;
	}
	return s;
}

void zs_slot_put(struct zs_program *p, struct zs_slot *s)
{
	p->slot[s->pub.port] = s;
	p->slots++;
}

void zs_slot_free(struct zs_slot *s)
{
	zs_placeholder_release(&s->held);
	free(s);
}

struct zs_slot *zs_slot_new(struct zs_program *p, const struct zs_publication *pub)
{
	struct zs_slot *s = zs_slot_make(pub);

	if (s)
		zs_slot_put(p, s);
	return s;
}

void zs_slot_delete(struct zs_program *p, uint16_t port)
{
	zs_slot_free(p->slot[port]);
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

void zs_slot_log(struct zs_program *p, const struct zs_publication *pub)
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
		zs_slot_log(p, &s->pub);
	s->state = ZS_SLOT_ACTIVE;
	return zs_slot_program(p, s, NULL) == 0;
}

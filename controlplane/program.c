/* The only writer of the tables segment. A change is durable first (records.c), then shared.
 *
 * Life: new opens the store's stop word, adopts the segment of the process before (or makes
 * one), brings each entry to what it should be without touching those that are right
 * (restore.c), and keeps a timer: a beat each 100 ms, second chances each second. delete
 * leaves the segment to the dataplane.
 *
 * The emergency stop errs on the side of stopped: it is set even when it cannot be stored (and
 * stored as soon as that works), and an adopted segment that says stopped stays so. */
#include "program_internal.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include "base/clock.h"
#include "shm/fault.h"
#include "store.h"

#define BEAT_NS	 (100 * ZS_NS_PER_MS)
#define RETRY_NS (1 * ZS_NS_PER_S)
#define PROBE_NS (5 * ZS_NS_PER_S) /* between tries of a store that failed */

static void retry_store(struct zs_program *p, uint64_t now)
{
	struct zs_health_cell cell;

	if (now < p->probe_ns)
		return;
	p->probe_ns = now + PROBE_NS;
	if (p->stop_unstored) {
		p->stop_unstored = zs_record_stop(p, true, NULL) != 0;
		return;
	}
	zs_health_read(p->c->health, ZS_HEALTH_store_failed, &cell);
	if (cell.raised)
		zs_record_probe(p);
}

static void tick(void *ctx)
{
	struct zs_program *p = ctx;
	uint64_t now = zs_loop_now(p->c->loop);

	zs_segment_beat(&p->tables.seg, now);
	if (now >= p->retry_ns) {
		p->retry_ns = now + RETRY_NS;
		retry_store(p, now);
		zs_own_ports_retry(p);
		if (p->c->drain.state == ZS_SERVING)
			zs_publications_retry(p);
	}
	zs_timer_after(p->timer, BEAT_NS);
}

static int open_tables(struct zs_program *p, struct zs_error *err)
{
	struct zs_tables_shape shape = { .routes = CONFIG_ROUTES, .nexthops = CONFIG_NEXTHOPS };
	bool stored = zs_record_stopped(p), fresh = false;
	struct zs_error why = { 0 }; /* of a segment set aside too */
	int rc = zs_tables_open_writer(&p->tables, p->c->shm_dir, &shape, stored, &fresh, &why);

	if (rc) {
		if (err)
			*err = why;
		return rc;
	}
	if (fresh && why.code == -EUCLEAN) {
		ZS_LOG(&p->c->log, SEGMENT_REFUSED, "segment=tables error=\"%s\"", why.text);
		zs_control_raise(p->c, ZS_HEALTH_segment_lost, "tables: made again from the store");
	}
	if (fresh)
		ZS_LOG(&p->c->log, SEGMENT_NEW, "segment=tables path=%s", p->tables.seg.path);
	else
		ZS_LOG(&p->c->log, SEGMENT_ADOPTED, "segment=tables path=%s", p->tables.seg.path);
	if (zs_tables_stopped(&p->tables) && !stored)
		p->stop_unstored = zs_record_stop(p, true, NULL) != 0;
	else if (stored && !zs_tables_stopped(&p->tables))
		zs_tables_set_stop(&p->tables, true);
	if (zs_tables_stopped(&p->tables))
		zs_control_raise(p->c, ZS_HEALTH_stopped, "since before the start");
	return 0;
}

static void close_ports(struct zs_program *p)
{
	zs_own_ports_release(p);
	for (uint32_t port = 0; port < ZS_UDP_PORTS; port++)
		if (p->slot[port])
			zs_slot_delete(p, (uint16_t)port);
}

int zs_program_new(struct zs_program **out, struct zs_control *c, struct zs_error *err)
{
	struct zs_program *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	p->c = c;
	p->own_count = zs_placeholder_addresses(c->conf, p->own);
	rc = open_tables(p, err);
	if (rc)
		goto undo;
	rc = zs_timer_new(&p->timer, c->loop, tick, p);
	if (rc) {
		zs_error_set(err, rc, ZS_EXIT_RESOURCE, "no timer: %s", strerror(-rc));
		goto undo_tables;
	}
	rc = zs_program_restore(p, err);
	if (rc)
		goto undo_timer;
	tick(p);
	*out = p;
	return 0;
undo_timer:
	close_ports(p);
	zs_timer_delete(p->timer);
undo_tables:
	zs_tables_close(&p->tables);
undo:
	free(p);
	return rc;
}

void zs_program_delete(struct zs_program *p)
{
	if (!p)
		return;
	close_ports(p);
	zs_timer_delete(p->timer);
	zs_tables_close(&p->tables);
	free(p);
}

int zs_program_writable(struct zs_program *p, struct zs_error *err)
{
	if (!zs_segment_damaged(&p->tables.seg))
		return 0;
	return zs_error_set(
	    err, -EUCLEAN, ZS_EXIT_REFUSED,
	    "%s is damaged, a change would reach nobody; restart zs-controlplane, which makes it anew",
	    p->tables.seg.path);
}

struct zs_tables *zs_program_tables(struct zs_program *p)
{
	return &p->tables;
}

bool zs_program_stopped(const struct zs_program *p)
{
	return zs_tables_stopped(&p->tables);
}

static int stop(struct zs_program *p, struct zs_error *err)
{
	struct zs_error why = { 0 };
	int rc = zs_record_stop(p, true, &why);

	p->stop_unstored = rc != 0;
	zs_tables_set_stop(&p->tables, true);
	zs_control_raise(p->c, ZS_HEALTH_stopped, "by command");
	ZS_LOG(&p->c->log, STOP_SET, "stored=%s", rc ? "no" : "yes");
	if (rc)
		return zs_error_set(err, rc, why.exit, "stopped, but the stop is not stored yet: %.160s",
				    why.text);
	return 0;
}

int zs_program_stop(struct zs_program *p, bool stopped, struct zs_error *err)
{
	int rc;

	if (stopped)
		return stop(p, err);
	rc = zs_program_writable(p, err);
	if (!rc)
		rc = zs_record_stop(p, false, err);
	if (rc)
		return rc;
	p->stop_unstored = false;
	zs_tables_set_stop(&p->tables, false);
	zs_control_clear(p->c, ZS_HEALTH_stopped);
	ZS_LOG(&p->c->log, STOP_LIFTED);
	return 0;
}

void zs_program_drain(struct zs_program *p)
{
	enum zs_drain_state state = p->c->drain.state;
	uint8_t drain = state != ZS_SERVING;
	struct zs_published e;

	for (uint32_t port = 1; port < ZS_UDP_PORTS; port++) {
		if (!zs_tables_published(&p->tables, (uint16_t)port, &e) ||
		    (e.drain == drain && state != ZS_DRAINED))
			continue;
		e.drain = drain;
		if (state == ZS_DRAINED) /* the flows were of the one before */
			e.generation = randombytes_random();
		zs_tables_set_published(&p->tables, (uint16_t)port, &e);
	}
}

/* zs-edge: command line, files, one edge on a loop. The end is a Detach, unless a second signal comes. */
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "data.h"
#include "files.h"
#include "loop/addresses.h"
#include "loop/notify.h"
#include "node/cidpool.h"
#include "node/edge.h"
#include "node/node.h"
#include "offer.h"
#include "report.h"
#include "sandbox.h"

#ifdef ZS_SANITIZED
/* The leak checker stops all threads by ptrace at exit, which the filter forbids; the unit tests have it on. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

struct process {
	struct zs_edge_options o;
	struct zs_loop *loop;
	struct zs_resolver *resolver;
	struct zs_edge *edge;	     /* the offer's, if there is one */
	struct zs_edge_data *data;   /* publish and forward, and --cid-socket beside them */
	struct zs_edge_offer *offer; /* --cid-socket alone */
	struct zs_cidpool pool;	     /* of the data side */
	struct zs_addresses *addresses;
	struct zs_random random;
	struct zs_timer *end, *watchdog;
	uint64_t watchdog_ns;
	bool answered[ZS_ATTACH_PUBLISHED], refused[ZS_ATTACH_PUBLISHED]; /* names, the last answer */
	bool renewed, ending, unsaved, unheard;
	struct zs_error err; /* why it ends, exit 0: on purpose */
};

/* --- the end ---------------------------------------------------------------------------------- */

static void leave(struct process *p)
{
	if (p->offer) {
		zs_reachable_detach(zs_edge_offer_reachable(p->offer));
		return;
	}
	zs_edge_data_shutdown(p->data);
	zs_edge_detach(p->edge);
}

static void on_end(void *ctx)
{
	struct process *p = ctx;

	if (zs_attach_client_state(zs_edge_client(p->edge)) == ZS_ATTACH_STATE_disconnected)
		zs_loop_stop(p->loop);
	else
		leave(p);
}

/* From the next turn on: an event must not call its client. */
static void end_soon(struct process *p)
{
	p->ending = true;
	zs_timer_after(p->end, 1);
}

static void tell_state(struct process *p)
{
	struct zs_reachable *r = p->offer ? zs_edge_offer_reachable(p->offer) : NULL;
	struct zs_edge_data_state state;
	struct zs_endpoint seen;
	bool bound = r && zs_reachable_bound(r, &seen);

	if (r) {
		zs_edge_report_bound(&p->o, zs_reachable_relay(r), bound ? &seen : NULL);
		return;
	}
	zs_edge_data_state(p->data, &state);
	zs_edge_report_state(&p->o, &state, zs_loop_now(p->loop));
}

static void on_signal(void *ctx, const struct zs_signal_info *info)
{
	struct process *p = ctx;

	if (info->signo == SIGUSR1) {
		tell_state(p);
		return;
	}
	if (p->ending) {
		zs_loop_stop(p->loop);
		return;
	}
	zs_notify(ZS_NOTIFY_STOPPING);
	end_soon(p);
}

/* A refusal of what was remembered alone: the client forgot it and asks anew. Once. */
static bool begins_anew(struct process *p, const struct zs_attach_event *event)
{
	bool anew = event->refusal && event->state != ZS_ATTACH_STATE_failed && !p->renewed &&
		    !zs_attach_refusal(event->refusal)->keep;

	p->renewed |= anew;
	return anew;
}

/* --once-ready: has the one attempt come to its end? */
static void judge(struct process *p, const struct zs_attach_event *event)
{
	bool all = zs_attach_client_state(zs_edge_client(p->edge)) == ZS_ATTACH_STATE_active, refused = false;

	if (p->ending)
		return;
	if (event->kind == ZS_ATTACH_EVENT_STATE && zs_attach_retry(event->state)->first_ns) {
		if (begins_anew(p, event))
			return;
		zs_error_set(&p->err, -ECONNREFUSED,
			     event->refusal || event->state == ZS_ATTACH_STATE_failed ? ZS_EXIT_REFUSED
										      : ZS_EXIT_UNREACHABLE,
			     "%s", event->why);
		end_soon(p);
		return;
	}
	for (uint32_t i = 0; i < p->o.publishes; i++) {
		all = all && p->answered[i];
		refused |= p->refused[i];
	}
	if (!all)
		return;
	if (refused)
		zs_error_set(&p->err, -EACCES, ZS_EXIT_REFUSED,
			     "a name did not get its port; the lines above say why");
	end_soon(p);
}

/* --- events ----------------------------------------------------------------------------------- */

static void note_port(struct process *p, const zs_pb_Port *port)
{
	if (!port->port && !port->has_error)
		return; /* withdrawn: what is wanted in its place is still to come */
	for (uint32_t i = 0; i < p->o.publishes; i++) {
		if (strcmp(p->o.publish[i].name, port->name) != 0)
			continue;
		p->answered[i] = true;
		p->refused[i] = port->has_error;
	}
}

static void save(struct process *p)
{
	uint8_t bytes[ZS_ATTACH_MEMORY];
	size_t len = zs_attach_client_memory(zs_edge_client(p->edge), bytes);
	struct zs_error err = { 0 };
	bool failed = zs_edge_state_save(p->o.state, bytes, len, &err) != 0;

	/* It goes on without; the next start begins anew. */
	if (failed && !p->unsaved)
		fprintf(stderr, PROGRAM ": %s; what is kept over restarts is not stored\n", err.text);
	p->unsaved = failed;
}

/* Whoever reads stdout may go away; what is published is not for them. */
static void note_output(struct process *p)
{
	if (!p->unheard && ferror(stdout))
		fprintf(stderr, PROGRAM ": stdout is closed, nothing more is said there; the edge goes on\n");
	p->unheard |= ferror(stdout) != 0;
}

static void on_event(void *ctx, const struct zs_attach_event *event)
{
	struct process *p = ctx;
	const struct zs_attach_session *session = zs_attach_client_session(zs_edge_client(p->edge));
	char line[512], status[576];

	if (p->data)
		zs_edge_data_event(p->data, event);
	if (p->data && p->o.cid_socket)
		zs_cidpool_event(&p->pool, event);
	zs_edge_report(&p->o, event, session);
	note_output(p);
	if (event->kind == ZS_ATTACH_EVENT_STATE) {
		snprintf(status, sizeof(status), "STATUS=%s", zs_edge_state_text(event, session, line));
		zs_notify(status);
		if (event->state == ZS_ATTACH_STATE_disconnected)
			end_soon(p);
	} else if (event->kind == ZS_ATTACH_EVENT_PORT) {
		note_port(p, event->port);
	} else if (event->kind == ZS_ATTACH_EVENT_SAVE) {
		save(p);
	}
	if (p->o.once_ready)
		judge(p, event);
}

static void on_news(void *ctx, const struct zs_edge_news *news)
{
	struct process *p = ctx;
	struct zs_edge_data_state state;

	zs_edge_data_state(p->data, &state);
	zs_edge_report_news(&p->o, news, &state, zs_loop_now(p->loop));
}

static void on_proved(void *ctx, uint32_t link)
{
	zs_edge_proved(((struct process *)ctx)->edge, link);
}

static void on_lost(void *ctx, uint32_t link, const char *why)
{
	zs_edge_lost(((struct process *)ctx)->edge, link, why);
}

static void on_moved(void *ctx)
{
	struct process *p = ctx;

	if (p->data)
		zs_edge_data_moved(p->data);
	else
		zs_reachable_moved(zs_edge_offer_reachable(p->offer));
}

static void on_bound(void *ctx, const struct zs_endpoint *relay, const struct zs_endpoint *seen)
{
	zs_edge_report_bound(&((struct process *)ctx)->o, relay, seen);
}

static bool on_own(void *ctx, uint8_t cid[ZS_BIND_CID])
{
	struct process *p = ctx;
	uint64_t expires_s;

	return zs_cidpool_own(&p->pool, cid, &expires_s, zs_loop_now(p->loop));
}

static int on_ask(void *ctx, const struct zs_peer_id *callee)
{
	struct process *p = ctx;

	return zs_cidpool_ask(&p->pool, callee, zs_loop_now(p->loop));
}

static void on_dial(void *ctx, const uint8_t *cid, const char *why)
{
	zs_edge_data_dial(((struct process *)ctx)->data, cid, why);
}

static void beat(void *ctx)
{
	struct process *p = ctx;

	zs_notify(ZS_NOTIFY_WATCHDOG);
	zs_timer_after(p->watchdog, p->watchdog_ns);
}

/* --- the start -------------------------------------------------------------------------------- */

static int restore(struct process *p, struct zs_error *err)
{
	uint8_t bytes[ZS_ATTACH_MEMORY + 1];
	ssize_t n = zs_edge_state_load(p->o.state, bytes, err);

	if (n <= 0)
		return (int)n;
	if (zs_attach_client_restore(zs_edge_client(p->edge), bytes, (size_t)n))
		return zs_error_set(err, -EUCLEAN, ZS_EXIT_CONFIG,
				    "%.150s: is not what zs-edge kept; move it away to begin anew",
				    p->o.state);
	return 0;
}

static int make_edge(struct process *p, const struct zs_identity *identity,
		     const struct zs_edge_secrets *secrets, struct zs_error *err)
{
	static const struct zs_edge_offer_ops offer_ops = { .event = on_event, .bound = on_bound };
	const struct zs_edge_config config = {
		.loop = p->loop,
		.resolver = p->resolver,
		.identity = identity,
		.profile = p->o.profile,
		.attach = { .home = p->o.relay,
			    .mode = ZS_ATTACH_MODE_tunnel,
			    .token = secrets->token,
			    .token_len = secrets->token_len,
			    .psk_id = secrets->psk.id,
			    .psk_id_len = secrets->psk.len,
			    .psk = secrets->psk.len ? secrets->psk.key : NULL,
			    .publish = p->o.publish,
			    .publishes = p->o.publishes,
			    .cids = p->o.cid_socket },
		.carries = p->data,
		.event = on_event,
		.ctx = p,
	};
	const struct zs_reachable_config offered = { .edge = config, .any = true };
	int rc = p->data ? zs_edge_new(&p->edge, &config, err)
			 : zs_edge_offer_new(&p->offer, &offered, p->o.cid_socket, &offer_ops, p, err);

	if (p->offer)
		p->edge = zs_reachable_edge(zs_edge_offer_reachable(p->offer));
	p->pool = (struct zs_cidpool){ .edge = p->edge, .dial = on_dial, .ctx = p };
	return rc ? rc : restore(p, err);
}

static int make_data(struct process *p, struct zs_error *err)
{
	const struct zs_edge_data_config config = {
		.loop = p->loop,
		.resolver = p->resolver,
		.random = &p->random,
		.publish = p->o.publish,
		.target = p->o.target,
		.publishes = p->o.publishes,
		.forward = p->o.forward,
		.forwards = p->o.forwards,
		.flows = p->o.flows,
		.idle_ns = p->o.idle_s * ZS_NS_PER_S,
		.news = on_news,
		.proved = on_proved,
		.lost = on_lost,
		.cid_socket = p->o.cid_socket,
		.own = on_own,
		.ask = on_ask,
		.bound = on_bound,
		.ctx = p,
	};

	return p->o.cid_socket && !p->o.publishes && !p->o.forwards
		   ? 0
		   : zs_edge_data_new(&p->data, &config, err);
}

static bool has_names(const struct zs_edge_options *o)
{
	bool names = o->relay.at.host != ZS_DIAL_IP;

	for (uint32_t i = 0; i < o->forwards; i++)
		names |= o->forward[i].target.host != ZS_DIAL_IP;
	return names;
}

static int make_loop(struct process *p, struct zs_error *err)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGUSR1 };
	int rc = zs_loop_new(&p->loop, ZS_LOOP_AUTO, err);

	if (!rc && has_names(&p->o))
		rc = zs_resolver_new(&p->resolver, p->loop, NULL, err);
	if (rc)
		return rc;
	p->watchdog_ns = zs_notify_watchdog_ns();
	if (zs_loop_signals(p->loop, signals, 3, on_signal, p) || zs_timer_new(&p->end, p->loop, on_end, p) ||
	    zs_timer_new(&p->watchdog, p->loop, beat, p))
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	return 0;
}

static int start(struct process *p, struct zs_error *err)
{
	struct zs_identity identity;
	struct zs_edge_secrets secrets = { 0 };
	int rc = zs_edge_identity(&identity, p->o.identity, err);

	if (rc)
		return rc;
	zs_edge_report_self(&p->o, &identity);
	rc = zs_edge_secrets(&secrets, p->o.token_file, p->o.psk_file, err);
	if (!rc)
		rc = make_loop(p, err);
	if (!rc)
		rc = make_data(p, err);
	if (!rc)
		rc = make_edge(p, &identity, &secrets, err);
	/* Without it a changed address is found within a keep-alive. */
	if (!rc && zs_addresses_new(&p->addresses, p->loop, on_moved, p))
		p->addresses = NULL;
	zs_identity_wipe(&identity);
	sodium_memzero(&secrets, sizeof(secrets));
	return rc ? rc : zs_edge_sandbox(err);
}

static int run(struct process *p, struct zs_error *err)
{
	int rc = start(p, err);

	if (rc)
		return rc;
	zs_edge_start(p->edge);
	zs_notify(ZS_NOTIFY_READY);
	if (p->watchdog_ns)
		beat(p);
	rc = zs_loop_run(p->loop);
	if (rc)
		return zs_error_set(err, rc, ZS_EXIT_FAILED, "the event loop ended: %s", strerror(-rc));
	*err = p->err;
	return p->err.code;
}

int main(int argc, char **argv)
{
	struct process p = { .random = zs_node_random() };
	struct zs_error err = { 0 };
	int rc;

	signal(SIGPIPE, SIG_IGN);
	if (sodium_init() < 0)
		return ZS_EXIT_RESOURCE;
	rc = zs_edge_options_parse(&p.o, argc, argv, &err);
	if (rc == 0)
		rc = run(&p, &err);
	if (p.offer)
		zs_edge_offer_delete(p.offer);
	else
		zs_edge_delete(p.edge);
	zs_edge_data_delete(p.data);
	zs_addresses_delete(p.addresses);
	zs_resolver_delete(p.resolver);
	if (p.loop)
		zs_loop_delete(p.loop);
	return rc < 0 ? zs_edge_fail(p.o.json, &err) : ZS_EXIT_OK;
}

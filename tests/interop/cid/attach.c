/* The control connection, as zs-edge has it (tools/edge), in mode socket: brings keys, bind id, the relay's service address and
 * connection IDs. The newest session is the one that binds. */
#include <string.h>
#include "base/clock.h"
#include "interop/cid/cidpeer.h"
#include "options.h"

static void step_attach(struct program *p)
{
	if (p->attach_why[0])
		refuse(p, "%s", p->attach_why);
	else if (p->attachment)
		answer(p, json_pack("{s:i}", "attachment", (int)p->attachment));
}

static void on_session(struct program *p, const struct zs_attach_session *s)
{
	if (!s->services) {
		snprintf(p->attach_why, sizeof(p->attach_why), "the relay names no service address");
		return;
	}
	p->attachment = s->attachment;
	take_session(p, &s->service[0], s->root, (uint8_t)s->bind_id);
}

static void on_cids(struct program *p, const zs_pb_Cids *cids)
{
	for (pb_size_t i = 0; i < cids->cid_count; i++)
		if (cids->peer.size)
			stock_add(&p->dial, cids->cid[i].bytes, cids->cid[i].size);
		else
			take_cid(p, cids->cid[i].bytes, cids->cid[i].size);
}

static void on_event(void *ctx, const struct zs_attach_event *event)
{
	struct program *p = ctx;

	if (event->kind == ZS_ATTACH_EVENT_GRANTED)
		on_session(p, event->session);
	else if (event->kind == ZS_ATTACH_EVENT_CIDS)
		on_cids(p, event->cids);
	else if (event->kind == ZS_ATTACH_EVENT_STATE && event->state == ZS_ATTACH_STATE_failed)
		snprintf(p->attach_why, sizeof(p->attach_why), "%.150s", event->why);
	else if (event->kind == ZS_ATTACH_EVENT_REFUSED)
		snprintf(p->attach_why, sizeof(p->attach_why), "%.60s: %.60s", event->error->scope,
			 event->error->text);
	zs_timer_after(p->timer, 1); /* a turn, when the edge is through with its own */
}

void begin_attach(struct program *p, const json_t *c)
{
	const char *relay = json_string_value(json_object_get(c, "relay"));
	const char *token = json_string_value(json_object_get(c, "token"));
	struct zs_edge_config config = {
		.loop = p->loop,
		.identity = &p->identity,
		.profile = ZS_GATER_TEST,
		.attach = { .mode = ZS_ATTACH_MODE_socket,
			    .token = token,
			    .token_len = token ? strlen(token) : 0 },
		.event = on_event,
		.ctx = p,
	};
	struct zs_error err = { 0 };

	if (p->edge || !relay) {
		refuse(p, "attach: relay, once");
		return;
	}
	if (zs_edge_relay_parse(&config.attach.home, relay, &err) || zs_edge_new(&p->edge, &config, &err)) {
		refuse(p, "%s", err.text);
		return;
	}
	p->now.step = step_attach;
	zs_edge_start(p->edge);
}

/* The control connection, as zs-edge has it (node/edge.h), in mode socket: brings keys, bind id, the relay's service address; own
 * connection IDs lie in the attach client's pool, those of dials are asked for. The newest session is the one that binds. */
#include <string.h>
#include "base/clock.h"
#include "interop/cid/cidpeer.h"
#include "options.h"

static json_t *own_id(const struct program *p)
{
	struct zs_public_key key = zs_identity_public(&p->identity);
	char text[ZS_PEER_ID_TEXT];
	struct zs_peer_id peer;

	zs_peer_id_of(&peer, &key);
	return json_string(zs_peer_id_format(&peer, text));
}

static void step_attach(struct program *p)
{
	if (p->attach_why[0])
		refuse(p, "%s", p->attach_why);
	else if (p->attachment)
		answer(p, json_pack("{s:i, s:o}", "attachment", (int)p->attachment, "peer", own_id(p)));
}

bool attach_own_cid(struct program *p, uint8_t cid[ZS_BIND_CID])
{
	uint64_t expires_s;

	return p->edge && zs_attach_client_take_cid(zs_edge_client(p->edge), cid, &expires_s,
						    zs_loop_now(p->loop), zs_clock_wall_ns() / ZS_NS_PER_S);
}

static void on_session(struct program *p, const struct zs_attach_session *s)
{
	if (p->service >= s->services) {
		snprintf(p->attach_why, sizeof(p->attach_why), "the relay names %u service addresses",
			 s->services);
		return;
	}
	p->attachment = s->attachment;
	take_session(p, &s->service[p->service], s->root, (uint8_t)s->bind_id);
}

/* For a dial: each once. The client kept our own already. */
static void on_cids(struct program *p, const zs_pb_Cids *cids)
{
	for (pb_size_t i = 0; cids->peer.size && i < cids->cid_count; i++)
		stock_add(&p->dial, cids->cid[i].bytes, cids->cid[i].size);
}

/* Not from an event, which must not call its client. */
void attach_turn(struct program *p)
{
	uint8_t cid[ZS_BIND_CID];

	if (p->has_relay && !p->binder.has_cid && attach_own_cid(p, cid))
		zs_binder_cid(&p->binder, cid, zs_loop_now(p->loop));
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
			    .cids = true,
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
	p->service = (uint32_t)json_integer_value(json_object_get(c, "service"));
	p->now.step = step_attach;
	zs_edge_start(p->edge);
}

static void step_ask(struct program *p)
{
	if (p->attach_why[0])
		refuse(p, "%s", p->attach_why);
	else if (p->dial.count > p->now.had)
		answer(p, json_pack("{s:i}", "dial", (int)p->dial.count));
}

void begin_ask(struct program *p, const json_t *c)
{
	const char *text = json_string_value(json_object_get(c, "peer"));
	struct zs_peer_id peer;
	int64_t id;

	if ((!p->edge && !p->helper.is) || !text || zs_peer_id_parse(&peer, text)) {
		refuse(p, "ask: peer, once attached");
		return;
	}
	p->attach_why[0] = '\0';
	p->now.had = p->dial.count;
	if (p->helper.is) {
		helper_ask(p, text, (uint32_t)json_integer_value(json_object_get(c, "count")));
		p->now.step = step_ask;
		return;
	}
	id = zs_attach_client_ask_cids(zs_edge_client(p->edge), &peer,
				       (uint32_t)json_integer_value(json_object_get(c, "count")),
				       zs_loop_now(p->loop));
	if (id < 0)
		refuse(p, "%s", strerror((int)-id));
	else
		p->now.step = step_ask;
}

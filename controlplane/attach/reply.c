/* Frames that go out. */
#include <stdio.h>
#include "attach/internal.h"
#include "p2p/multiaddr.h"

zs_pb_Error zs_attach_error(const struct refusal *r)
{
	zs_pb_Error e = { .code = r->code,
			  .current = r->current,
			  .limit = r->limit,
			  .side = ZS_ATTACH_SIDE_relay,
			  .retry_ms = r->retry_ms };

	snprintf(e.scope, sizeof(e.scope), "%s", r->scope ? r->scope : "");
	snprintf(e.text, sizeof(e.text), "%s",
		 r->text ? r->text : zs_attach_text(ZS_ATTACH_TABLE_ERROR, r->code));
	return e;
}

void zs_attach_send(struct zs_attach *s, struct zs_attach_conn *conn, const struct zs_attach_frame *f)
{
	uint8_t bytes[ZS_ATTACH_FRAME];
	struct zs_span raw;
	size_t len = zs_attach_encode(f, bytes, sizeof(bytes), &raw);

	ZS_CHECK(len, "a frame of ours keeps the protocol's bounds, kind %d", f->kind);
	if (conn->state != CONN_CLOSING && s->ops->send(s->shell, conn->peer.link, bytes, len))
		zs_attach_conn_close(s, conn, "it does not take our frames");
}

void zs_attach_send_error(struct zs_attach *s, struct zs_attach_conn *conn, uint64_t id,
			  const struct refusal *r)
{
	struct zs_attach_frame f = { .id = id, .kind = ZS_ATTACH_ERROR, .error = zs_attach_error(r) };

	zs_attach_send(s, conn, &f);
}

static void add_alternatives(const struct zs_attach *s, zs_pb_Notice *n)
{
	const struct zs_conf_attach *a = conf_of(s);
	struct zs_multiaddr addr;

	for (uint32_t i = 0; i < a->alternatives && n->alternatives_count < ZS_ARRAY_LEN(n->alternatives);
	     i++) {
		typeof(&n->alternatives[0]) to = &n->alternatives[n->alternatives_count];

		if (zs_multiaddr_parse(&addr, a->alternative[i]) || addr.len > sizeof(to->bytes))
			continue; /* zs_attach_conf_check let none through */
		memcpy(to->bytes, addr.bytes, addr.len);
		to->size = (pb_size_t)addr.len;
		n->alternatives_count++;
	}
}

void zs_attach_send_notice(struct zs_attach *s, struct zs_attach_conn *conn, uint32_t code, uint32_t in_ms,
			   const char *text)
{
	struct zs_attach_frame f = { .kind = ZS_ATTACH_NOTICE, .notice = { .code = code, .in_ms = in_ms } };

	if (code == ZS_ATTACH_NOTICE_drain)
		add_alternatives(s, &f.notice);
	snprintf(f.notice.text, sizeof(f.notice.text), "%s",
		 text ? text : zs_attach_text(ZS_ATTACH_TABLE_NOTICE, code));
	zs_attach_send(s, conn, &f);
}

/* What the sessions segment is made of, and a view of it.
 *
 * Regions: @attachment @session @cid_config @cookie_secret @tenant @change_head @change. */
#include "shm/sessions.h"

#include <errno.h>
#include <string.h>
#include "base/check.h"

#define CHANGES 16384u /* ids: as many as a control plane changes while a worker is away for seconds */

static const struct zs_segment_field members[] = {
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, seq),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, used),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, strangers),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, generation),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, session),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, previous),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, tenant),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, mark),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, serial),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, police),
	ZS_SEGMENT_MEMBER("session", struct zs_session, seq),
	ZS_SEGMENT_MEMBER("session", struct zs_session, used),
	ZS_SEGMENT_MEMBER("session", struct zs_session, mode),
	ZS_SEGMENT_MEMBER("session", struct zs_session, bind_id),
	ZS_SEGMENT_MEMBER("session", struct zs_session, attachment),
	ZS_SEGMENT_MEMBER("session", struct zs_session, generation),
	ZS_SEGMENT_MEMBER("session", struct zs_session, max_payload),
	ZS_SEGMENT_MEMBER("session", struct zs_session, receiver),
	ZS_SEGMENT_MEMBER("session", struct zs_session, peer),
	ZS_SEGMENT_MEMBER("session", struct zs_session, incarnation),
	ZS_SEGMENT_MEMBER("session", struct zs_session, root),
	ZS_SEGMENT_MEMBER("session", struct zs_session, created_s),
	ZS_SEGMENT_MEMBER("cid", struct zs_cid_config, seq),
	ZS_SEGMENT_MEMBER("cid", struct zs_cid_config, used),
	ZS_SEGMENT_MEMBER("cid", struct zs_cid_config, keyed),
	ZS_SEGMENT_MEMBER("cid", struct zs_cid_config, server_id_len),
	ZS_SEGMENT_MEMBER("cid", struct zs_cid_config, nonce_len),
	ZS_SEGMENT_MEMBER("cid", struct zs_cid_config, key),
	ZS_SEGMENT_MEMBER("cid", struct zs_cid_config, created_s),
	ZS_SEGMENT_MEMBER("cid", struct zs_cid_config, successor_s),
	ZS_SEGMENT_MEMBER("cid", struct zs_cid_config, withdrawn_s),
	ZS_SEGMENT_MEMBER("cookie", struct zs_cookie_secret, seq),
	ZS_SEGMENT_MEMBER("cookie", struct zs_cookie_secret, step),
	ZS_SEGMENT_MEMBER("cookie", struct zs_cookie_secret, now),
	ZS_SEGMENT_MEMBER("cookie", struct zs_cookie_secret, previous),
	ZS_SEGMENT_MEMBER("tenant", struct zs_tenant, seq),
	ZS_SEGMENT_MEMBER("tenant", struct zs_tenant, used),
	ZS_SEGMENT_MEMBER("tenant", struct zs_tenant, mark),
	ZS_SEGMENT_MEMBER("tenant", struct zs_tenant, members),
	ZS_SEGMENT_MEMBER("tenant", struct zs_tenant, share_bytes),
	ZS_SEGMENT_MEMBER("tenant", struct zs_tenant, share_packets),
	ZS_SEGMENT_MEMBER("tenant", struct zs_tenant, police),
	ZS_SEGMENT_MEMBER("police", struct zs_police, bytes),
	ZS_SEGMENT_MEMBER("police", struct zs_police, packets),
	ZS_SEGMENT_MEMBER("police", struct zs_police, new_flows),
	ZS_SEGMENT_MEMBER("police", struct zs_police, flows),
	ZS_SEGMENT_MEMBER("police", struct zs_police, quantum),
	ZS_SEGMENT_MEMBER("police", struct zs_police, packet_quantum),
	ZS_SEGMENT_MEMBER("rate", struct zs_rate, mult),
	ZS_SEGMENT_MEMBER("changes", struct zs_changelog_head, next),
};

static bool power_of_two(uint64_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

struct zs_sessions_shape zs_sessions_shaped(const struct zs_sessions_shape *shape)
{
	struct zs_sessions_shape s = {
		.attachments = shape && shape->attachments ? shape->attachments : CONFIG_ATTACHMENTS,
		.sessions = shape && shape->sessions ? shape->sessions : CONFIG_SESSIONS,
	};

	ZS_CHECK(power_of_two(s.attachments) && s.attachments <= ZS_ATTACHMENTS_MAX, "attachments %u",
		 s.attachments);
	ZS_CHECK(power_of_two(s.sessions) && s.sessions <= ZS_SESSIONS_MAX, "sessions %u", s.sessions);
	return s;
}

static uint32_t fields(struct zs_segment_field *out, const void *shape)
{
	struct zs_sessions_shape s = zs_sessions_shaped(shape);
	uint32_t n = ZS_ARRAY_LEN(members);

	_Static_assert(ZS_ARRAY_LEN(members) + 7 <= ZS_SEGMENT_FIELDS, "field table is full");
	memcpy(out, members, sizeof(members));
	n = zs_segment_put_region(out, n, "@attachment", s.attachments * sizeof(struct zs_attachment));
	n = zs_segment_put_region(out, n, "@session", s.sessions * sizeof(struct zs_session));
	n = zs_segment_put_region(out, n, "@cid_config", ZS_CID_CONFIGS * sizeof(struct zs_cid_config));
	n = zs_segment_put_region(out, n, "@cookie_secret", sizeof(struct zs_cookie_secret));
	n = zs_segment_put_region(out, n, "@tenant", ZS_TENANTS * sizeof(struct zs_tenant));
	n = zs_segment_put_region(out, n, "@change_head", sizeof(struct zs_changelog_head));
	return zs_segment_put_region(out, n, "@change", CHANGES * sizeof(uint32_t));
}

const struct zs_segment_kind zs_sessions_kind = {
	.name = "sessions",
	.version = ZS_SESSIONS_VERSION,
	.mode = 0600, /* roots of sessions */
	.fields = fields,
	.expendable = true, /* the edges attach again, for new keys */
};

static void *counted(const struct zs_sessions *s, const char *name, size_t entry, uint32_t max,
		     uint32_t *count)
{
	size_t have = 0;
	void *p = zs_segment_region(&s->seg, name, &have);

	if (!p || have % entry || !power_of_two(have / entry) || have / entry > max)
		return NULL;
	*count = (uint32_t)(have / entry);
	return p;
}

/* A region that has one size alone. */
static void *exact(const struct zs_sessions *s, const char *name, size_t size)
{
	size_t have = 0;
	void *p = zs_segment_region(&s->seg, name, &have);

	return have == size ? p : NULL;
}

int zs_sessions_bind(struct zs_sessions *s)
{
	s->attachment = counted(s, "@attachment", sizeof(*s->attachment), ZS_ATTACHMENTS_MAX,
				&s->attachments);
	s->session = counted(s, "@session", sizeof(*s->session), ZS_SESSIONS_MAX, &s->sessions);
	s->cid_config = exact(s, "@cid_config", ZS_CID_CONFIGS * sizeof(*s->cid_config));
	s->cookie_secret = exact(s, "@cookie_secret", sizeof(*s->cookie_secret));
	s->tenant = exact(s, "@tenant", ZS_TENANTS * sizeof(*s->tenant));
	s->changes.head = exact(s, "@change_head", sizeof(*s->changes.head));
	s->changes.id = counted(s, "@change", sizeof(*s->changes.id), ZS_CHANGELOG_MAX, &s->changes.capacity);
	return s->attachment && s->session && s->cid_config && s->cookie_secret && s->tenant &&
		       s->changes.head && s->changes.id
		   ? 0
		   : -EPROTO;
}

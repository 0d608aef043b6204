/* Layout, opening, reading and writing of the sessions segment. Invariant: what a reader
 * would refuse is never put, and nothing of the segment is trusted without a look. */
#include "shm/sessions.h"

#include <errno.h>
#include <string.h>
#include "base/check.h"

static const struct zs_segment_field members[] = {
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, seq),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, used),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, strangers),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, generation),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, session),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, previous),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, tenant),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, flows),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, new_flows_s),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, burst),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, serial),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, bit_s),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, pkt_s),
	ZS_SEGMENT_MEMBER("attachment", struct zs_attachment, bytes_left),
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
};

static bool power_of_two(uint64_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static struct zs_sessions_shape shaped(const struct zs_sessions_shape *shape)
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
	struct zs_sessions_shape s = shaped(shape);
	uint32_t n = ZS_ARRAY_LEN(members);

	_Static_assert(ZS_ARRAY_LEN(members) + 2 <= ZS_SEGMENT_FIELDS, "field table is full");
	memcpy(out, members, sizeof(members));
	n = zs_segment_put_region(out, n, "@attachment", s.attachments * sizeof(struct zs_attachment));
	return zs_segment_put_region(out, n, "@session", s.sessions * sizeof(struct zs_session));
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

static int bind_or_leave(struct zs_sessions *s, struct zs_error *err)
{
	s->attachment = counted(s, "@attachment", sizeof(*s->attachment), ZS_ATTACHMENTS_MAX,
				&s->attachments);
	s->session = counted(s, "@session", sizeof(*s->session), ZS_SESSIONS_MAX, &s->sessions);
	if (s->attachment && s->session)
		return 0;
	zs_segment_leave(&s->seg);
	return zs_error_set(err, -EPROTO, ZS_EXIT_LAYOUT, "%s: a region is missing or has an impossible size",
			    s->seg.path);
}

static void repair(struct zs_sessions *s)
{
	for (uint32_t i = 0; i < s->attachments; i++)
		if (zs_seqlock_read(&s->attachment[i].seq) & 1)
			zs_sessions_set_attachment(s, i, NULL);
	for (uint32_t i = 0; i < s->sessions; i++)
		if (zs_seqlock_read(&s->session[i].seq) & 1)
			zs_sessions_set_session(s, i, NULL);
}

static int make(struct zs_sessions *s, const char *dir, const struct zs_sessions_shape *shape,
		struct zs_segment *old, struct zs_error *err)
{
	int rc = zs_segment_new(&s->seg, dir, &zs_sessions_kind, shape, err);

	if (rc == 0)
		rc = bind_or_leave(s, err);
	if (rc < 0)
		return rc;
	rc = old ? zs_segment_supersede(old, &s->seg, err) : zs_segment_publish(&s->seg, err);
	if (rc < 0)
		zs_segment_leave(&s->seg);
	return rc;
}

int zs_sessions_open_writer(struct zs_sessions *s, const char *dir, const struct zs_sessions_shape *shape,
			    bool *fresh, struct zs_error *err)
{
	struct zs_sessions_shape want = shaped(shape);
	int rc;

	*s = (struct zs_sessions){ 0 };
	*fresh = false;
	rc = zs_segment_adopt(&s->seg, dir, &zs_sessions_kind, shape, err);
	if (rc == 0)
		rc = bind_or_leave(s, err);
	if (rc == 0 && s->attachments == want.attachments && s->sessions == want.sessions) {
		repair(s);
		return 0;
	}
	if (rc < 0 && rc != -ENOENT)
		return rc;
	*fresh = true;
	if (rc == 0) {
		struct zs_segment old;

		old = s->seg;
		zs_segment_moved(&old, &s->seg);
		rc = make(s, dir, shape, &old, err);
		if (rc < 0)
			zs_segment_leave(&old);
		return rc;
	}
	return make(s, dir, shape, NULL, err);
}

int zs_sessions_open_reader(struct zs_sessions *s, const char *dir, struct zs_error *err)
{
	int rc;

	*s = (struct zs_sessions){ 0 };
	rc = zs_segment_join(&s->seg, dir, &zs_sessions_kind, err);
	return rc < 0 ? rc : bind_or_leave(s, err);
}

void zs_sessions_close(struct zs_sessions *s)
{
	zs_segment_leave(&s->seg);
	*s = (struct zs_sessions){ 0 };
}

static bool slot_ok(const struct zs_sessions *s, uint32_t slot)
{
	return slot < s->sessions || slot == ZS_SESSION_NONE;
}

static bool attachment_ok(const struct zs_sessions *s, const struct zs_attachment *a)
{
	return a->used && a->generation != 0 && a->strangers <= ZS_STRANGERS_LIMITED &&
	       slot_ok(s, a->session) && slot_ok(s, a->previous) && a->tenant < s->attachments;
}

static bool session_ok(const struct zs_sessions *s, uint32_t slot, const struct zs_session *v)
{
	return v->used && v->generation != 0 && v->attachment < s->attachments &&
	       (v->receiver & (s->sessions - 1)) == slot &&
	       (v->mode == ZS_SESSION_TUNNEL || (v->mode == ZS_SESSION_SOCKET && v->bind_id != 0));
}

bool zs_sessions_attachment(const struct zs_sessions *s, uint32_t id, struct zs_attachment *out)
{
	return id < s->attachments && zs_seqlock_get(&s->attachment[id], out, sizeof(*out)) &&
	       attachment_ok(s, out);
}

bool zs_sessions_slot(const struct zs_sessions *s, uint32_t slot, struct zs_session *out)
{
	return slot < s->sessions && zs_seqlock_get(&s->session[slot], out, sizeof(*out)) &&
	       session_ok(s, slot, out);
}

bool zs_sessions_find(const struct zs_sessions *s, uint32_t receiver, struct zs_session *out)
{
	return zs_sessions_slot(s, receiver & (s->sessions - 1), out) && out->receiver == receiver;
}

int zs_sessions_set_attachment(struct zs_sessions *s, uint32_t id, const struct zs_attachment *value)
{
	static const struct zs_attachment none;

	if (id >= s->attachments || (value && !attachment_ok(s, value)))
		return -EINVAL;
	zs_seqlock_put(&s->attachment[id], value ? value : &none, sizeof(none));
	return 0;
}

int zs_sessions_set_session(struct zs_sessions *s, uint32_t slot, const struct zs_session *value)
{
	static const struct zs_session none;

	if (slot >= s->sessions || (value && !session_ok(s, slot, value)))
		return -EINVAL;
	zs_seqlock_put(&s->session[slot], value ? value : &none, sizeof(none));
	return 0;
}

/* Opening, reading and writing of the sessions segment. Invariant: what a reader
 * would refuse is never put, and nothing of the segment is trusted without a look. */
#include "shm/sessions.h"

#include <errno.h>
#include <string.h>

static int bind_or_leave(struct zs_sessions *s, struct zs_error *err)
{
	if (zs_sessions_bind(s) == 0)
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
	for (uint32_t i = 0; i < ZS_CID_CONFIGS; i++)
		if (zs_seqlock_read(&s->cid_config[i].seq) & 1)
			zs_sessions_set_cid_config(s, i, NULL);
	if (zs_seqlock_read(&s->cookie_secret->seq) & 1)
		zs_sessions_set_cookie_secret(s, NULL);
	for (uint32_t i = 0; i < ZS_TENANTS; i++)
		if (zs_seqlock_read(&s->tenant[i].seq) & 1)
			zs_sessions_set_tenant(s, i, NULL);
	zs_changelog_lose(&s->changes);
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
	struct zs_sessions_shape want = zs_sessions_shaped(shape);
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
	       slot_ok(s, a->session) && slot_ok(s, a->previous) && a->tenant < ZS_TENANTS;
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

static bool cid_config_ok(const struct zs_cid_config *v)
{
	return v->used && v->keyed <= 1 && v->server_id_len >= 1 && v->server_id_len <= 15 &&
	       v->nonce_len >= 4 && v->nonce_len <= 18 && v->server_id_len + v->nonce_len <= 19;
}

bool zs_sessions_cid_config(const struct zs_sessions *s, uint32_t rotation, struct zs_cid_config *out)
{
	return rotation < ZS_CID_CONFIGS - 1 && zs_seqlock_get(&s->cid_config[rotation], out, sizeof(*out)) &&
	       cid_config_ok(out);
}

bool zs_sessions_cookie_secret(const struct zs_sessions *s, struct zs_cookie_secret *out)
{
	return zs_seqlock_get(s->cookie_secret, out, sizeof(*out)) && out->step != 0;
}

bool zs_sessions_tenant(const struct zs_sessions *s, uint32_t number, struct zs_tenant *out)
{
	return number != 0 && number < ZS_TENANTS && zs_seqlock_get(&s->tenant[number], out, sizeof(*out)) &&
	       out->used;
}

/* Stores a value, or zeros where there is none. No entry is longer than a session. */
static void put(void *entry, const void *value, size_t size)
{
	static const struct zs_session none;

	zs_seqlock_put(entry, value ? value : &none, size);
}

int zs_sessions_set_attachment(struct zs_sessions *s, uint32_t id, const struct zs_attachment *value)
{
	if (id >= s->attachments || (value && !attachment_ok(s, value)))
		return -EINVAL;
	put(&s->attachment[id], value, sizeof(*value));
	zs_changelog_append(&s->changes, id);
	return 0;
}

int zs_sessions_set_session(struct zs_sessions *s, uint32_t slot, const struct zs_session *value)
{
	uint32_t before;

	if (slot >= s->sessions || (value && !session_ok(s, slot, value)))
		return -EINVAL;
	before = s->session[slot].attachment;
	put(&s->session[slot], value, sizeof(*value));
	if (value)
		zs_changelog_append(&s->changes, value->attachment);
	if (!value || before != value->attachment)
		zs_changelog_append(&s->changes, before);
	return 0;
}

int zs_sessions_set_cid_config(struct zs_sessions *s, uint32_t rotation, const struct zs_cid_config *value)
{
	if (rotation >= ZS_CID_CONFIGS ||
	    (value && (rotation == ZS_CID_CONFIGS - 1 || !cid_config_ok(value))))
		return -EINVAL;
	put(&s->cid_config[rotation], value, sizeof(*value));
	return 0;
}

int zs_sessions_set_cookie_secret(struct zs_sessions *s, const struct zs_cookie_secret *value)
{
	if (value && !value->step)
		return -EINVAL;
	put(s->cookie_secret, value, sizeof(*value));
	return 0;
}

int zs_sessions_set_tenant(struct zs_sessions *s, uint32_t number, const struct zs_tenant *value)
{
	if (number >= ZS_TENANTS || (value && (!number || !value->used)))
		return -EINVAL;
	put(&s->tenant[number], value, sizeof(*value));
	return 0;
}

/* cid mint, decode; keys list, rotate, export, import. Keys leave in the answer of export alone, which zsctl puts into a file. */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include "admin/verbs.h"
#include "attach/attach.h"
#include "cid/cid.h"

static json_t *hex(const uint8_t cid[ZS_CID])
{
	char text[2 * ZS_CID + 1];

	return json_string(sodium_bin2hex(text, sizeof(text), cid, ZS_CID));
}

/* --- connection IDs --- */

int zs_verb_cid_mint(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	uint32_t id = zs_verb_attachment(c, args, err), count = zs_verb_number(args, "count", 1);
	struct zs_cids_batch batch;
	struct zs_attach_info a;
	json_t *list;
	int rc;

	if (!id)
		return err->code;
	if (!count || count > ZS_CIDS_BATCH)
		return zs_error_set(err, -ERANGE, ZS_EXIT_USAGE, "count: 1 to %d", ZS_CIDS_BATCH);
	if (!zs_attach_next(c->attach, id - 1, zs_loop_now(c->loop), &a) || a.id != id)
		return zs_error_set(err, -ENOENT, ZS_EXIT_REFUSED,
				    "there is no attachment %u; zsctl attach list names them", id);
	rc = zs_cids_mint(zs_attach_cids(c->attach), id, a.generation, count, &batch);
	if (rc == -ENOSPC)
		return zs_error_set(err, rc, ZS_EXIT_REFUSED,
				    "attachment %u has used up its connection IDs; zsctl keys rotate", id);
	if (rc)
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "the store cannot reserve nonces: %s",
				    strerror(-rc));
	list = json_array();
	for (uint32_t i = 0; i < batch.count; i++)
		json_array_append_new(list, hex(batch.cid[i]));
	*result = json_pack("{s:I,s:i,s:i,s:I,s:o}", "attachment", (json_int_t)id, "generation", a.generation,
			    "configuration", batch.rotation, "expires_s", (json_int_t)batch.expires_s, "cids",
			    list);
	return 0;
}

static const char *why_not(enum zs_cid_verdict verdict)
{
	switch (verdict) {
	case ZS_CID_ROTATION:
		return "its first bits say that nobody can route it";
	case ZS_CID_LENGTH:
		return "its length bits do not say 16: it is not of a relay";
	case ZS_CID_CONFIG:
		return "its configuration is not live here; zsctl keys list shows those that are";
	default:
		return "it decodes to nonsense: it is of another network, or its configuration was replaced";
	}
}

int zs_verb_cid_decode(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	const char *text = json_string_value(json_object_get(args, "hex"));
	struct zs_cids *cids = zs_attach_cids(c->attach);
	uint8_t bytes[ZS_CID];
	struct zs_attach_info a;
	struct zs_cid cid;
	bool here, known;
	size_t len;

	if (sodium_hex2bin(bytes, sizeof(bytes), text, strlen(text), NULL, &len, NULL) ||
	    len != sizeof(bytes) || strlen(text) != 2 * sizeof(bytes))
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "hex: a connection ID is %d hex digits",
				    2 * ZS_CID);
	zs_cids_decode(cids, bytes, &cid);
	if (cid.verdict != ZS_CID_OK)
		return zs_error_set(err, -ENOENT, ZS_EXIT_REFUSED, "%s",
				    why_not((enum zs_cid_verdict)cid.verdict));
	here = cid.pop == c->conf->attach.pop;
	known = here && cid.attachment &&
		zs_attach_next(c->attach, cid.attachment - 1, zs_loop_now(c->loop), &a) &&
		a.id == cid.attachment;
	*result = json_pack("{s:i,s:I,s:b,s:I,s:i,s:I,s:s}", "configuration", cid.rotation, "pop",
			    (json_int_t)cid.pop, "here", here, "attachment", (json_int_t)cid.attachment,
			    "generation", cid.generation, "nonce", (json_int_t)cid.nonce, "state",
			    !here			     ? "another PoP's"
			    : !known			     ? "nobody's"
			    : a.generation != cid.generation ? "of an owner before"
							     : "good");
	return 0;
}

/* --- configurations --- */

static json_t *configuration(const struct zs_cids_info *i)
{
	return json_pack("{s:i,s:s,s:s,s:b,s:I,s:I,s:I}", "configuration", i->rotation, "state",
			 zs_cids_state_name(i->state), "key", i->name, "mints", i->mints, "created_s",
			 (json_int_t)i->created_s, "start_s", (json_int_t)i->start_s, "end_s",
			 (json_int_t)i->end_s);
}

static json_t *list(const struct zs_cids *cids, uint8_t which)
{
	json_t *rows = json_array();
	struct zs_cids_info info;

	for (uint8_t n = 0; n < ZS_CID_ROTATIONS; n++)
		if ((which >> n & 1) && zs_cids_info(cids, n, &info))
			json_array_append_new(rows, configuration(&info));
	return rows;
}

int zs_verb_keys_list(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	struct zs_cids *cids = zs_attach_cids(c->attach);

	*result = json_pack("{s:I,s:o}", "pop", (json_int_t)c->conf->attach.pop, "configurations",
			    list(cids, 0x7f));
	return 0;
}

int zs_verb_keys_rotate(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	struct zs_cids *cids = zs_attach_cids(c->attach);
	struct zs_cids_info info;
	uint8_t rotation;

	if (zs_cids_rotate(cids, &rotation, err))
		return err->code;
	zs_cids_info(cids, rotation, &info);
	*result = configuration(&info);
	return 0;
}

int zs_verb_keys_export(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	struct zs_cids *cids = zs_attach_cids(c->attach);
	char text[ZS_CIDS_EXPORT];

	*result = json_pack("{s:s#,s:o}", "text", text, (int)zs_cids_export(cids, text), "configurations",
			    list(cids, 0x7f));
	sodium_memzero(text, sizeof(text));
	return 0;
}

int zs_verb_keys_import(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	json_t *text = json_object_get(json_object_get(args, "file"), "text");
	struct zs_cids *cids = zs_attach_cids(c->attach);
	struct zs_cids_imported done;

	if (zs_cids_import(cids, json_string_value(text), json_string_length(text), &done, err))
		return err->code;
	*result = json_pack("{s:o,s:o}", "added", list(cids, done.added), "known", list(cids, done.known));
	return 0;
}

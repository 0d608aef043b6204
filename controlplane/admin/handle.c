/* Parse, level, audit, verb, answer. Nothing is changed unless the audit file has taken note of the call; the
 * emergency stop alone is done without (late.h). */
#include "admin/handle.h"
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include "admin/late.h"
#include "admin/record.h"
#include "admin/verbs.h"
#include "base/check.h"
#include "base/clock.h"

#define REFUSED_NS (60 * ZS_NS_PER_S / ZS_ADMIN_REFUSED_RATE)

static const struct {
	zs_verb_fn *now;
	zs_verb_later_fn *later;
} verbs[ZS_COMMANDS] = {
#define SERVED(s)								ZS_VERB_ENTRY_##s
#define ZS_VERB_ENTRY_0(id)							[ZS_COMMAND_##id] = { 0 },
#define ZS_VERB_ENTRY_1(id)							[ZS_COMMAND_##id] = { .now = zs_verb_##id },
#define ZS_VERB_ENTRY_2(id)							[ZS_COMMAND_##id] = { .later = zs_verb_##id },
#define ZS_COMMAND(id, verb, level, mutating, served, module, args, help, text) served(id)
#include "defs/commands.def"
#undef ZS_COMMAND
#undef SERVED
};

struct call {
	struct zs_control *c;
	const struct zs_caller *caller;
	const struct zs_command *cmd;
	struct zs_later *later;
	json_t *args; /* borrowed from the request */
	bool args_good;
	bool audited;		    /* a record is open */
	struct zs_error unrecorded; /* why a stop that was done has no record yet */
};

static json_t *refusal(const struct zs_error *err)
{
	enum zs_exit status = err->exit != ZS_EXIT_OK ? err->exit : ZS_EXIT_FAILED;
	json_t *text = json_string(err->text);

	return json_pack("{s:i,s:b,s:i,s:s,s:o}", "v", 1, "ok", 0, "exit", (int)status, "name",
			 zs_exit_name(status), "error", text ? text : json_string("the reason is no text"));
}

/* jansson's own bound on depth is for its stack; ours is for what a request can be. */
static bool too_deep(const char *req, size_t len)
{
	bool text = false;
	int depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (text && req[i] == '\\')
			i++;
		else if (req[i] == '"')
			text = !text;
		else if (!text && (req[i] == '{' || req[i] == '['))
			depth++;
		else if (!text && (req[i] == '}' || req[i] == ']'))
			depth--;
		if (depth > ZS_ADMIN_DEPTH_MAX)
			return true;
	}
	return false;
}

static json_t *read_request(const char *req, size_t len, struct zs_error *err)
{
	json_error_t why;
	json_t *root;

	if (len > ZS_ADMIN_REQUEST_MAX) {
		zs_error_set(err, -E2BIG, ZS_EXIT_USAGE, "request is larger than %u bytes",
			     ZS_ADMIN_REQUEST_MAX);
		return NULL;
	}
	if (too_deep(req, len)) {
		zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "request is nested deeper than %d",
			     ZS_ADMIN_DEPTH_MAX);
		return NULL;
	}
	root = json_loadb(req, len, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "request is no JSON: %s", why.text);
	return root;
}

static int find_command(struct call *call, json_t *root, struct zs_error *err)
{
	json_t *verb = json_object_get(root, "verb");
	const char *key;
	json_t *value;

	if (!json_is_object(root) || json_integer_value(json_object_get(root, "v")) != 1)
		return zs_error_set(
		    err, -EPROTO, ZS_EXIT_USAGE,
		    "request is not {\"v\":1,\"verb\":…}; zsctl and zs-controlplane must match");
	json_object_foreach(root, key,
			    value) if (strcmp(key, "v") != 0 && strcmp(key, "verb") != 0 &&
				       strcmp(key, "args") !=
					   0) return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE,
								  "request holds an unknown member");
	call->cmd = json_is_string(verb) ? zs_command_find(json_string_value(verb)) : NULL;
	if (call->cmd && !call->cmd->served)
		return zs_error_set(err, -ENOENT, ZS_EXIT_USAGE, "'%s' is answered by zsctl alone",
				    call->cmd->verb);
	if (!call->cmd)
		return zs_error_set(err, -ENOENT, ZS_EXIT_USAGE, "no such verb; zsctl help lists them");
	call->args = json_object_get(root, "args");
	return 0;
}

/* The arguments as the audit file keeps them: a file by its name and digest. */
static json_t *audit_args(const struct call *call)
{
	json_t *copy = call->args_good && call->args ? json_copy(call->args) : NULL;
	const char *key, *text;
	json_t *value;
	void *next;

	json_object_foreach_safe(copy, next, key, value)
	{
		unsigned char hash[crypto_hash_sha256_BYTES];
		char hex[2 * sizeof(hash) + 1];
		size_t len;

		text = json_string_value(json_object_get(value, "text"));
		if (!json_is_object(value) || !text)
			continue;
		len = json_string_length(json_object_get(value, "text"));
		crypto_hash_sha256(hash, (const unsigned char *)text, len);
		sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
		json_object_set_new(copy, key,
				    json_pack("{s:O,s:I,s:s}", "name", json_object_get(value, "name"),
					      "bytes", (json_int_t)len, "sha256", hex));
	}
	return copy;
}

/* A refused call of someone below admin: is there room in its level's budget for a record? */
static bool refusal_fits(struct zs_admin_counts *counts, enum zs_level level)
{
	static const struct zs_gcra_rate rate = { .interval = REFUSED_NS << ZS_GCRA_SHIFT,
						  .burst_ns = ZS_ADMIN_REFUSED_MAX * REFUSED_NS };

	if (!counts || zs_gcra_allow(&counts->refusals[level], &rate, zs_clock_ns(), 1))
		return true;
	counts->held++;
	return false;
}

static int audit_begin(struct call *call, struct zs_error *err)
{
	struct zs_admin_counts *counts = zs_admin_counts(call->c);
	json_t *args = audit_args(call);
	int rc = zs_admin_record_open(call->c, call->cmd->verb, call->caller, args, counts ? counts->held : 0,
				      err);

	json_decref(args);
	if (rc != 0)
		return rc;
	if (counts)
		counts->held = 0;
	call->audited = true;
	return 0;
}

static int permit(struct call *call, struct zs_error *err)
{
	if (call->caller->level >= call->cmd->level)
		return zs_module_need(call->c->conf, call->cmd->module, err);
	return zs_error_set(err, -EACCES, ZS_EXIT_DENIED, "'%s' needs the level %s, you have %s%s",
			    call->cmd->verb, zs_level_name(call->cmd->level),
			    zs_level_name(call->caller->level),
			    call->cmd->level == ZS_LEVEL_owner ? "; call it as root" : "; see admin.*_group");
}

static int run_verb(struct call *call, json_t **result, struct zs_error *err)
{
	struct zs_later *l = call->later;

	if (verbs[call->cmd->id].now) {
		int rc;

		call->c->caller = call->caller;
		rc = verbs[call->cmd->id].now(call->c, call->args, result, err);
		call->c->caller = NULL;
		return rc;
	}
	/* Its record would stay open over other calls. */
	ZS_CHECK(!call->cmd->mutating, "what is audited is answered at once");
	l->c = call->c;
	l->caller = call->caller;
	l->cmd = call->cmd;
	return verbs[call->cmd->id].later(call->c, call->args, l, result, err);
}

static int run(struct call *call, json_t **result, struct zs_error *err)
{
	struct zs_error args_err = { 0 };
	int args_rc, rc;

	args_rc = zs_command_check(call->cmd, call->args, &args_err);
	call->args_good = args_rc == 0;
	rc = permit(call, err);
	if (rc == 0 && args_rc != 0) {
		rc = args_rc;
		*err = args_err;
	}
	if (call->cmd->mutating && (rc == 0 || call->caller->level >= ZS_LEVEL_admin ||
				    refusal_fits(zs_admin_counts(call->c), call->caller->level))) {
		struct zs_error audit_err = { 0 };
		int audit_rc = audit_begin(call, &audit_err);

		if (audit_rc != 0 && rc == 0 && call->cmd->id != ZS_COMMAND_stop) {
			*err = audit_err;
			return audit_rc;
		}
		if (rc == 0)
			call->unrecorded = audit_err;
	}
	return rc != 0 ? rc : run_verb(call, result, err);
}

/* Done, and the caller is told what is still missing. */
static void tell_unrecorded(struct call *call, json_t *result, struct zs_error *err)
{
	zs_late_note(call->c, call->caller);
	json_object_set_new(result, "recorded", json_false());
	if (!json_object_get(result, "why"))
		json_object_set_new(result, "why", json_string(call->unrecorded.text));
	err->exit = ZS_EXIT_UNHEALTHY;
}

static bool is_refusal(const struct zs_error *err)
{
	return err->exit == ZS_EXIT_DENIED || err->exit == ZS_EXIT_REFUSED || err->exit == ZS_EXIT_MODULE_OFF;
}

static void count(const struct call *call, int rc, const struct zs_error *err)
{
	struct zs_admin_counts *counts = zs_admin_counts(call->c);
	const char *verb = call->cmd ? call->cmd->verb : "-";

	if (rc != 0 && (!call->cmd || is_refusal(err)))
		ZS_LOG(&call->c->log, ADMIN_REFUSED, "verb=\"%s\" uid=%u pid=%d error=\"%s\"", verb,
		       (unsigned)call->caller->uid, (int)call->caller->pid, err->text);
	else
		ZS_LOG(&call->c->log, ADMIN_CALL, "verb=\"%s\" uid=%u rc=%d", verb,
		       (unsigned)call->caller->uid, rc);
	if (!counts)
		return;
	if (call->cmd)
		counts->calls[call->cmd->id]++;
	else
		counts->malformed++;
	if (rc != 0 && is_refusal(err))
		counts->refused++;
	else if (rc != 0)
		counts->failed++;
}

static json_t *finish(const struct call *call, int rc, json_t *result, const struct zs_error *err)
{
	count(call, rc, err);
	if (rc == 0)
		return json_pack("{s:i,s:b,s:i,s:o}", "v", 1, "ok", 1, "exit", (int)err->exit, "result",
				 result ? result : json_object());
	json_decref(result);
	return refusal(err);
}

void zs_later_done(struct zs_later *l, int rc, json_t *result, const struct zs_error *err)
{
	const struct call call = { .c = l->c, .caller = l->caller, .cmd = l->cmd };

	l->answer(l, finish(&call, rc, result, err));
}

int zs_admin_handle(struct zs_control *c, const struct zs_caller *caller, const char *req, size_t len,
		    struct zs_later *later, json_t **answer)
{
	struct call call = { .c = c, .caller = caller, .later = later };
	struct zs_error err = { 0 };
	json_t *result = NULL, *root = read_request(req, len, &err);
	int rc = root ? find_command(&call, root, &err) : err.code;

	if (rc == 0) {
		rc = run(&call, &result, &err);
		if (call.audited) /* the record goes to the disk before the answer leaves */
			rc = zs_admin_record_close(c, rc, &err);
		if (rc == 0 && call.unrecorded.code)
			tell_unrecorded(&call, result, &err);
	}
	json_decref(root);
	if (rc == -EINPROGRESS)
		return rc;
	*answer = finish(&call, rc, result, &err);
	return *answer ? 0 : -ENOMEM;
}

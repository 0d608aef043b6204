/* doctor: rows of checks. It reads files and nothing else. */
#include "doctor.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void doctor_row(struct doctor *d, const char *check, enum doctor_state state, const char *action,
		const char *fmt, ...)
{
	static const char *const names[] = { "ok", "warn", "fail" };
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->warned += state == DOCTOR_WARN;
	d->failed += state == DOCTOR_FAIL;
	json_array_append_new(d->rows, json_pack("{s:s,s:s,s:s,s:s}", "check", check, "state", names[state],
						 "found", text, "action", state == DOCTOR_OK ? "" : action));
}

int doctor_read(const char *path, char *buf, size_t cap)
{
	FILE *f = fopen(path, "re");
	size_t len;

	if (!f)
		return -1;
	len = fread(buf, 1, cap - 1, f);
	fclose(f);
	buf[len] = '\0';
	if (len > 0 && buf[len - 1] == '\n')
		buf[--len] = '\0';
	return (int)len;
}

bool doctor_in_list(const char *list, unsigned long n)
{
	while (*list) {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (end == list)
			return false;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (n >= first && n <= last)
			return true;
		list = *end == ',' ? end + 1 : end + strlen(end);
	}
	return false;
}

/* The configuration to judge by; without one the defaults. -EINVAL: there is one and it is wrong. */
static int load(const struct zsctl *z, struct doctor *d, struct zs_conf *conf, struct zs_error *err)
{
	const char *named = json_string_value(json_object_get(z->args, "config"));
	char path[128];

	snprintf(path, sizeof(path), "/etc/zerostate/%s.yaml", z->instance);
	if (!named && access(path, F_OK) != 0) {
		zs_conf_defaults(conf, z->instance);
		doctor_row(d, "configuration", DOCTOR_WARN, "write it, then run doctor again",
			   "%s is not there, judged by the defaults", path);
		return 0;
	}
	if (zs_conf_load(conf, named ? named : path, err) != 0)
		return -EINVAL;
	doctor_row(d, "configuration", DOCTOR_OK, "", "%s is good", named ? named : path);
	return 0;
}

json_t *zsctl_examine(const struct zsctl *z, struct zs_error *err)
{
	struct zs_conf *conf = calloc(1, sizeof(*conf));
	struct doctor d = { .conf = conf, .rows = json_array() };
	json_t *result = NULL;

	if (!conf || !d.rows) {
		zs_error_set(err, -ENOMEM, ZS_EXIT_CONFIG, "out of memory");
	} else if (load(z, &d, conf, err) == 0) {
		doctor_machine(&d);
		if (zs_module_on(conf, ZS_MODULE_forwarding)) {
			doctor_forwarding(&d);
			doctor_cores(&d);
			doctor_network(&d);
			doctor_planes(&d);
		} else {
			doctor_row(&d, "forwarding", DOCTOR_OK, "", "off, so not looked at: roles.relay");
		}
		result = json_pack("{s:b,s:i,s:i,s:O}", "ready", d.failed == 0, "failed", (int)d.failed,
				   "warned", (int)d.warned, "checks", d.rows);
	}
	json_decref(d.rows);
	free(conf);
	return result;
}

int zsctl_doctor(const struct zsctl *z)
{
	struct zs_error err = { 0 };
	json_t *result = zsctl_examine(z, &err);
	int status;

	if (!result)
		return zsctl_fail(z, ZS_EXIT_CONFIG, "%s", err.text);
	status = json_is_true(json_object_get(result, "ready")) ? ZS_EXIT_OK : ZS_EXIT_UNHEALTHY;
	if (z->json) {
		zsctl_print_json(z, result);
	} else {
		zsctl_table(json_object_get(result, "checks"),
			    "state:state,check:check,found:found,action:what to do", "nothing to check");
		printf("%lld failed, %lld to look at\n",
		       (long long)json_integer_value(json_object_get(result, "failed")),
		       (long long)json_integer_value(json_object_get(result, "warned")));
	}
	json_decref(result);
	return status;
}

/* cid and keys for people. Times as UTC. */
#include <time.h>
#include "zsctl.h"

static json_int_t num(json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static const char *utc(char buf[32], json_int_t unix_s)
{
	time_t at = (time_t)unix_s;
	struct tm tm;

	if (!unix_s || !gmtime_r(&at, &tm) || !strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(buf, 32, "-");
	return buf;
}

void zsctl_print_minted(json_t *r)
{
	json_t *cid;
	char at[32];
	size_t i;

	json_array_foreach(json_object_get(r, "cids"), i, cid) puts(json_string_value(cid));
	printf("attachment %lld, configuration %lld, good until %s\n", (long long)num(r, "attachment"),
	       (long long)num(r, "configuration"), utc(at, num(r, "expires_s")));
}

void zsctl_print_decoded(json_t *r)
{
	printf("PoP %lld, attachment %lld, generation %lld, nonce %lld, configuration %lld: %s\n",
	       (long long)num(r, "pop"), (long long)num(r, "attachment"), (long long)num(r, "generation"),
	       (long long)num(r, "nonce"), (long long)num(r, "configuration"),
	       json_string_value(json_object_get(r, "state")));
}

static void print_list(json_t *rows, const char *nothing)
{
	static const char *const times[] = { "created_s", "start_s", "end_s" };
	json_t *row;
	char at[32];
	size_t i;

	json_array_foreach(rows, i, row) for (size_t t = 0; t < sizeof(times) / sizeof(times[0]); t++)
	    json_object_set_new(row, times[t], json_string(utc(at, num(row, times[t]))));
	zsctl_table(rows,
		    "#configuration:no,state:state,key:key,mints:mints,created_s:created,start_s:minted "
		    "from,end_s:until",
		    nothing);
}

void zsctl_print_keys(const struct zsctl *z, json_t *r)
{
	json_t *one;

	switch (z->cmd->id) {
	case ZS_COMMAND_keys_rotate:
		one = json_pack("[O]", r);
		print_list(one, "");
		json_decref(one);
		return;
	case ZS_COMMAND_keys_export:
		printf("%zu configurations are in %s\n",
		       json_array_size(json_object_get(r, "configurations")),
		       json_string_value(json_object_get(r, "file")));
		return;
	case ZS_COMMAND_keys_import:
		print_list(json_object_get(r, "added"), "nothing new");
		return;
	default:
		print_list(json_object_get(r, "configurations"), "no configuration");
	}
}

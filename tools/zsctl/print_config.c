/* Configurations for people: what changes, which revision holds, what is on trial. */
#include "zsctl.h"

static long long num(json_t *o, const char *name)
{
	return (long long)json_integer_value(json_object_get(o, name));
}

static void print_changes(json_t *r, const char *nothing)
{
	zsctl_table(json_object_get(r, "changes"), "key:key,old:in force,new:in the file,restart:restart",
		    nothing);
}

void zsctl_print_planned(json_t *r)
{
	print_changes(r, "no difference");
}

void zsctl_print_applied(json_t *r)
{
	if (json_object_get(r, "undone")) {
		printf("revision %lld is undone, revision %lld is in force\n", num(r, "undone"),
		       num(r, "revision"));
		return;
	}
	print_changes(r, "nothing to change");
	if (json_array_size(json_object_get(r, "changes")))
		printf("in force now\n");
	if (num(r, "confirm_s"))
		printf("revision %lld is on trial: undone in %lld s unless zsctl config confirm %lld is "
		       "called\n",
		       num(r, "revision"), num(r, "confirm_s"), num(r, "revision"));
}

void zsctl_print_confirmed(json_t *r)
{
	printf("revision %lld is confirmed\n", num(r, "revision"));
}

void zsctl_print_history(json_t *r)
{
	json_t *trial = json_object_get(r, "trial"), *rev;
	size_t i;

	json_array_foreach(json_object_get(r, "revisions"), i, rev) json_object_set_new(
	    rev, "digest", json_sprintf("%.12s", json_string_value(json_object_get(rev, "sha256"))));
	zsctl_table(json_object_get(r, "revisions"),
		    "#revision:revision,state:state,time:time,#uid:uid,by:by,#of:of,digest:sha256,bytes:"
		    "bytes,file:file",
		    "no revision is kept");
	if (json_is_object(trial))
		printf("revision %lld is on trial: revision %lld is back in %lld s unless zsctl config "
		       "confirm %lld is called\n",
		       num(trial, "revision"), num(trial, "back_to"), num(trial, "left_s"),
		       num(trial, "revision"));
}

void zsctl_print_text(json_t *r)
{
	fputs(json_string_value(json_object_get(r, "text")), stdout);
}

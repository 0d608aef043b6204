/* attach and show usage for people. */
#include <string.h>
#include "zsctl.h"

static json_int_t num(json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static const char *str(json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	return text ? text : "";
}

static bool is_by_command(json_t *r, const char *key)
{
	json_t *name;
	size_t i;

	json_array_foreach(json_object_get(r, "limited"), i,
			   name) if (!strcmp(json_string_value(name), key)) return true;
	return false;
}

/* Numbers that limit something, and what was set by command, with a star. */
static void print_limits(json_t *r)
{
	const char *key, *between = "";
	json_t *value;

	printf("limits         ");
	json_object_foreach(json_object_get(r, "limits"), key, value)
	{
		bool set = is_by_command(r, key);
		char number[32];

		if (!json_integer_value(value) && !set)
			continue;
		printf("%s%s %s%s", between, key,
		       json_is_string(value) ? json_string_value(value)
					     : zsctl_number(number, json_integer_value(value)),
		       set ? "*" : "");
		between = ", ";
	}
	printf("%s\n", *between ? "" : "none");
	if (json_array_size(json_object_get(r, "limited")))
		printf("               * by zsctl attach limit\n");
}

void zsctl_print_attachment(json_t *r)
{
	printf("attachment     %lld, generation %lld, %s\n", (long long)num(r, "attachment"),
	       (long long)num(r, "generation"), str(r, "state"));
	printf("owner          %s %s\n", str(r, "peer"), str(r, "name"));
	printf("policy         %s%s%s\n", str(r, "policy")[0] ? str(r, "policy") : "unlimited",
	       str(r, "tenant")[0] ? ", tenant " : "", str(r, "tenant"));
	print_limits(r);
	if (str(r, "remote")[0])
		printf("connected      %s, %s\n", str(r, "remote"), str(r, "group"));
	else
		printf("lease          ends in %lld s\n", (long long)num(r, "lease_s"));
	printf("sessions       %lld %s\n", (long long)num(r, "sessions"), str(r, "mode"));
	zsctl_table(json_object_get(r, "ports"),
		    "name:service,#port:port,#service:number,protection:protection,held:held", "no port");
}

void zsctl_print_attachments(json_t *r)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(r, "attachments"), i,
			   row) if (strcmp(str(row, "state"), "leased") != 0)
	    json_object_del(row, "lease_s"); /* nothing runs out */
	zsctl_table(json_object_get(r, "attachments"),
		    "#attachment:no,#generation:generation,peer:peer,name:name,state:state,#lease_s:lease_s,"
		    "mode:mode,"
		    "remote:remote,port_numbers:ports",
		    "nobody is attached");
	zsctl_table(json_object_get(r, "rules"),
		    "peer:peer,verdict:verdict,name:name,policy:policy,tenant:tenant,origin:origin",
		    "no peer is allowed or denied by name");
	printf("mode %s\n", str(r, "mode"));
}

void zsctl_print_limited(json_t *r)
{
	json_t *name;
	size_t i;

	printf("%s is limited by command in:", str(r, "peer"));
	json_array_foreach(json_object_get(r, "limited"), i, name) printf(" %s", json_string_value(name));
	printf("%s\n", json_array_size(json_object_get(r, "limited")) ? "" : " nothing");
}

void zsctl_print_usage(json_t *r)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(r, "usage"), i, row)
	{
		static const char *const ways[] = { "from_edge", "to_edge" };

		for (size_t k = 0; k < 2; k++) {
			json_t *way = json_object_get(row, ways[k]);
			char name[32];

			snprintf(name, sizeof(name), "%s_bytes", ways[k]);
			json_object_set(row, name, json_object_get(way, "bytes"));
			snprintf(name, sizeof(name), "%s_packets", ways[k]);
			json_object_set(row, name, json_object_get(way, "packets"));
		}
	}
	zsctl_table(
	    json_object_get(r, "usage"),
	    "#attachment:no,peer:peer,name:name,tenant:tenant,from_edge_bytes:bytes from edge,"
	    "from_edge_packets:packets,to_edge_bytes:bytes to edge,to_edge_packets:packets,limit:of bytes",
	    "nobody is attached");
}

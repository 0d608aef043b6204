/* show bindings and tunnels for people. */
#include "zsctl.h"

static void more(json_t *r, const char *verb)
{
	json_t *next = json_object_get(r, "next");

	if (json_is_integer(next))
		printf("there may be more: zsctl %s --after %lld\n", verb,
		       (long long)json_integer_value(next));
}

void zsctl_print_bindings(json_t *r)
{
	zsctl_table(json_object_get(r, "bindings"),
		    "#attachment:no,peer:peer,name:name,address:bound to,expires_ms:ends in ms,"
		    "from_edge_packets:packets from,from_edge_bytes:bytes from,to_edge_packets:packets to,"
		    "to_edge_bytes:bytes to",
		    "nobody is bound");
	more(r, "show bindings");
}

void zsctl_print_tunnels(json_t *r)
{
	zsctl_table(
	    json_object_get(r, "tunnels"),
	    "#attachment:no,peer:peer,newest:newest,endpoint:endpoint,pending:pending,lanes_seen:lanes,"
	    "epochs:epochs,path_bytes:path bytes,heard_ms:heard ms ago,from_edge_packets:packets from,"
	    "to_edge_packets:packets to,failed_tags:failed tags",
	    "no tunnel");
	more(r, "show tunnels");
}

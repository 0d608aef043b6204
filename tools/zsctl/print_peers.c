/* Answers about peers for people. */
#include "zsctl.h"

static const char *str(json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	return text ? text : "-";
}

static long long num(json_t *o, const char *name)
{
	return (long long)json_integer_value(json_object_get(o, name));
}

static void print_list(const char *title, json_t *list)
{
	json_t *value;
	size_t i;

	json_array_foreach(list, i, value) printf("%-14s %s\n", i ? "" : title, json_string_value(value));
}

void zsctl_print_peers(json_t *r)
{
	printf("peer id        %s\n", str(r, "peer"));
	print_list("listening", json_object_get(r, "listening"));
	print_list("announced", json_object_get(r, "announced"));
	if (json_is_string(json_object_get(r, "qlog")))
		printf("qlog           %s\n", str(r, "qlog"));
	zsctl_table(json_object_get(r, "connections"),
		    "peer:peer,state:state,transport:transport,direction:direction,remote:remote,group:group,"
		    "rtt_ms:rtt ms,rx_bytes:received,tx_bytes:sent,age_s:age s,agent:agent",
		    "no connection");
	printf("%zu listed of %lld\n", json_array_size(json_object_get(r, "connections")), num(r, "total"));
}

void zsctl_print_peer(json_t *r)
{
	json_t *address;
	size_t i;

	printf("peer           %s\n", str(r, "peer"));
	printf("connection     %s, %s, %s, %s, %s\n", str(r, "state"), str(r, "transport"),
	       str(r, "direction"), str(r, "remote"), str(r, "group"));
	if (json_object_get(r, "ping_us"))
		printf("ping           %.1f ms\n", (double)num(r, "ping_us") / 1000);
	if (json_object_get(r, "ms"))
		printf("connected in   %lld ms\n", num(r, "ms"));
	if (!json_object_get(r, "addresses"))
		return;
	printf("agent          %s\n", str(r, "agent"));
	print_list("protocols", json_object_get(r, "protocols"));
	json_array_foreach(json_object_get(r, "addresses"), i, address)
	    printf("%-14s %s (%s%s)\n", i ? "" : "addresses", str(address, "address"), str(address, "known"),
		   json_is_true(json_object_get(address, "signed")) ? ", signed" : "");
}

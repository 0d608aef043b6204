/* Each verb's answer for people. */
#include <string.h>
#include <stdlib.h>
#include "zsctl.h"

static const char *str(json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	return text ? text : "-";
}

static json_int_t num(json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static bool yes(json_t *o, const char *name)
{
	return json_is_true(json_object_get(o, name));
}

static void print_codes(json_t *codes)
{
	json_t *code;
	size_t i;

	json_array_foreach(codes, i, code)
	{
		printf("%s %-5s %-7s %s: %s", str(code, "code"), str(code, "severity"), str(code, "plane"),
		       str(code, "name"), yes(code, "raised") ? str(code, "text") : "fine");
		if (yes(code, "raised") && str(code, "detail")[0])
			printf(" (%s)", str(code, "detail"));
		if (yes(code, "raised"))
			printf("; %s", str(code, "action"));
		putchar('\n');
	}
}

/* Modules that are off. An answer out of shared memory names none. */
static void print_modules(json_t *modules)
{
	const char *name;
	json_t *on;

	json_object_foreach(modules, name, on)
	{
		if (json_is_false(on))
			printf("module         %s is off\n", name);
	}
}

static bool relays(json_t *r)
{
	return !json_is_false(json_object_get(json_object_get(r, "modules"), "forwarding"));
}

static void print_planes(json_t *r)
{
	json_t *control = json_object_get(r, "control"), *data = json_object_get(r, "dataplane");

	if (yes(control, "running"))
		printf("control plane  running, pid %lld, %s, up %lld s\n", (long long)num(control, "pid"),
		       str(control, "version"), (long long)num(control, "uptime_s"));
	else
		printf("control plane  NOT RUNNING; figures are from shared memory\n");
	if (yes(data, "running") && json_is_null(json_object_get(data, "workers")))
		printf("dataplane      running, pid %lld, figures LOST (shared memory is damaged; see zsctl "
		       "health)\n",
		       (long long)num(data, "pid"));
	else if (yes(data, "running"))
		printf("dataplane      running, pid %lld, %lld workers, heartbeat %lld ms ago\n",
		       (long long)num(data, "pid"), (long long)num(data, "workers"),
		       (long long)num(data, "heartbeat_ms"));
	else
		printf("dataplane      %s\n", relays(r) ? "NOT RUNNING" : "none: the role relay is off");
}

static void print_relaying(json_t *r)
{
	json_t *flows = json_object_get(r, "flows"), *packets = json_object_get(r, "packets");
	json_t *total = json_object_get(packets, "total");
	json_t *control = json_object_get(r, "control"), *drain = json_object_get(control, "drain");
	char a[32], b[32], c[32];

	printf("forwarding     %s\n", yes(r, "stopped")	  ? "STOPPED (emergency stop; zsctl resume lifts it)"
				      : yes(r, "damaged") ? "OFF (shared memory is damaged; see zsctl health)"
							  : "on");
	if (yes(control, "draining"))
		printf("drain          %s: %lld edges, %lld sessions, %s flows, %lld s left\n",
		       str(drain, "state"), (long long)num(drain, "edges"), (long long)num(drain, "sessions"),
		       zsctl_number(a, num(drain, "flows")), (long long)num(drain, "left_s"));
	printf("published      %lld ports\n", (long long)num(r, "published"));
	if (json_is_null(flows))
		printf("flows          lost\n");
	else
		printf("flows          %s of %s\n", zsctl_number(a, num(flows, "used")),
		       zsctl_number(b, num(flows, "capacity")));
	if (total)
		printf("packets        rx %s  tx %s  dropped %s\n", zsctl_number(a, num(total, "rx")),
		       zsctl_number(b, num(total, "tx")), zsctl_number(c, num(packets, "drops")));
}

static void print_status(json_t *r)
{
	json_t *trial = json_object_get(json_object_get(r, "control"), "trial");

	printf("instance       %s\n", str(r, "instance"));
	if (json_is_string(json_object_get(r, "peer")))
		printf("peer id        %s\n", str(r, "peer"));
	print_planes(r);
	print_modules(json_object_get(r, "modules"));
	if (json_is_object(trial))
		printf("configuration  revision %lld is ON TRIAL: revision %lld is back in %lld s unless "
		       "zsctl config confirm %lld\n",
		       (long long)num(trial, "revision"), (long long)num(trial, "back_to"),
		       (long long)num(trial, "left_s"), (long long)num(trial, "revision"));
	if (relays(r))
		print_relaying(r);
	if (json_array_size(json_object_get(r, "health")) == 0)
		printf("health         no code is raised\n");
	print_codes(json_object_get(r, "health"));
}

static void print_drain(json_t *r)
{
	if (strcmp(str(r, "state"), "drained") == 0)
		printf("drained; zsctl undrain lets flows and sessions in again\n");
	else
		printf("draining, ends in %lld s at the latest\n", (long long)num(r, "left_s"));
}

static void print_counters(json_t *r)
{
	const char *name;
	json_t *value;
	char n[32];

	json_object_foreach(json_object_get(r, "total"), name, value)
	    printf("%-18s %20s\n", name, zsctl_number(n, json_integer_value(value)));
	printf("%-18s %20s\n", "drops", zsctl_number(n, num(r, "drops")));
	printf("%-18s %20s  %s\n", "balance", zsctl_number(n, num(r, "balance")),
	       num(r, "balance") == 0 ? "rx + from_twin + originated = tx + drops + punted + consumed"
				      : "packets in flight; 0 when idle");
	if (json_object_get(r, "workers")) {
		putchar('\n');
		zsctl_table(json_object_get(r, "workers"),
			    "worker:worker,rx:rx,tx:tx,drops:drops,punted:punted,consumed:consumed,flows_new:"
			    "flows new,"
			    "handed_over:handed over,polls:polls",
			    "no worker has run");
	}
}

static void print_runtime(json_t *r)
{
	json_t *worker;
	size_t i;

	zsctl_table(json_object_get(r, "workers"),
		    "worker:worker,cpu:cpu,running:running,heartbeat_ms:beat ms,polls:polls,bursts:bursts,"
		    "packets_per_burst:packets/burst,sleeps:sleeps",
		    "no worker has run");
	json_array_foreach(json_object_get(r, "workers"), i, worker)
	{
		printf("\nworker %lld\n", (long long)num(worker, "worker"));
		zsctl_table(json_object_get(worker, "stages"),
			    "stage:stage,packets:packets,cycles:cycles,cycles_per_packet:cycles/packet",
			    "no stage");
	}
}

static void print_flows(json_t *r)
{
	char a[32], b[32], c[32];

	zsctl_table(json_object_get(r, "flows"),
		    "#port:port,client:client,target:target,#source_port:source "
		    "port,worker:worker,confirmed:confirmed,"
		    "to_target_packets:to target,to_client_packets:to client,idle_ms:idle ms",
		    "no flow");
	printf("%s listed, %s in use of %s\n", zsctl_number(a, num(r, "listed")),
	       zsctl_number(b, num(r, "used")), zsctl_number(c, num(r, "capacity")));
}

static void print_memory(json_t *r)
{
	const char *name;
	json_t *value;
	char n[32];

	zsctl_table(json_object_get(r, "processes"),
		    "plane:plane,#pid:pid,resident:resident,own:own,shared:shared,hugepages:hugepages,"
		    "reserved:reserved,budget:budget",
		    "no process");
	printf("\n");
	zsctl_table(json_object_get(r, "modules"),
		    "module:module,state:state,used:used,most:most,budget:budget,refused:refused",
		    "no module");
	printf("\n");
	zsctl_table(json_object_get(r, "segments"),
		    "segment:segment,resident:resident,bytes:reserved,version:version,generation:generation,#"
		    "writer_pid:writer,"
		    "writer_alive:alive",
		    "no segment");
	printf("\n");
	json_object_foreach(json_object_get(r, "process"), name, value)
	    printf("%-16s %20s\n", name, zsctl_number(n, json_integer_value(value)));
}

static void print_record(json_t *record)
{
	json_t *caller = json_object_get(record, "caller");
	char *args = json_dumps(json_object_get(record, "args"), JSON_COMPACT | JSON_ENCODE_ANY);

	printf("%lld  %s  %s  %s  uid %lld pid %lld %s  %s%s%s\n", (long long)num(record, "n"),
	       str(record, "time"), str(record, "result"), str(record, "operation"),
	       (long long)num(caller, "uid"), (long long)num(caller, "pid"), str(caller, "level"),
	       args && strcmp(args, "null") != 0 ? args : "", str(record, "reason")[0] ? "  " : "",
	       str(record, "reason"));
	free(args);
}

static void print_audit(json_t *r)
{
	json_t *record;
	size_t i;

	json_array_foreach(json_object_get(r, "records"), i, record) print_record(record);
	printf("%lld records in all\n", (long long)num(r, "count"));
}

static void print_accepted(json_t *r)
{
	printf("accepted: %s\na new audit file has begun; this call is its first record\n",
	       str(r, "accepted"));
}

static void print_verify(json_t *r)
{
	if (yes(r, "intact"))
		printf("intact: %lld records\n", (long long)num(r, "records"));
	else
		printf("NOT INTACT: %s\n", str(r, "text"));
}

static void print_added(json_t *r)
{
	printf("port %lld is published for %s\n", (long long)num(r, "port"), str(r, "target"));
}

static void print_health(json_t *r)
{
	if (json_array_size(json_object_get(r, "codes")) == 0)
		printf("no code is raised\n");
	print_codes(json_object_get(r, "codes"));
}

static void print_recorded(json_t *r)
{
	(void)r;
	printf("recorded\n");
}

static void print_version(json_t *r)
{
	printf("zsctl            %s\nzs-controlplane  %s\n", str(r, "zsctl"), str(r, "control"));
}

static void print_drops(json_t *r)
{
	char n[32];

	zsctl_table(json_object_get(r, "reasons"), "reason:reason,count:packets,text:why",
		    "no packet was dropped");
	printf("%s dropped in all\n", zsctl_number(n, num(r, "total")));
}

static void print_published(json_t *r)
{
	json_t *p;
	size_t i;

	zsctl_table(json_object_get(r, "published"),
		    "#port:port,target:target,new_flows_s:new flows/s,max_flows:most flows,origin:origin",
		    "no port is published; zsctl publish add PORT TARGET does");
	json_array_foreach(json_object_get(r, "published"), i,
			   p) if (json_is_string(json_object_get(p, "waiting")))
	    printf("port %lld for %s, by command, waits until the configuration lets go of it\n",
		   (long long)num(p, "port"), str(p, "waiting"));
}

static void print_lists(const struct zsctl *z, json_t *r)
{
	switch (z->cmd->id) {
	case ZS_COMMAND_publish_list:
		print_published(r);
		break;
	case ZS_COMMAND_show_ports:
		zsctl_table(
		    json_object_get(r, "interfaces"),
		    "interface:no,name:name,up:up,mac:mac,mtu:mtu,steered:steered,passed:passed to kernel,"
		    "fallback_dropped:dropped unbound,blocked:blocked,missed:missed,errors:errors",
		    "no interface");
		break;
	case ZS_COMMAND_show_neighbours:
		zsctl_table(
		    json_object_get(r, "neighbours"),
		    "address:address,interface:interface,#vlan:vlan,resolved:resolved,mac:mac,mtu:mtu",
		    "no neighbour");
		break;
	default:
		zsctl_table(
		    json_object_get(r, "routes"),
		    "destination:destination,gateway:gateway,interface:interface,#vlan:vlan,metric:metric",
		    "no route");
	}
}

static void print_rules(json_t *r)
{
	zsctl_table(json_object_get(r, "rules"),
		    "prefix:prefix,action:action,direction:direction,origin:origin,comment:comment",
		    "nothing is denied; zsctl deny add PREFIX does");
	printf("%lld prefixes of %lld\n", (long long)num(r, "count"), (long long)num(r, "capacity"));
}

static void print_stop(json_t *r)
{
	bool stored = yes(r, "stored"), recorded = yes(r, "recorded");

	printf("stopped: nothing is relayed until zsctl resume\n");
	if (!stored || !recorded)
		printf("not %s yet, which follows when it can: %s\n",
		       stored	  ? "in the audit file"
		       : recorded ? "in the store"
				  : "in store and audit file",
		       str(r, "why"));
}

static void print_withdrawn(json_t *r)
{
	printf("port %lld is withdrawn\n", (long long)num(r, "port"));
}

static void print_rules_changed(json_t *r)
{
	printf("%lld rules are changed%s\n", (long long)num(r, "rules"),
	       yes(r, "in_force") ? "" : ", the workers follow in a moment");
}

static void print_allowed(json_t *r)
{
	printf("%s may%s attach\n", str(r, "peer"), strcmp(str(r, "verdict"), "denied") ? "" : " not");
}

static void print_forgotten(json_t *r)
{
	printf("%s is forgotten\n", str(r, "peer"));
}

static void print_kicked(json_t *r)
{
	printf("attachment %lld is ended\n", (long long)num(r, "attachment"));
}

static void print_qlog(json_t *r)
{
	if (json_is_string(json_object_get(r, "qlog")))
		printf("qlog of new connections goes to %s\n", str(r, "qlog"));
	else
		printf("qlog is off\n");
}

static void print_serving(json_t *r)
{
	(void)r;
	printf("serving again\n");
}

static void print_forwarding(json_t *r)
{
	(void)r;
	printf("forwarding again\n");
}

static void print_level(json_t *r)
{
	printf("log level of %s is %s\n", str(r, "module"), str(r, "level"));
}

/* How an answer is shown to people. Of the rest, what concerns keys wants to know which verb it was; others are lists. */
static void (*const printers[ZS_COMMANDS])(json_t *r) = {
	[ZS_COMMAND_status] = print_status,
	[ZS_COMMAND_health] = print_health,
	[ZS_COMMAND_publish_add] = print_added,
	[ZS_COMMAND_publish_del] = print_withdrawn,
	[ZS_COMMAND_deny_list] = print_rules,
	[ZS_COMMAND_deny_add] = print_rules_changed,
	[ZS_COMMAND_deny_remove] = print_rules_changed,
	[ZS_COMMAND_attach_list] = zsctl_print_attachments,
	[ZS_COMMAND_attach_show] = zsctl_print_attachment,
	[ZS_COMMAND_attach_allow] = print_allowed,
	[ZS_COMMAND_attach_deny] = print_allowed,
	[ZS_COMMAND_attach_limit] = zsctl_print_limited,
	[ZS_COMMAND_show_usage] = zsctl_print_usage,
	[ZS_COMMAND_attach_forget] = print_forgotten,
	[ZS_COMMAND_attach_kick] = print_kicked,
	[ZS_COMMAND_cid_mint] = zsctl_print_minted,
	[ZS_COMMAND_cid_decode] = zsctl_print_decoded,
	[ZS_COMMAND_peers] = zsctl_print_peers,
	[ZS_COMMAND_p2p_dial] = zsctl_print_peer,
	[ZS_COMMAND_p2p_ping] = zsctl_print_peer,
	[ZS_COMMAND_p2p_identify] = zsctl_print_peer,
	[ZS_COMMAND_p2p_qlog] = print_qlog,
	[ZS_COMMAND_show_flows] = print_flows,
	[ZS_COMMAND_show_bindings] = zsctl_print_bindings,
	[ZS_COMMAND_show_tunnels] = zsctl_print_tunnels,
	[ZS_COMMAND_show_counters] = print_counters,
	[ZS_COMMAND_show_drops] = print_drops,
	[ZS_COMMAND_show_runtime] = print_runtime,
	[ZS_COMMAND_memory] = print_memory,
	[ZS_COMMAND_config_diff] = zsctl_print_planned,
	[ZS_COMMAND_config_apply] = zsctl_print_applied,
	[ZS_COMMAND_config_confirm] = zsctl_print_confirmed,
	[ZS_COMMAND_config_rollback] = zsctl_print_applied,
	[ZS_COMMAND_config_history] = zsctl_print_history,
	[ZS_COMMAND_config_show] = zsctl_print_text,
	[ZS_COMMAND_drain] = print_drain,
	[ZS_COMMAND_undrain] = print_serving,
	[ZS_COMMAND_stop] = print_stop,
	[ZS_COMMAND_resume] = print_forwarding,
	[ZS_COMMAND_audit_show] = print_audit,
	[ZS_COMMAND_audit_verify] = print_verify,
	[ZS_COMMAND_audit_accept] = print_accepted,
	[ZS_COMMAND_log_level] = print_level,
	[ZS_COMMAND_upgrade_record] = print_recorded,
	[ZS_COMMAND_version] = print_version,
};

void zsctl_print(const struct zsctl *z, json_t *r)
{
	if (printers[z->cmd->id])
		printers[z->cmd->id](r);
	else if (strncmp(z->cmd->verb, "keys ", 5) == 0)
		zsctl_print_keys(z, r);
	else
		print_lists(z, r);
}

void zsctl_print_json(const struct zsctl *z, json_t *r)
{
	char schema[64];
	json_t *out;

	snprintf(schema, sizeof(schema), "zsctl.%s/1", z->cmd->verb);
	for (char *at = schema; *at; at++)
		if (*at == ' ')
			*at = '.';
	out = json_pack("{s:s}", "schema", schema);
	json_object_update(out, r);
	json_dumpf(out, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(out);
}

/* The names of an edge and what its relay has of them. A relay keeps names and ports for as long as the lease, so those of an
 * earlier command line come back with the Grant: a name that is not wanted any more, or that has another port than is asked for
 * now, is withdrawn, and what it stood in the way of is asked for again. */
#include <string.h>

#include "p2p/attach_client_internal.h"

static uint64_t bit(uint32_t i)
{
	return UINT64_C(1) << i;
}

static void ask(struct zs_attach_client *c, struct link *l, const char *name,
		const struct zs_attach_publish *p)
{
	struct zs_attach_frame f = { .id = ++l->last_id, .kind = ZS_ATTACH_PUBLISH };

	memcpy(f.publish.name, name, strlen(name) + 1);
	f.publish.withdraw = !p;
	if (p) {
		f.publish.port = p->port;
		f.publish.protection = p->protection;
	}
	zs_attach_link_send(c, l, &f);
}

static void publish(struct zs_attach_client *c, struct link *l, uint32_t i)
{
	ask(c, l, c->config.publish[i].name, &c->config.publish[i]);
	l->ports.asked[i] = l->last_id;
	l->ports.wanting &= ~bit(i);
	l->ports.due &= ~bit(i);
}

void zs_attach_ports_publish(struct zs_attach_client *c, struct link *l, uint32_t from)
{
	for (uint32_t i = from; i < c->config.publishes; i++)
		if (!l->ports.asked[i])
			publish(c, l, i);
}

/* c->config.publishes: none. */
static uint32_t find(const struct zs_attach_client *c, const char *name)
{
	uint32_t i = 0;

	while (i < c->config.publishes && strcmp(c->config.publish[i].name, name) != 0)
		i++;
	return i;
}

/* Holds the relay a port for that name? An answer to a withdrawal has none any more. */
static bool is_held(const zs_pb_Port *p)
{
	return p->service && p->port;
}

/* true: it was of no use, and is withdrawn. */
static bool withdraw(struct zs_attach_client *c, struct link *l, const zs_pb_Port *p)
{
	uint32_t i = find(c, p->name);
	bool wanted = i < c->config.publishes;

	if ((wanted && (!c->config.publish[i].port || c->config.publish[i].port == p->port)) ||
	    l->ports.withdrawn == ZS_ATTACH_PUBLISHED)
		return false;
	ask(c, l, p->name, NULL);
	l->ports.gone[l->ports.withdrawn].port = (uint16_t)p->port;
	l->ports.gone[l->ports.withdrawn++].id = l->last_id;
	if (wanted)
		l->ports.due |= bit(i);
	else
		l->ports.room++;
	return true;
}

/* Was the name's port in the hands of another one of ours, which was withdrawn only after it was asked for? */
static bool stood_in_the_way(const struct zs_attach_client *c, const struct link *l, uint32_t i)
{
	for (uint32_t k = 0; k < l->ports.withdrawn; k++)
		if (l->ports.gone[k].port == c->config.publish[i].port &&
		    l->ports.gone[k].id > l->ports.asked[i])
			return true;
	return false;
}

/* true: it is asked for again, is of a request that is not the name's last, or of a withdrawal that came too late. */
static bool is_settled(struct zs_attach_client *c, struct link *l, uint64_t id, const zs_pb_Port *p)
{
	uint32_t i = find(c, p->name);

	if (i == c->config.publishes)
		return p->error.code == ZS_ATTACH_ERROR_not_published;
	if (id < l->ports.asked[i] || l->ports.due & bit(i))
		return true;
	if (p->error.code == ZS_ATTACH_ERROR_port_taken && stood_in_the_way(c, l, i)) {
		l->ports.due |= bit(i);
		return true;
	}
	if (p->error.code != ZS_ATTACH_ERROR_quota)
		return false;
	l->ports.wanting |= bit(i);
	return l->ports.room > 0;
}

/* The room of names that were withdrawn goes to those that were refused for want of it. */
static void share_room(struct zs_attach_client *c, struct link *l)
{
	for (uint32_t i = 0; l->ports.room && i < c->config.publishes; i++)
		if (l->ports.wanting & bit(i)) {
			l->ports.room--;
			l->ports.due |= bit(i);
		}
}

/* First all withdrawals leave, then what they make way for: two names may have each other's port. */
uint64_t zs_attach_ports_came(struct zs_attach_client *c, struct link *l, uint64_t id, const zs_pb_Port *at,
			      uint32_t count)
{
	uint64_t quiet = 0;

	for (uint32_t i = 0; i < count; i++)
		if (is_held(&at[i]) && withdraw(c, l, &at[i]))
			quiet |= bit(i);
	for (uint32_t i = 0; i < count; i++)
		if (at[i].has_error && !is_held(&at[i]) && is_settled(c, l, id, &at[i]))
			quiet |= bit(i);
	share_room(c, l);
	for (uint32_t i = 0; i < c->config.publishes; i++)
		if (l->ports.due & bit(i))
			publish(c, l, i);
	return quiet;
}

/* The table of protocols. An entry stays when its protocol is no longer spoken: streams and the limits'
 * groups refer to it. */
#include <errno.h>
#include "p2p/host/internal.h"

struct zs_host_entry *zs_host_protocol_of(struct zs_host *h, const char *id, size_t len)
{
	for (uint32_t i = 0; i < h->protocols; i++)
		if (strlen(h->protocol[i].id) == len && !memcmp(h->protocol[i].id, id, len))
			return &h->protocol[i];
	return NULL;
}

/* The group of a service, made when no protocol before had it. */
static int service_group(struct zs_host *h, const char *name, uint32_t *group)
{
	int rc;

	*group = ZS_LIMITS_NO_GROUP;
	if (!name)
		return 0;
	for (uint32_t i = 0; i < h->protocols; i++)
		if (!strcmp(h->protocol[i].service, name)) {
			*group = h->protocol[i].service_group;
			return 0;
		}
	rc = zs_limits_service(h->limits, name, NULL, NULL);
	*group = (uint32_t)rc;
	return rc < 0 ? rc : 0;
}

static int make_entry(struct zs_host *h, const struct zs_host_protocol *p, struct zs_host_entry **out)
{
	struct zs_host_entry *e = &h->protocol[h->protocols];
	int rc;

	if (h->protocols == ZS_HOST_PROTOCOLS)
		return -ENOSPC;
	if (!*p->id || strlen(p->id) >= sizeof(e->id) ||
	    (p->service && strlen(p->service) >= sizeof(e->service)))
		return -EINVAL;
	*e = (struct zs_host_entry){ 0 };
	rc = service_group(h, p->service, &e->service_group);
	if (rc < 0)
		return rc;
	rc = zs_limits_protocol(h->limits, p->id, e->service_group, p->limit, p->per_peer);
	if (rc < 0)
		return rc;
	e->group = (uint32_t)rc;
	strcpy(e->id, p->id);
	strcpy(e->service, p->service ? p->service : "");
	h->protocols++;
	*out = e;
	return 0;
}

int zs_host_register(struct zs_host *h, const struct zs_host_protocol *p)
{
	struct zs_host_entry *e = (struct zs_host_entry *)(uintptr_t)zs_host_protocol_of(h, p->id,
											 strlen(p->id));
	int rc = 0;

	if (e && e->on)
		return -EEXIST;
	if (!e)
		rc = make_entry(h, p, &e);
	if (rc < 0)
		return rc;
	e->on = true;
	e->limited_ok = p->limited_ok;
	e->priority = p->priority ? p->priority : ZS_PRIORITY_MEDIUM;
	e->ops = p->ops;
	e->user = p->user;
	if (e->ops)
		zs_own_changed(h);
	return 0;
}

void zs_host_unregister(struct zs_host *h, const char *id)
{
	struct zs_host_entry *e = zs_host_protocol_of(h, id, strlen(id));

	if (!e || !e->on)
		return;
	e->on = false;
	if (e->ops)
		zs_own_changed(h);
}

/* What is counted of a tenant is always what its attachments' accounts say: an account names the tenant that its flows were
 * counted to, and takes them along to another one. */
#include "held.h"
#include "limit.h"

/* The worker's account of the attachment at this end. NULL: it is none. */
static struct zs_account *account_at(const struct zs_dp *dp, uint32_t worker, const struct zs_addr *end)
{
	uint32_t id;

	if (!zs_is_attached(end))
		return NULL;
	id = zs_attached_of(end).attachment;
	return id < dp->state.attachments ? &zs_state_account(&dp->state, worker)[id] : NULL;
}

static void add(struct zs_dp *dp, uint32_t worker, const struct zs_addr *end, uint32_t n)
{
	struct zs_account *a = account_at(dp, worker, end);

	if (!a)
		return;
	__atomic_store_n(&a->flows, a->flows + n, __ATOMIC_RELAXED);
	atomic_fetch_add_explicit(&dp->limits->tenant_flows[a->tenant], n, memory_order_relaxed);
}

void zs_held_made(struct zs_dp *dp, uint32_t worker, const struct zs_flow *f)
{
	add(dp, worker, &f->client.addr, 1);
	add(dp, worker, &f->target.addr, 1);
}

void zs_held_gone(struct zs_dp *dp, uint32_t worker, const struct zs_flow *f)
{
	add(dp, worker, &f->client.addr, -1u);
	add(dp, worker, &f->target.addr, -1u);
}

void zs_held_tenant(struct zs_worker *w, uint32_t attachment, uint16_t tenant)
{
	struct zs_account *a = &w->account[attachment];
	struct zs_limits *l = w->dp->limits;

	if (a->tenant == tenant)
		return;
	atomic_fetch_sub_explicit(&l->tenant_flows[a->tenant], a->flows, memory_order_relaxed);
	a->tenant = tenant;
	atomic_fetch_add_explicit(&l->tenant_flows[tenant], a->flows, memory_order_relaxed);
}

bool zs_held_full(const struct zs_worker *w, const struct zs_addr *end)
{
	const struct zs_account *a = account_at(w->dp, w->index, end);
	const struct zs_state *s = &w->dp->state;
	uint32_t id;

	if (!a || !w->sessions)
		return false;
	id = (uint32_t)(a - w->account);
	return zs_policer_flows_full(
	    &w->policer, id, zs_policer_flows(s->account, w->dp->workers, s->attachments, id),
	    atomic_load_explicit(&w->dp->limits->tenant_flows[a->tenant], memory_order_relaxed));
}

bool zs_held_may(struct zs_worker *w, const struct zs_addr *end, enum zs_way way)
{
	const struct zs_account *a = account_at(w->dp, w->index, end);

	return !a || !w->sessions ||
	       zs_policer_new_flow(&w->policer, (uint32_t)(a - w->account), way, w->now_ns);
}

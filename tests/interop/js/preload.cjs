// js-libp2p 3 is written for Node 22. What Debian 12's Node lacks of it, in a few lines.
'use strict'
Promise.withResolvers ??= function () {
	let resolve, reject
	const promise = new this((a, b) => { resolve = a; reject = b })
	return { promise, resolve, reject }
}
globalThis.CustomEvent ??= class CustomEvent extends Event {
	constructor (type, init = {}) { super(type, init); this.detail = init.detail ?? null }
}
Set.prototype.union ??= function (o) { return new Set([...this, ...o]) }
Set.prototype.difference ??= function (o) { return new Set([...this].filter(x => !o.has(x))) }
Set.prototype.intersection ??= function (o) { return new Set([...this].filter(x => o.has(x))) }

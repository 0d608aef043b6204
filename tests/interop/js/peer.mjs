// A js-libp2p peer over QUIC for the interop tests: commands and answers as ../README.md says.
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { createLibp2p } from 'libp2p'
import { quic } from '@chainsafe/libp2p-quic'
import { generateKeyPair, generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify, identifyPush } from '@libp2p/identify'
import { peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { multiaddr } from '@multiformats/multiaddr'
import { SINK, SOURCE, fetch, send, sink, slurp, source } from './streams.mjs'

const TYPES = { ed25519: 'Ed25519', secp256k1: 'secp256k1', rsa: 'RSA' }

async function identityKey () {
	const { values: { key, seed } } = parseArgs({ options: { key: { type: 'string', default: 'ed25519' }, seed: { type: 'string' } } })
	if (!(key in TYPES)) { throw new Error(`unknown key type ${key}`) }
	if (seed == null) { return generateKeyPair(TYPES[key]) }
	if (!/^[0-9a-f]{64}$/i.test(seed) || key !== 'ed25519') { throw new Error('--seed takes 64 hex digits, for an Ed25519 key') }
	return generateKeyPairFromSeed('Ed25519', Buffer.from(seed, 'hex'))
}

// Nothing here may refuse what a test asks for: loopback is dialled, no host dials too often, and our
// pings and identifies do not collide with those that js-libp2p sends by itself.
const node = await createLibp2p({
	privateKey: await identityKey().catch(e => {
		console.error(`peer: ${e.message}`)
		process.exit(2)
	}),
	transports: [quic()],
	services: { identify: identify({ maxOutboundStreams: 8 }), identifyPush: identifyPush(), ping: ping({ maxOutboundStreams: 8 }) },
	connectionGater: { denyDialMultiaddr: () => false },
	connectionManager: { reconnectRetries: 0, inboundConnectionThreshold: 1e6 },
})
await node.handle(SINK, sink)
await node.handle(SOURCE, source)

const told = new Map() // peer id → the last identify or push, and how many came
node.addEventListener('peer:identify', ({ detail }) => {
	const id = detail.peerId.toString()
	told.set(id, { ...detail, messages: (told.get(id)?.messages ?? 0) + 1 })
})

const whoami = () => ({ id: node.peerId.toString(), addrs: node.getMultiaddrs().map(String) })
// The connection to the peer that a command names.
function connection ({ peer }) {
	const [c] = node.getConnections(peerIdFromString(peer))
	if (c == null) { throw new Error(`not connected to ${peer}`) }
	return c
}
async function moved (command, signal, protocol, how) {
	const stream = await connection(command).newStream(protocol, { signal })
	const began = performance.now()
	try {
		return { bytes: command.bytes, sha256: await how(stream), seconds: (performance.now() - began) / 1000 }
	} catch (e) {
		stream.abort(e)
		throw e
	}
}
async function record ({ peerId, signedPeerRecord: r }) {
	if (r == null) { return null }
	const { peerRecordEnvelope } = await node.peerStore.get(peerId)
	// js-libp2p refuses the whole identify when the record does not verify.
	return { valid: true, peer: peerId.toString(), seq: Number(r.seq), addrs: r.addresses.map(String), envelope: Buffer.from(peerRecordEnvelope).toString('hex') }
}

let quit = false
const commands = {
	async listen ({ addr }) {
		if (addr != null) { await node.components.transportManager.listen([multiaddr(addr)]) }
		return whoami()
	},
	async dial ({ addr }, signal) {
		const began = performance.now()
		const c = await node.dial(multiaddr(addr), { signal })
		return { peer: c.remotePeer.toString(), remote: c.remoteAddr.toString(), ms: performance.now() - began }
	},
	async ping (command, signal) {
		const rtts = []
		for (let i = 0; i < (command.n ?? 1); i++) { rtts.push(await node.services.ping.ping(connection(command).remotePeer, { signal })) }
		return { rtt_ms: rtts }
	},
	async identify (command, signal) {
		const c = connection(command)
		for (let i = 0; !told.has(command.peer) && i < 100; i++) { await new Promise(resolve => setTimeout(resolve, 50)) }
		// The one of the connection's opening failed without a word: once more, for its error.
		if (!told.has(command.peer)) { await node.services.identify.identify(c, { signal }) }
		const t = told.get(command.peer)
		const stream = await c.newStream('/ipfs/id/1.0.0', { signal })
		const raw = await slurp(stream)
		await stream.close()
		return {
			peer: t.peerId.toString(),
			addrs: t.listenAddrs.map(String),
			protocols: t.protocols,
			agent: t.agentVersion ?? '',
			protocol_version: t.protocolVersion ?? '',
			observed: t.observedAddr?.toString() ?? null,
			record: await record(t),
			messages: t.messages,
			raw: raw.toString('hex'),
		}
	},
	async push () {
		await node.services.identifyPush.push()
		return {}
	},
	send: (command, signal) => moved(command, signal, SINK, stream => send(stream, command.seed ?? 0, command.bytes)),
	fetch: (command, signal) => moved(command, signal, SOURCE, stream => fetch(stream, command.bytes)),
	async close (command, signal) {
		for (const c of node.getConnections(connection(command).remotePeer)) { await c.close({ signal }) }
		return {}
	},
	async stat () {
		const connections = node.getConnections().map(c => ({
			peer: c.remotePeer.toString(),
			remote: c.remoteAddr.toString(),
			direction: c.direction === 'outbound' ? 'out' : 'in',
		}))
		return { ...whoami(), connections }
	},
	async quit () {
		quit = true
		return {}
	},
}

// The text of an error, of what caused it, and of what it sums up.
const reason = e => [e?.message ?? String(e), ...(e?.errors ?? []).map(reason), ...(e?.cause == null ? [] : [reason(e.cause)])].join(': ').replaceAll('\n', ' ')
async function run (line) {
	try {
		const command = JSON.parse(line)
		if (!Object.hasOwn(commands, command.do)) { throw new Error(`unknown command "${command.do}"`) }
		const timeout = command.timeout_ms ?? 120000
		let timer
		const late = new Promise((resolve, reject) => { timer = setTimeout(reject, timeout, new Error('timed out')) })
		try {
			return { ...await Promise.race([commands[command.do](command, AbortSignal.timeout(timeout)), late]), ok: true }
		} finally {
			clearTimeout(timer)
		}
	} catch (e) {
		return { ok: false, error: reason(e) }
	}
}
for await (const line of createInterface({ input: process.stdin })) {
	const answer = await run(line)
	process.stdout.write(JSON.stringify(answer) + '\n')
	if (quit) { break }
}
await node.stop()
process.exit(0)

// Two js-libp2p nodes over QUIC that move bytes, for the end-to-end tests: events on stdout, no commands.
//   mover.mjs listen MULTIADDR                 prints one JSON line a happening, until killed
//   mover.mjs move MULTIADDR BYTES             ping, send BYTES there and back, compare SHA-256
//   mover.mjs hold MULTIADDR SECONDS           ping the same connection every 100 ms
// A connection's remote address is printed by the listener: it shows which source port it sees.
import { createHash, randomBytes } from 'node:crypto'
import { createLibp2p } from 'libp2p'
import { quic } from '@chainsafe/libp2p-quic'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { multiaddr } from '@multiformats/multiaddr'

const UP = '/zs-test/up/1' // bytes until FIN, then their SHA-256 comes back
const DOWN = '/zs-test/down/1' // "N\n", then N bytes and FIN come back
const CHUNK = 65536
const [role, address, amount] = process.argv.slice(2)
const say = o => process.stdout.write(JSON.stringify(o) + '\n')
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
const node = await createLibp2p({
	addresses: { listen: role === 'listen' ? [address] : [] },
	transports: [quic()],
	services: { identify: identify(), ping: ping() },
	connectionGater: { denyDialMultiaddr: () => false },
	connectionMonitor: { enabled: false },
	connectionManager: { reconnectRetries: 0 },
})

// Bytes that cannot be compressed or guessed, from one random megabyte.
const pool = randomBytes(1 << 20)
async function send (stream, total) {
	const hash = createHash('sha256')
	for (let sent = 0; sent < total;) {
		const at = (sent * 7) % (pool.length - CHUNK)
		const part = pool.subarray(at, at + Math.min(CHUNK, total - sent))
		hash.update(part)
		sent += part.length
		if (!stream.send(part)) { await stream.onDrain() }
	}
	return hash.digest('hex')
}
async function receive (stream) {
	const hash = createHash('sha256')
	let bytes = 0
	for await (const part of stream) {
		const b = part.subarray()
		hash.update(b)
		bytes += b.length
	}
	return { bytes, sha256: hash.digest('hex') }
}
async function text (stream) {
	let s = ''
	for await (const part of stream) { s += Buffer.from(part.subarray()).toString() }
	return s
}

async function listen () {
	node.addEventListener('connection:open', e => say({ event: 'open', remote: e.detail.remoteAddr.toString() }))
	node.addEventListener('connection:close', e => say({ event: 'close', remote: e.detail.remoteAddr.toString() }))
	await node.handle(UP, async stream => {
		const got = await receive(stream)
		stream.send(Buffer.from(JSON.stringify(got)))
		await stream.close()
	})
	await node.handle(DOWN, async stream => {
		const total = Number(await text(stream))
		const sha256 = await send(stream, total)
		say({ event: 'sent', bytes: total, sha256 })
		await stream.close()
	})
	say({ event: 'listening', id: node.peerId.toString(), addresses: node.getMultiaddrs().map(String) })
}

async function move (connection, total) {
	const rtt = await node.services.ping.ping(connection.remotePeer)
	let began = Date.now()
	const up = await connection.newStream(UP)
	const sha256 = await send(up, total)
	await up.close()
	const there = JSON.parse(await text(up))
	const upMs = Date.now() - began
	if (there.bytes !== total || there.sha256 !== sha256) { throw new Error(`up: ${JSON.stringify(there)} for ${total} ${sha256}`) }
	began = Date.now()
	const down = await connection.newStream(DOWN)
	down.send(Buffer.from(String(total)))
	await down.close()
	const back = await receive(down)
	if (back.bytes !== total) { throw new Error(`down: ${back.bytes} of ${total} bytes`) }
	say({ event: 'moved', rtt_ms: rtt, bytes: total, up_sha256: sha256, up_ms: upMs, down_sha256: back.sha256, down_ms: Date.now() - began })
}

async function hold (connection, seconds) {
	let pings = 0; let worst = 0; let closed = false
	connection.addEventListener('close', () => { closed = true })
	const end = Date.now() + seconds * 1000
	while (Date.now() < end && !closed) {
		const began = Date.now()
		await node.services.ping.ping(connection.remotePeer, { signal: AbortSignal.timeout(9000) })
		worst = Math.max(worst, Date.now() - began)
		pings++
		say({ event: 'ping', n: pings, ms: Date.now() - began })
		await sleep(100)
	}
	const same = node.getConnections().length === 1 && node.getConnections()[0].id === connection.id
	say({ event: 'held', pings, worst_ms: worst, same: same && !closed })
	if (!same || closed) { process.exit(1) }
}

try {
	if (role === 'listen') {
		await listen()
	} else {
		const connection = await node.dial(multiaddr(address), { signal: AbortSignal.timeout(10000) })
		say({ event: 'connected', remote: connection.remoteAddr.toString() })
		await (role === 'move' ? move : hold)(connection, Number(amount))
		await node.stop()
		process.exit(0)
	}
} catch (e) {
	say({ event: 'failed', error: String(e?.stack ?? e) })
	process.exit(1)
}

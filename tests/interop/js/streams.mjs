// The test protocols, as ../README.md says.
import { createHash } from 'node:crypto'

export const SINK = '/zerostate/test/sink/1.0.0'
export const SOURCE = '/zerostate/test/source/1.0.0'
const PERIOD = 1000003 // a prime, so no chunk size hides a swap
const CHUNK = 65536
const MASK = (1n << 64n) - 1n

// splitmix64's words, little endian: one period and the start of the next, to slice chunks from.
function pattern (seed) {
	const words = Buffer.alloc(PERIOD + 8)
	let state = BigInt(seed)
	for (let i = 0; i < PERIOD; i += 8) {
		state = (state + 0x9e3779b97f4a7c15n) & MASK
		let z = ((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK
		z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK
		words.writeBigUInt64LE(z ^ (z >> 31n), i)
	}
	return Buffer.concat([words.subarray(0, PERIOD), words.subarray(0, CHUNK)])
}

// The first total bytes of a pattern to put(part), and their SHA-256.
async function each (seed, total, put) {
	const bytes = pattern(seed)
	const sum = createHash('sha256')
	for (let sent = 0; sent < total;) {
		const at = sent % PERIOD
		const part = bytes.subarray(at, at + Math.min(CHUNK, total - sent))
		sum.update(part)
		await put(part)
		sent += part.length
	}
	return sum.digest('hex')
}
const into = stream => async part => { if (!stream.send(part)) { await stream.onDrain() } }

// Every part until FIN to take(part). Not `for await`: js-libp2p 3 tells nobody of an end that came
// with the request, before the handler ran; it hands out the buffered bytes in the next microtask.
function read (stream, take) {
	return new Promise((resolve, reject) => {
		const failed = () => ['aborted', 'reset'].includes(stream.status)
		const ended = () => { if (!failed()) { resolve() } }
		stream.addEventListener('end', ended)
		stream.addEventListener('close', e => { failed() ? reject(e.error ?? new Error(stream.status)) : resolve() })
		stream.addEventListener('message', e => take(e.data.subarray()))
		if (stream.remoteWriteStatus === 'closed') { setTimeout(ended) }
	})
}
export async function slurp (stream) {
	const parts = []
	await read(stream, part => parts.push(part))
	return Buffer.concat(parts)
}
async function drain (stream) {
	const sum = createHash('sha256')
	let bytes = 0
	await read(stream, part => {
		sum.update(part)
		bytes += part.length
	})
	return { bytes, sha256: sum.digest('hex') }
}

// Bytes until FIN, their SHA-256 goes back.
export async function sink (stream) {
	const { sha256 } = await drain(stream)
	stream.send(Buffer.from(sha256, 'hex'))
	await stream.close()
}
// A length until FIN, so many bytes of the pattern of seed 0 go back.
export async function source (stream) {
	const ask = await slurp(stream)
	if (ask.length !== 8) { return stream.abort(new Error(`${ask.length} bytes are no length`)) }
	await each(0, Number(ask.readBigUInt64BE()), into(stream))
	await stream.close()
}

// The other end of a sink: the SHA-256 of what was sent, which is what came back.
export async function send (stream, seed, total) {
	const mine = await each(seed, total, into(stream))
	await stream.close()
	const told = (await slurp(stream)).toString('hex')
	if (told !== mine) { throw new Error(`sent ${mine}, the sink says ${told}`) }
	return mine
}
// The other end of a source: the SHA-256 of what came, which is the pattern's.
export async function fetch (stream, total) {
	const ask = Buffer.alloc(8)
	ask.writeBigUInt64BE(BigInt(total))
	stream.send(ask)
	await stream.close()
	const came = await drain(stream)
	if (came.bytes !== total) { throw new Error(`${came.bytes} of ${total} bytes came`) }
	if (came.sha256 !== await each(0, total, () => {})) { throw new Error('the bytes that came are not the pattern') }
	return came.sha256
}

//! The test protocols, as ../../README.md says.
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::{Stream, StreamProtocol};
use libp2p_stream::IncomingStreams;
use sha2::{Digest, Sha256};
use std::io::{Error, Result};
use std::sync::Arc;

pub const SINK: StreamProtocol = StreamProtocol::new("/zerostate/test/sink/1.0.0");
pub const SOURCE: StreamProtocol = StreamProtocol::new("/zerostate/test/source/1.0.0");

const PERIOD: usize = 1_000_003; // a prime, so no chunk size hides a swap
const CHUNK: usize = 1 << 16;

/// splitmix64's words, little endian: one period and the start of the next, to slice chunks from.
pub struct Pattern(Vec<u8>);

impl Pattern {
    pub fn new(mut seed: u64) -> Self {
        let mut bytes = Vec::with_capacity(PERIOD + CHUNK);
        while bytes.len() < PERIOD {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (seed ^ seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.extend((z ^ z >> 31).to_le_bytes());
        }
        bytes.truncate(PERIOD);
        bytes.extend_from_within(..CHUNK);
        Self(bytes)
    }

    /// Writes the first `total` bytes and returns their SHA-256.
    async fn write(&self, to: &mut (impl AsyncWrite + Unpin), total: u64) -> Result<Vec<u8>> {
        let mut sum = Sha256::new();
        let mut sent = 0;
        while sent < total {
            let at = (sent % PERIOD as u64) as usize;
            let part = &self.0[at..at + (CHUNK as u64).min(total - sent) as usize];
            sum.update(part);
            to.write_all(part).await?;
            sent += part.len() as u64;
        }
        Ok(sum.finalize().to_vec())
    }
}

/// Reads to FIN: the number of bytes and their SHA-256.
async fn drain(from: &mut (impl AsyncRead + Unpin)) -> Result<(u64, Vec<u8>)> {
    let mut sum = Sha256::new();
    let mut total = 0;
    let mut part = vec![0; CHUNK];
    loop {
        match from.read(&mut part).await? {
            0 => return Ok((total, sum.finalize().to_vec())),
            n => {
                sum.update(&part[..n]);
                total += n as u64;
            }
        }
    }
}

/// Bytes until FIN, their SHA-256 goes back.
async fn sink(mut s: Stream) -> Result<()> {
    let (_, sum) = drain(&mut s).await?;
    s.write_all(&sum).await?;
    s.close().await
}

/// A length until FIN, so many bytes of the pattern go back.
async fn source(mut s: Stream, pattern: Arc<Pattern>) -> Result<()> {
    let mut ask = [0; 8];
    s.read_exact(&mut ask).await?;
    pattern.write(&mut s, u64::from_be_bytes(ask)).await?;
    s.close().await
}

/// Serves both protocols as long as the streams come.
pub fn serve(mut sinks: IncomingStreams, mut sources: IncomingStreams) {
    tokio::spawn(async move {
        while let Some((_, s)) = sinks.next().await {
            tokio::spawn(sink(s));
        }
    });
    tokio::spawn(async move {
        let pattern = Arc::new(Pattern::new(0));
        while let Some((_, s)) = sources.next().await {
            tokio::spawn(source(s, pattern.clone()));
        }
    });
}

/// FIN. Fails when the remote was done with the stream before it acknowledged: what it answers decides.
async fn finish(s: &mut Stream) {
    let _ = s.close().await;
}

/// The other end of a sink: the SHA-256 of what was sent, which is what came back.
pub async fn send(mut s: Stream, seed: u64, total: u64) -> Result<Vec<u8>> {
    let sum = Pattern::new(seed).write(&mut s, total).await?;
    finish(&mut s).await;
    let mut told = Vec::new();
    s.take(33).read_to_end(&mut told).await?;
    if told != sum {
        return Err(Error::other(format!("the sink says {}", crate::hex(&told))));
    }
    Ok(sum)
}

/// The other end of a source: the SHA-256 of what came, which is the pattern's.
pub async fn fetch(mut s: Stream, total: u64) -> Result<Vec<u8>> {
    s.write_all(&total.to_be_bytes()).await?;
    finish(&mut s).await;
    let (came, sum) = drain(&mut s).await?;
    if came != total {
        return Err(Error::other(format!("{came} of {total} bytes came")));
    }
    if sum != Pattern::new(0).write(&mut futures::io::sink(), total).await? {
        return Err(Error::other("the bytes that came are not the pattern"));
    }
    Ok(sum)
}

/// A ping, 32 bytes that must come back: milliseconds.
pub async fn ping(mut s: Stream, sent: [u8; 32]) -> Result<f64> {
    let began = std::time::Instant::now();
    s.write_all(&sent).await?;
    s.flush().await?;
    let mut back = [0; 32];
    s.read_exact(&mut back).await?;
    let rtt = began.elapsed().as_micros() as f64 / 1000.0;
    finish(&mut s).await;
    if back != sent {
        return Err(Error::other("the pong is not the ping"));
    }
    Ok(rtt)
}

/// What the remote writes before FIN, at most 64 KiB.
pub async fn slurp(mut s: Stream) -> Result<Vec<u8>> {
    finish(&mut s).await;
    let mut raw = Vec::new();
    s.take(1 << 16).read_to_end(&mut raw).await?;
    Ok(raw)
}

//! A quinn endpoint behind the relay, its socket bound and its connection IDs drawn by `cidpeer --offer`: commands and answers as
//! ../../cid/README.md says.
mod helper;
mod socket;

use helper::Helper;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, Endpoint, EndpointConfig, RecvStream, SendStream, ServerConfig, TokioRuntime, TransportConfig};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use serde_json::{Value, json};
use socket::{Minted, Shared};
use std::error::Error;
use std::io::BufRead;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

type Fallible<T> = Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: peer --helper PATH [--retry]    commands on stdin";
const ALPN: &[u8] = b"zs-cid-test";
const BLOCK: usize = 1_000_003; // of the pattern
const PIECE: usize = 65536;

/// Whoever answers: the tests are about the way, not about who is there.
#[derive(Debug)]
struct Anybody(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// splitmix64, as ../../README.md says.
fn pattern(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut out = Vec::with_capacity(BLOCK + 8);
    while out.len() < BLOCK {
        state = state.wrapping_add(0x9e3779b97f4a7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d049bb133111eb);
        out.extend((z ^ (z >> 31)).to_le_bytes());
    }
    out.truncate(BLOCK);
    out
}

/// The longest run of the pattern from `at`, at most `len`.
fn run(pattern: &[u8], at: u64, len: u64) -> &[u8] {
    let from = (at % BLOCK as u64) as usize;
    &pattern[from..BLOCK.min(from + len.min(PIECE as u64) as usize)]
}

fn transport() -> Arc<TransportConfig> {
    let mut t = TransportConfig::default();
    t.max_idle_timeout(Some(Duration::from_secs(30).try_into().unwrap()));
    t.keep_alive_interval(Some(Duration::from_secs(5)));
    Arc::new(t)
}

fn server_config(provider: &Arc<rustls::crypto::CryptoProvider>) -> Fallible<ServerConfig> {
    let key = rcgen::KeyPair::generate()?;
    let cert = rcgen::CertificateParams::new(vec!["peer.invalid".into()])?.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut tls = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config.transport_config(transport());
    Ok(config)
}

fn client_config(provider: &Arc<rustls::crypto::CryptoProvider>, helper: &Arc<Helper>) -> Fallible<ClientConfig> {
    let mut tls = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider.clone())))
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let helper = helper.clone();
    config.initial_dst_cid_provider(Arc::new(move || helper.draw_dial()));
    config.transport_config(transport());
    Ok(config)
}

struct Peer {
    helper: Arc<Helper>,
    endpoint: Endpoint,
    relay: SocketAddr,
    conns: Vec<Connection>,
    accepted: Arc<AtomicU64>,
    retries: Arc<AtomicU64>,
}

fn any_of(relay: SocketAddr) -> SocketAddr {
    if relay.is_ipv4() {
        "0.0.0.0:0".parse().unwrap()
    } else {
        "[::]:0".parse().unwrap()
    }
}

impl Peer {
    fn new(path: &str, retry: bool) -> Fallible<Self> {
        let helper = Helper::connect(path)?;
        let relay = helper.relay().ok_or("the helper names no relay")?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = EndpointConfig::default();
        let minted = helper.clone();
        config.cid_generator(move || Box::new(Minted(minted.clone())));
        let socket = Shared::open(any_of(relay), &helper)?;
        let mut endpoint = Endpoint::new_with_abstract_socket(config, Some(server_config(&provider)?), socket, Arc::new(TokioRuntime))?;
        endpoint.set_default_client_config(client_config(&provider, &helper)?);
        let peer = Self {
            helper,
            endpoint,
            relay,
            conns: vec![],
            accepted: Arc::default(),
            retries: Arc::default(),
        };
        tokio::spawn(serve(peer.endpoint.clone(), retry, peer.accepted.clone(), peer.retries.clone()));
        Ok(peer)
    }

    async fn dial(&mut self) -> Fallible<Value> {
        let began = Instant::now();
        self.conns.push(self.endpoint.connect(self.relay, "peer.invalid")?.await?);
        Ok(json!({"conn": self.conns.len() - 1, "ms": began.elapsed().as_millis() as u64}))
    }

    async fn echo(&self, command: &Value) -> Fallible<Value> {
        let conn = self
            .conns
            .get(command["conn"].as_u64().unwrap_or(0) as usize)
            .ok_or("there is no such connection")?;
        let bytes = command["bytes"].as_u64().unwrap_or(0);
        let pattern = Arc::new(pattern(command["seed"].as_u64().unwrap_or(0)));
        let began = Instant::now();
        let (mut send, mut recv) = conn.open_bi().await?;
        let sent = pattern.clone();
        let writer = tokio::spawn(async move {
            let mut at = 0;
            while at < bytes {
                let piece = run(&sent, at, bytes - at);
                send.write_all(piece).await?;
                at += piece.len() as u64;
            }
            send.finish()?;
            Ok::<_, Box<dyn Error + Send + Sync>>(send)
        });
        let mut at = 0u64;
        let mut buf = vec![0; PIECE];
        while let Some(n) = recv.read(&mut buf).await? {
            let mut from = 0;
            while from < n {
                let want = run(&pattern, at, (n - from) as u64);
                if buf[from..from + want.len()] != *want {
                    return Err(format!("another byte came back near {at}").into());
                }
                from += want.len();
                at += want.len() as u64;
            }
        }
        writer.await?.map_err(|e| e.to_string())?;
        if at != bytes {
            return Err(format!("{at} bytes of {bytes} came back").into());
        }
        Ok(json!({"bytes": at, "seconds": began.elapsed().as_secs_f64()}))
    }

    async fn bound(&self, command: &Value) -> Fallible<Value> {
        let helper = self.helper.clone();
        let limit = Duration::from_millis(command["timeout_ms"].as_u64().unwrap_or(10_000));
        let seen = tokio::task::spawn_blocking(move || helper.bound(limit)).await?.ok_or("not bound")?;
        Ok(json!({"seen": seen.to_string()}))
    }

    fn rebind(&self) -> Fallible<Value> {
        let socket = Shared::open(any_of(self.relay), &self.helper)?;
        self.endpoint.rebind_abstract(socket)?;
        Ok(json!({"local": self.endpoint.local_addr()?.to_string()}))
    }

    fn stat(&self) -> Value {
        json!({"accepted": self.accepted.load(Ordering::Relaxed), "retries": self.retries.load(Ordering::Relaxed),
               "open": self.endpoint.open_connections()})
    }

    async fn run(&mut self, command: &Value) -> Fallible<Value> {
        match command["do"].as_str().unwrap_or("") {
            "bound" => self.bound(command).await,
            "dial" => self.dial().await,
            "echo" => self.echo(command).await,
            "rebind" => self.rebind(),
            "close" => {
                let at = command["conn"].as_u64().unwrap_or(0) as usize;
                self.conns.get(at).ok_or("there is no such connection")?.close(0u32.into(), b"");
                Ok(json!({}))
            }
            "stat" => Ok(self.stat()),
            other => Err(format!("unknown command {other}").into()),
        }
    }
}

async fn serve(endpoint: Endpoint, retry: bool, accepted: Arc<AtomicU64>, retries: Arc<AtomicU64>) {
    while let Some(incoming) = endpoint.accept().await {
        if retry && !incoming.remote_address_validated() {
            retries.fetch_add(1, Ordering::Relaxed);
            let _ = incoming.retry();
            continue;
        }
        let accepted = accepted.clone();
        tokio::spawn(async move {
            let Ok(conn) = incoming.await else { return };
            accepted.fetch_add(1, Ordering::Relaxed);
            while let Ok((send, recv)) = conn.accept_bi().await {
                tokio::spawn(echo_back(send, recv));
            }
        });
    }
}

async fn echo_back(mut send: SendStream, mut recv: RecvStream) {
    let mut buf = vec![0; PIECE];
    while let Ok(Some(n)) = recv.read(&mut buf).await {
        if send.write_all(&buf[..n]).await.is_err() {
            return;
        }
    }
    let _ = send.finish();
}

fn tell(a: Fallible<Value>) {
    match a {
        Ok(mut v) => {
            v["ok"] = true.into();
            println!("{v}");
        }
        Err(e) => println!("{}", json!({"ok": false, "error": e.to_string().replace('\n', " ")})),
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Fallible<()> {
    let (mut path, mut retry) = (None, false);
    let mut args = std::env::args().skip(1);
    while let Some(a) = args.next() {
        match a.as_str() {
            "--helper" => path = args.next(),
            "--retry" => retry = true,
            _ => return Err(USAGE.into()),
        }
    }
    let mut peer = Peer::new(&path.ok_or(USAGE)?, retry)?;
    let (lines, mut commands) = tokio::sync::mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                break;
            }
        }
    });
    while let Some(line) = commands.recv().await {
        let command: Value = serde_json::from_str(&line).unwrap_or_default();
        if command["do"] == "quit" {
            break;
        }
        let limit = Duration::from_millis(command["timeout_ms"].as_u64().unwrap_or(120_000));
        tell(
            tokio::time::timeout(limit, peer.run(&command))
                .await
                .unwrap_or_else(|_| Err("timed out".into())),
        );
    }
    peer.endpoint.close(0u32.into(), b"");
    let _ = tokio::time::timeout(Duration::from_secs(1), peer.endpoint.wait_idle()).await;
    Ok(())
}

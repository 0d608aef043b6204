//! The host. Its swarm is driven by whoever waits: for a command, or for the end of one.
use crate::{Fallible, hex, streams};
use futures::StreamExt;
use libp2p::core::{PeerRecord, connection::ConnectedPoint};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{ConnectionId, NetworkBehaviour, SwarmEvent, dial_opts::DialOpts};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, Swarm, SwarmBuilder, identify, ping};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::future::Future;
use std::time::{Duration, Instant};

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    stream: libp2p_stream::Behaviour,
}

type Event = SwarmEvent<BehaviourEvent>;

pub struct Peer {
    swarm: Swarm<Behaviour>,
    connections: HashMap<ConnectionId, (PeerId, ConnectedPoint)>,
    told: HashMap<PeerId, (identify::Info, u64)>, // the last identify or push, and how many came
}

impl Peer {
    /// `record`: identify carries a signed peer record, in rust-libp2p's older form.
    pub fn new(key: Keypair, record: bool) -> Fallible<Self> {
        let version = "ipfs/0.1.0".to_string();
        let swarm = SwarmBuilder::with_existing_identity(key)
            .with_tokio()
            .with_quic()
            .with_behaviour(|key| Behaviour {
                identify: identify::Behaviour::new(match record {
                    true => identify::Config::new_with_signed_peer_record(version, key),
                    false => identify::Config::new(version, key.public()),
                }),
                ping: ping::Behaviour::default(),
                stream: libp2p_stream::Behaviour::new(),
            })?
            // Ten seconds by default: a busy test machine takes longer between two commands.
            .with_swarm_config(|c| c.with_idle_connection_timeout(Duration::from_secs(60)))
            .build();
        let mut control = swarm.behaviour().stream.new_control();
        streams::serve(control.accept(streams::SINK)?, control.accept(streams::SOURCE)?);
        Ok(Self {
            swarm,
            connections: HashMap::new(),
            told: HashMap::new(),
        })
    }

    /// Waits for the next event, and takes note of it.
    async fn event(&mut self) -> Event {
        let event = self.swarm.select_next_some().await;
        match &event {
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                self.connections.insert(*connection_id, (*peer_id, endpoint.clone()));
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                self.connections.remove(connection_id);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. })) => {
                let count = self.told.get(peer_id).map_or(0, |t| t.1);
                self.told.insert(*peer_id, (info.clone(), count + 1));
            }
            _ => {}
        }
        event
    }

    /// Drives the swarm until `what` is there.
    pub async fn meanwhile<T>(&mut self, what: impl Future<Output = T>) -> T {
        tokio::pin!(what);
        loop {
            tokio::select! {
                done = &mut what => return done,
                _ = self.event() => {}
            }
        }
    }

    pub async fn run(&mut self, c: Value) -> Fallible<Value> {
        let limit = Duration::from_millis(c["timeout_ms"].as_u64().unwrap_or(120_000));
        tokio::time::timeout(limit, self.command(c)).await.map_err(|_| "timed out")?
    }

    async fn command(&mut self, c: Value) -> Fallible<Value> {
        let bytes = c["bytes"].as_u64().unwrap_or(0);
        let seed = c["seed"].as_u64().unwrap_or(0);
        match c["do"].as_str().unwrap_or("") {
            "listen" => self.listen(c["addr"].as_str()).await,
            "dial" => self.dial(c["addr"].as_str().unwrap_or("").parse()?).await,
            "ping" => self.ping(&c).await,
            "identify" => self.identify(&c).await,
            "push" => {
                let to: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
                self.swarm.behaviour_mut().identify.push(to);
                Ok(json!({}))
            }
            "send" => {
                let s = self.open(&c, streams::SINK).await?;
                self.moved(bytes, streams::send(s, seed, bytes)).await
            }
            "fetch" => {
                let s = self.open(&c, streams::SOURCE).await?;
                self.moved(bytes, streams::fetch(s, bytes)).await
            }
            "close" => {
                let id = self.remote(&c)?;
                self.swarm.disconnect_peer_id(id).map_err(|()| "not connected")?;
                while self.swarm.is_connected(&id) {
                    self.event().await;
                }
                Ok(json!({}))
            }
            "stat" => Ok(self.stat()),
            other => Err(format!("unknown command {other:?}").into()),
        }
    }

    fn addrs(&self) -> Vec<String> {
        let id = *self.swarm.local_peer_id();
        self.swarm
            .listeners()
            .map(|a| a.clone().with(Protocol::P2p(id)).to_string())
            .collect()
    }

    async fn listen(&mut self, addr: Option<&str>) -> Fallible<Value> {
        if let Some(addr) = addr {
            let listener = self.swarm.listen_on(addr.parse()?)?;
            loop {
                match self.event().await {
                    SwarmEvent::NewListenAddr { listener_id, .. } if listener_id == listener => break,
                    SwarmEvent::ListenerClosed { listener_id, reason, .. } if listener_id == listener => reason?,
                    SwarmEvent::ListenerError { listener_id, error } if listener_id == listener => return Err(error.into()),
                    _ => {}
                }
            }
        }
        Ok(json!({"id": self.swarm.local_peer_id().to_string(), "addrs": self.addrs()}))
    }

    async fn dial(&mut self, addr: Multiaddr) -> Fallible<Value> {
        let Some(Protocol::P2p(to)) = addr.iter().last() else {
            return Err("the address names no /p2p/ID".into());
        };
        let began = Instant::now();
        if !self.swarm.is_connected(&to) {
            let options: DialOpts = addr.into();
            let dialled = options.connection_id();
            self.swarm.dial(options)?;
            loop {
                match self.event().await {
                    SwarmEvent::ConnectionEstablished { connection_id, .. } if connection_id == dialled => break,
                    SwarmEvent::OutgoingConnectionError { connection_id, error, .. } if connection_id == dialled => {
                        return Err(error.into());
                    }
                    _ => {}
                }
            }
        }
        let (_, end) = self.connections.values().find(|(id, _)| *id == to).ok_or("closed at once")?;
        Ok(
            json!({"peer": to.to_string(), "remote": end.get_remote_address().to_string(), "ms": began.elapsed().as_micros() as f64 / 1000.0}),
        )
    }

    /// The peer a command names; connected.
    fn remote(&self, c: &Value) -> Fallible<PeerId> {
        let id: PeerId = c["peer"].as_str().unwrap_or("").parse()?;
        if !self.swarm.is_connected(&id) {
            return Err(format!("not connected to {id}").into());
        }
        Ok(id)
    }

    async fn open(&mut self, c: &Value, protocol: StreamProtocol) -> Fallible<Stream> {
        let id = self.remote(c)?;
        let mut control = self.swarm.behaviour().stream.new_control();
        Ok(self.meanwhile(control.open_stream(id, protocol)).await?)
    }

    /// Pings, each on a stream of its own, beside the one that our behaviour keeps: go-libp2p allows
    /// two, rust-libp2p drops the older, and answers a second ping on a stream only when something
    /// else wakes it. So a ping that failed is tried again.
    async fn ping(&mut self, c: &Value) -> Fallible<Value> {
        let mut rtts = Vec::new();
        let mut failures = 0;
        for i in 0..c["n"].as_u64().unwrap_or(1).max(1) {
            rtts.push(loop {
                match self.one_ping(c, [i as u8; 32]).await {
                    Err(_) if failures < 5 => failures += 1,
                    done => break done?,
                }
                self.meanwhile(tokio::time::sleep(Duration::from_millis(50))).await;
            });
        }
        Ok(json!({"rtt_ms": rtts}))
    }

    async fn one_ping(&mut self, c: &Value, what: [u8; 32]) -> Fallible<f64> {
        let s = self.open(c, ping::PROTOCOL_NAME).await?;
        Ok(self.meanwhile(streams::ping(s, what)).await?)
    }

    async fn moved(&mut self, bytes: u64, how: impl Future<Output = std::io::Result<Vec<u8>>>) -> Fallible<Value> {
        let began = Instant::now();
        let sum = self.meanwhile(how).await?;
        Ok(json!({"bytes": bytes, "sha256": hex(&sum), "seconds": began.elapsed().as_secs_f64()}))
    }

    async fn identify(&mut self, c: &Value) -> Fallible<Value> {
        let id = self.remote(c)?;
        while !self.told.contains_key(&id) {
            self.event().await;
        }
        let s = self.open(c, identify::PROTOCOL_NAME).await?;
        let raw = self.meanwhile(streams::slurp(s)).await?;
        let (info, messages) = &self.told[&id];
        Ok(json!({
            "peer": info.public_key.to_peer_id().to_string(),
            "addrs": info.listen_addrs,
            "protocols": info.protocols.iter().map(|p| p.as_ref()).collect::<Vec<_>>(),
            "agent": info.agent_version,
            "protocol_version": info.protocol_version,
            "observed": info.observed_addr,
            "record": record(info),
            "messages": messages,
            "raw": hex(&raw),
        }))
    }

    fn stat(&self) -> Value {
        let connections: Vec<Value> = self
            .connections
            .values()
            .map(|(id, end)| {
                json!({"peer": id.to_string(), "remote": end.get_remote_address().to_string(),
                       "direction": if end.is_dialer() { "out" } else { "in" }})
            })
            .collect();
        json!({"id": self.swarm.local_peer_id().to_string(), "addrs": self.addrs(), "connections": connections})
    }
}

/// rust-libp2p hands out only records in the older form; go's and js's are null here, see "raw".
fn record(info: &identify::Info) -> Value {
    let Some(envelope) = &info.signed_peer_record else {
        return Value::Null;
    };
    let raw = hex(&envelope.clone().into_protobuf_encoding());
    match PeerRecord::from_signed_envelope(envelope.clone()) {
        Ok(r) => json!({"valid": true, "peer": r.peer_id().to_string(), "seq": r.seq(), "addrs": r.addresses(), "envelope": raw}),
        Err(_) => json!({"valid": false, "envelope": raw}),
    }
}

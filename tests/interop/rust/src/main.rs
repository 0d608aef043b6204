//! A rust-libp2p peer over QUIC for the interop tests: commands and answers as ../../README.md says.
mod peer;
mod streams;

use libp2p::identity::Keypair;
use peer::Peer;
use serde_json::{Value, json};
use std::error::Error;
use std::io::BufRead;

type Fallible<T> = Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: peer [--key ed25519|secp256k1|ecdsa] [--seed HEX] [--record]    commands on stdin";

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn from_seed(seed: &str) -> Fallible<Keypair> {
    if seed.len() != 64 || !seed.is_ascii() {
        return Err("--seed takes 64 hex digits, for an Ed25519 key".into());
    }
    let raw: Result<Vec<u8>, _> = (0..64).step_by(2).map(|i| u8::from_str_radix(&seed[i..i + 2], 16)).collect();
    Ok(Keypair::ed25519_from_bytes(raw?)?)
}

fn make_peer() -> Fallible<Peer> {
    let mut args = std::env::args().skip(1);
    let mut key = Keypair::generate_ed25519();
    let mut record = false;
    while let Some(a) = args.next() {
        if a == "--record" {
            record = true;
            continue;
        }
        key = match (a.as_str(), args.next().as_deref()) {
            ("--key", Some("ed25519")) => Keypair::generate_ed25519(),
            ("--key", Some("secp256k1")) => Keypair::generate_secp256k1(),
            ("--key", Some("ecdsa")) => Keypair::generate_ecdsa(),
            ("--seed", Some(seed)) => from_seed(seed)?,
            _ => return Err(USAGE.into()),
        };
    }
    Peer::new(key, record)
}

/// The text of an error and of what caused it.
fn reason(e: &dyn Error) -> String {
    let mut text = e.to_string();
    let mut cause = e.source();
    while let Some(c) = cause {
        if !text.contains(&c.to_string()) {
            text = format!("{text}: {c}");
        }
        cause = c.source();
    }
    text.replace('\n', " ")
}

fn tell(a: Fallible<Value>) {
    match a {
        Ok(mut v) => {
            v["ok"] = true.into();
            println!("{v}");
        }
        Err(e) => println!("{}", json!({"ok": false, "error": reason(&*e)})),
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Fallible<()> {
    let mut peer = make_peer().unwrap_or_else(|e| {
        eprintln!("peer: {e}");
        std::process::exit(2)
    });
    let (lines, mut commands) = tokio::sync::mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                break;
            }
        }
    });
    while let Some(line) = peer.meanwhile(commands.recv()).await {
        match serde_json::from_str::<Value>(&line) {
            Ok(c) if c["do"] == "quit" => {
                tell(Ok(json!({})));
                break;
            }
            Ok(c) => tell(peer.run(c).await),
            Err(e) => tell(Err(e.into())),
        }
    }
    Ok(())
}

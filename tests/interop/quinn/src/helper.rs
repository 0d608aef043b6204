//! The other end of `cidpeer --offer PATH`, which attaches and keeps our socket bound: lines over a UNIX socket. It hands out
//! connection IDs and says what the relay is to be sent; we tell it what the relay sent, and to whom we send.
use quinn::ConnectionId;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

pub const CID: usize = 17;

#[derive(Default, Debug)]
struct State {
    own: VecDeque<ConnectionId>,
    dial: VecDeque<ConnectionId>,
    relay: Option<SocketAddr>,
    bound: Option<SocketAddr>,
    told: Option<(Vec<u8>, Instant)>,
    socket: Option<UdpSocket>,
    empty: bool,
    gone: bool,
}

#[derive(Debug)]
pub struct Helper {
    stream: Mutex<UnixStream>,
    state: Mutex<State>,
    news: Condvar,
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .filter_map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok())
        .collect()
}

impl Helper {
    pub fn connect(path: &str) -> std::io::Result<Arc<Self>> {
        let stream = UnixStream::connect(path)?;
        let lines = BufReader::new(stream.try_clone()?);
        let helper = Arc::new(Self {
            stream: stream.into(),
            state: Mutex::default(),
            news: Condvar::new(),
        });
        let reader = helper.clone();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                reader.take(&line);
            }
            reader.state.lock().unwrap().gone = true;
            reader.news.notify_all();
        });
        Ok(helper)
    }

    /// A line that came: `own HEX`, `dial HEX`, `relay ADDR`, `bound ADDR`, `unbound`, `out HEX`; `none`: that stock is empty.
    fn take(&self, line: &str) {
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut s = self.state.lock().unwrap();
        match what {
            "own" => s.own.push_back(ConnectionId::new(&bytes_of(rest))),
            "dial" => s.dial.push_back(ConnectionId::new(&bytes_of(rest))),
            "relay" => s.relay = rest.parse().ok(),
            "bound" => s.bound = rest.parse().ok(),
            "unbound" => s.bound = None,
            "none" => s.empty = true,
            "out" => {
                if let (Some(socket), Some(relay)) = (&s.socket, s.relay) {
                    let _ = socket.send_to(&bytes_of(rest), relay);
                }
            }
            _ => {}
        }
        drop(s);
        self.news.notify_all();
    }

    fn say(&self, line: String) {
        let _ = self.stream.lock().unwrap().write_all((line + "\n").as_bytes());
    }

    fn wait<T>(&self, limit: Duration, ready: impl Fn(&mut State) -> Option<T>) -> Option<T> {
        let end = Instant::now() + limit;
        let mut s = self.state.lock().unwrap();
        loop {
            if let Some(v) = ready(&mut s) {
                return Some(v);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || s.gone {
                return None;
            }
            s = self.news.wait_timeout(s, left).unwrap().0;
        }
    }

    /// The socket that the relay's messages leave by from now on.
    pub fn use_socket(&self, socket: UdpSocket) {
        self.state.lock().unwrap().socket = Some(socket);
        self.say("moved".into());
    }

    pub fn relay(&self) -> Option<SocketAddr> {
        self.wait(Duration::from_secs(10), |s| s.relay)
    }

    /// Where the relay sees us, once we are bound.
    pub fn bound(&self, limit: Duration) -> Option<SocketAddr> {
        self.wait(limit, |s| s.bound)
    }

    /// One of the stock, and another one asked for.
    fn draw(&self, what: &str, list: fn(&mut State) -> &mut VecDeque<ConnectionId>) -> ConnectionId {
        self.say(what.into());
        let drawn = self.wait(Duration::from_secs(10), |s| {
            if s.empty { Some(None) } else { list(s).pop_front().map(Some) }
        });
        drawn.flatten().unwrap_or_else(|| {
            eprintln!("peer: no connection ID is left");
            std::process::exit(3)
        })
    }

    pub fn draw_own(&self) -> ConnectionId {
        self.draw("own", |s| &mut s.own)
    }

    /// For one dial alone.
    pub fn draw_dial(&self) -> ConnectionId {
        self.draw("dial", |s| &mut s.dial)
    }

    /// The relay sent this to us.
    pub fn came(&self, datagram: &[u8]) {
        self.say(format!("in {}", hex(datagram)));
    }

    /// The head of something that leaves: told when it is news.
    pub fn leaves(&self, datagram: &[u8]) {
        let head = &datagram[..datagram.len().min(6 + CID)];
        let mut s = self.state.lock().unwrap();
        let at = if datagram.first().is_some_and(|b| b & 0x80 != 0) { 6 } else { 1 };
        let Some(cid) = head.get(at..at + CID) else { return };
        if s.told
            .as_ref()
            .is_some_and(|(last, when)| last == cid && when.elapsed() < Duration::from_secs(1))
        {
            return;
        }
        s.told = Some((cid.to_vec(), Instant::now()));
        drop(s);
        self.say(format!("sent {}", hex(head)));
    }
}

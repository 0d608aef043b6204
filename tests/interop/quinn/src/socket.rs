//! quinn's UDP socket with the relay's own messages taken out on their way in.
use crate::helper::{CID, Helper};
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, ConnectionId, ConnectionIdGenerator, Runtime, TokioRuntime, UdpPoller};
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

#[derive(Debug)]
pub struct Shared {
    inner: Arc<dyn AsyncUdpSocket>,
    helper: Arc<Helper>,
}

impl Shared {
    pub fn open(local: SocketAddr, helper: &Arc<Helper>) -> io::Result<Arc<Self>> {
        let socket = UdpSocket::bind(local)?;
        let copy = socket.try_clone()?;
        let inner = TokioRuntime.wrap_udp_socket(socket)?;
        helper.use_socket(copy);
        Ok(Arc::new(Self {
            inner,
            helper: helper.clone(),
        }))
    }

    /// Keeps what is QUIC's of a train of datagrams, in place; its new length.
    fn sift(&self, bytes: &mut [u8], stride: usize) -> usize {
        let mut kept = 0;
        for at in (0..bytes.len()).step_by(stride.max(1)) {
            let end = bytes.len().min(at + stride);
            if is_of_relay(&bytes[at..end]) {
                self.helper.came(&bytes[at..end]);
                continue;
            }
            bytes.copy_within(at..end, kept);
            kept += end - at;
        }
        kept
    }
}

/// A long header with version 0x5a53xxxx.
fn is_of_relay(datagram: &[u8]) -> bool {
    datagram.len() >= 5 && datagram[0] & 0x80 != 0 && datagram[1..3] == [0x5a, 0x53]
}

impl AsyncUdpSocket for Shared {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.inner.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit) -> io::Result<()> {
        self.helper.leaves(transmit.contents);
        self.inner.try_send(transmit)
    }

    fn poll_recv(&self, cx: &mut Context, bufs: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> Poll<io::Result<usize>> {
        let got = self.inner.poll_recv(cx, bufs, meta);
        if let Poll::Ready(Ok(n)) = got {
            for (buf, m) in bufs.iter_mut().zip(meta.iter_mut()).take(n) {
                m.len = self.sift(&mut buf[..m.len], m.stride);
            }
        }
        got
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

/// quinn's own connection IDs: minted ones alone.
pub struct Minted(pub Arc<Helper>);

impl ConnectionIdGenerator for Minted {
    fn generate_cid(&mut self) -> ConnectionId {
        self.0.draw_own()
    }

    fn cid_len(&self) -> usize {
        CID
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

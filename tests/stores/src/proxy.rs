//! A way to a database that can be closed, and on which a chosen request fails.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not arrive: the connection is cut.
    NotSent,
    /// It is executed, and the connection is cut before the reply.
    ReplyLost,
    /// It is executed, and the connection stays without a reply. The call is dropped after that time.
    Silence(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Quiet,
    /// The request behind so many others fails.
    Armed(Fault, usize),
    /// It is on its way.
    Failing,
    Failed,
}

/// How long an answer is awaited after any other fault.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Proxy {
    database: Url,
    address: SocketAddr,
    /// Keeps the port while nobody listens there.
    _port: TcpSocket,
    state: watch::Sender<State>,
    connections: Arc<Mutex<JoinSet<()>>>,
    listening: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A way to the database of that address.
    pub fn before(database: &str) -> Self {
        let database: Url = database.parse().unwrap();
        let port = bind(SocketAddr::from(([127, 0, 0, 1], 0)));
        let address = port.local_addr().unwrap();
        let state = watch::Sender::new(State::Quiet);
        let mut proxy = Self { database, address, _port: port, state, connections: Arc::default(), listening: None };
        proxy.open();
        proxy
    }

    /// The database's address by this way.
    pub fn url(&self) -> String {
        let mut url = self.database.clone();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url.to_string()
    }

    /// Lets connections through.
    pub fn open(&mut self) {
        let listener = bind(self.address).listen(1024).unwrap();
        let (database, state, connections) = (self.database.clone(), self.state.clone(), self.connections.clone());
        self.listening = Some(tokio::spawn(async move {
            loop {
                let near = listener.accept().await.unwrap().0;
                connections.lock().await.spawn(connect(near, database.clone(), state.clone()));
            }
        }));
    }

    /// Cuts the connections and refuses new ones.
    pub async fn close(&mut self) {
        let listening = self.listening.take().unwrap();
        listening.abort();
        assert!(listening.await.unwrap_err().is_cancelled());
        self.connections.lock().await.shutdown().await;
    }

    /// What `call` answers during which the `k`-th request to the database fails, the first being 0: `None` when it
    /// makes fewer, `Some(None)` when it was dropped.
    pub async fn during<T>(&self, fault: Fault, k: usize, call: impl Future<Output = T>) -> Option<Option<T>> {
        self.state.send_replace(State::Armed(fault, k));
        let answer = tokio::select! {
            answer = call => Some(answer),
            () = self.too_late(fault) => None,
        };
        let has_failed = !matches!(self.state.send_replace(State::Quiet), State::Armed(..));
        assert!(answer.is_some() || matches!(fault, Fault::Silence(_)), "no answer");
        has_failed.then_some(answer)
    }

    async fn too_late(&self, fault: Fault) {
        self.state.subscribe().wait_for(|state| *state == State::Failed).await.unwrap();
        tokio::time::sleep(if let Fault::Silence(time) = fault { time } else { PATIENCE }).await;
    }
}

/// Several sockets may have an address of which at most one listens.
fn bind(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

async fn connect(near: TcpStream, database: Url, state: watch::Sender<State>) {
    let far = TcpStream::connect((database.host_str().unwrap(), database.port().unwrap())).await.unwrap();
    let (mut from_near, mut to_near) = near.into_split();
    let (mut from_far, mut to_far) = far.into_split();
    let length = if database.scheme() == "redis" { redis_request } else { postgres_request };
    let fault = tokio::select! {
        fault = forward(&mut from_near, &mut to_far, length, &state) => fault,
        _ = tokio::io::copy(&mut from_far, &mut to_near) => None,
    };
    match fault {
        None => return,
        Some(Fault::NotSent) => {}
        // A database reads what was sent before it sees the end, and ends then.
        Some(Fault::ReplyLost) => {
            let _ = to_far.shutdown().await;
            let _ = tokio::io::copy(&mut from_far, &mut tokio::io::sink()).await;
        }
        Some(Fault::Silence(_)) => from_far.readable().await.unwrap(),
    }
    state.send_if_modified(|state| {
        // The call may have ended meanwhile.
        let is_awaited = *state == State::Failing;
        if is_awaited {
            *state = State::Failed;
        }
        is_awaited
    });
    if let Some(Fault::Silence(_)) = fault {
        let _ = state.subscribe().wait_for(|state| *state != State::Failed).await;
    }
}

/// Passes requests on until one fails or there are no more.
async fn forward(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    length: fn(&[u8]) -> Option<usize>,
    state: &watch::Sender<State>,
) -> Option<Fault> {
    let mut bytes = BytesMut::new();
    while from.read_buf(&mut bytes).await.ok()? > 0 {
        while let Some(length) = length(&bytes) {
            let request = bytes.split_to(length);
            let fault = if request[..] == PING { None } else { next(state) };
            if fault == Some(Fault::NotSent) {
                return fault;
            }
            to.write_all(&request).await.ok()?;
            if fault.is_some() {
                return fault;
            }
        }
    }
    None
}

/// What is to become of the next request.
fn next(state: &watch::Sender<State>) -> Option<Fault> {
    let mut next = None;
    state.send_if_modified(|state| match state {
        State::Armed(fault, 0) => {
            next = Some(*fault);
            *state = State::Failing;
            true
        }
        State::Armed(_, left) => {
            *left -= 1;
            false
        }
        _ => false,
    });
    next
}

/// What a pool asks PostgreSQL when it gets a connection back, at a time of its own: nothing, so that a reply comes.
const PING: [u8; 5] = *b"S\0\0\0\x04";

/// The length of the messages up to the one that PostgreSQL replies to, once they are there.
fn postgres_request(bytes: &[u8]) -> Option<usize> {
    let mut end = 0;
    loop {
        let kind = *bytes.get(end)?;
        // Only a connection's first message has no kind; the length it begins with is small.
        end += usize::from(kind != 0);
        let length = bytes.get(end..end + 4)?;
        end += usize::try_from(u32::from_be_bytes(length.try_into().unwrap())).unwrap();
        // Sync, Query, a password, Terminate.
        if matches!(kind, 0 | b'S' | b'Q' | b'p' | b'X') {
            return (end <= bytes.len()).then_some(end);
        }
    }
}

/// The length of a command, an array of strings, once it is there.
fn redis_request(bytes: &[u8]) -> Option<usize> {
    let (strings, mut end) = redis_number(bytes, 0)?;
    for _ in 0..strings {
        let (length, start) = redis_number(bytes, end)?;
        end = start + length + 2;
    }
    (end <= bytes.len()).then_some(end)
}

/// The number behind the one character that says what it counts, and where the next line begins.
fn redis_number(bytes: &[u8], start: usize) -> Option<(usize, usize)> {
    let line = bytes.get(start + 1..)?;
    let length = line.iter().position(|byte| *byte == b'\r')?;
    let number = std::str::from_utf8(&line[..length]).unwrap().parse().unwrap();
    Some((number, start + 1 + length + 2))
}

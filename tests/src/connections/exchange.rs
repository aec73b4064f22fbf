//! One exchange: a request with a number, an answer with the same number and the backend's name.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

use super::{Broken, Done, pick};

/// A number that no other request of the process has.
pub const REQUEST_LEN: usize = 8;
/// The request, then the name of who answers, padded with spaces.
pub const RESPONSE_LEN: usize = 24;

/// Numbers of requests.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A short connection, to be made over and over.
#[derive(Clone)]
pub(crate) struct Shot {
    pub(crate) kind: &'static str,
    pub(crate) to: SocketAddr,
    pub(crate) from: Vec<IpAddr>,
    pub(crate) patience: Duration,
}

impl Shot {
    pub(crate) async fn fire(&self, number: u64) -> Result<(Done, ()), Broken> {
        let from = pick(&self.from, number);
        match self.kind {
            "tcp" => {
                let mut stream = open(self.to, from, self.patience).await?;
                let backend = ask(&mut stream, self.patience).await?;
                let resent = resent(&stream);
                // Every other connection ends as programs that are in order end theirs; the rest with a
                // reset, which leaves no port behind that has to wait.
                let how = if number.is_multiple_of(2) { close } else { abort };
                how(stream, self.patience).await?;
                Ok((Done { backend, resent }, ()))
            }
            "udp" => self.datagram(from, true).await,
            _ => self.datagram(from, false).await,
        }
    }

    async fn datagram(&self, from: Option<IpAddr>, connected: bool) -> Result<(Done, ()), Broken> {
        let broken = |phase| move |error| Broken { phase, error, local: String::new() };
        let from = SocketAddr::new(from.unwrap_or_else(|| any(self.to)), 0);
        let socket = UdpSocket::bind(from).await.map_err(broken("bind"))?;
        let local = || socket.local_addr().map_or(String::new(), |local| local.to_string());
        let broken = |phase| {
            let local = local();
            move |error| Broken { phase, error, local }
        };
        let request = request();
        let mut response = [0; RESPONSE_LEN + 1];
        if connected {
            socket.connect(self.to).await.map_err(broken("connect"))?;
            within(self.patience, socket.send(&request)).await.map_err(broken("send"))?;
        } else {
            let sent = socket.send_to(&request, self.to);
            within(self.patience, sent).await.map_err(broken("send"))?;
        }
        let answer = within(self.patience, socket.recv_from(&mut response));
        let (len, who) = answer.await.map_err(broken("receive"))?;
        if who != self.to {
            let error = io::Error::other(format!("an answer of {who}"));
            return Err(broken("answer")(error));
        }
        let backend = backend_of(&request, &response[..len]).map_err(broken("answer"))?;
        Ok((Done { backend, resent: false }, ()))
    }
}

/// A connection that stays.
pub(crate) struct Held {
    pub(crate) to: SocketAddr,
    pub(crate) from: Option<IpAddr>,
    pub(crate) interval: Duration,
    pub(crate) patience: Duration,
}

impl Held {
    pub(crate) async fn open(&self) -> Result<(Done, TcpStream), Broken> {
        let mut stream = open(self.to, self.from, self.patience).await?;
        let backend = ask(&mut stream, self.patience).await?;
        let resent = resent(&stream);
        Ok((Done { backend, resent }, stream))
    }

    pub(crate) async fn ask(&self, stream: &mut TcpStream) -> Result<(Done, ()), Broken> {
        let before = total_retransmissions(stream);
        let backend = ask(stream, self.patience).await?;
        Ok((Done { backend, resent: total_retransmissions(stream) != before }, ()))
    }
}

async fn open(
    to: SocketAddr,
    from: Option<IpAddr>,
    patience: Duration,
) -> Result<TcpStream, Broken> {
    let mut local = from.map_or(String::new(), |from| from.to_string());
    let mut phase = "bind";
    let opened = async {
        let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(from) = from {
            socket.bind(SocketAddr::new(from, 0))?;
        }
        local = socket.local_addr().map_or(local.clone(), |local| local.to_string());
        phase = "connect";
        let stream = within(patience, socket.connect(to)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    let result = opened.await;
    result.map_err(|error| Broken { phase, error, local })
}

async fn ask(stream: &mut TcpStream, patience: Duration) -> Result<String, Broken> {
    let local = stream.local_addr().map_or(String::new(), |local| local.to_string());
    let broken = |phase| {
        let local = local.clone();
        move |error| Broken { phase, error, local }
    };
    let request = request();
    let mut response = [0; RESPONSE_LEN];
    within(patience, stream.write_all(&request)).await.map_err(broken("send"))?;
    within(patience, stream.read_exact(&mut response)).await.map_err(broken("receive"))?;
    backend_of(&request, &response).map_err(broken("answer"))
}

type Ending = std::pin::Pin<Box<dyn Future<Output = Result<(), Broken>>>>;

/// Says that nothing more comes, and waits until the other side says so too.
fn close(mut stream: TcpStream, patience: Duration) -> Ending {
    Box::pin(async move {
        let local = stream.local_addr().map_or(String::new(), |local| local.to_string());
        let ended = async {
            stream.shutdown().await?;
            match stream.read(&mut [0]).await? {
                0 => Ok(()),
                _ => Err(io::Error::other("more than was asked for")),
            }
        };
        let result = within(patience, ended).await;
        result.map_err(|error| Broken { phase: "close", error, local })
    })
}

fn abort(stream: TcpStream, _: Duration) -> Ending {
    Box::pin(async move {
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        let len = size_of::<libc::linger>() as libc::socklen_t;
        // SAFETY: the value lives until the call returns, and its size is given.
        let ret = unsafe {
            libc::setsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                (&raw const linger).cast(),
                len,
            )
        };
        match ret {
            0 => Ok(()),
            _ => {
                let error = io::Error::last_os_error();
                Err(Broken { phase: "close", error, local: String::new() })
            }
        }
    })
}

async fn within<T>(patience: Duration, what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout(patience, what).await {
        Ok(result) => result,
        Err(_) => {
            let why = format!("nothing happened for {} ms", patience.as_millis());
            Err(io::Error::new(io::ErrorKind::TimedOut, why))
        }
    }
}

fn request() -> [u8; REQUEST_LEN] {
    NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes()
}

fn backend_of(request: &[u8], response: &[u8]) -> io::Result<String> {
    if response.len() != RESPONSE_LEN || response[..REQUEST_LEN] != *request {
        return Err(io::Error::other("the answer to another request"));
    }
    Ok(String::from_utf8_lossy(&response[REQUEST_LEN..]).trim_end().to_owned())
}

fn any(of: SocketAddr) -> IpAddr {
    if of.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

fn resent(stream: &TcpStream) -> bool {
    total_retransmissions(stream) != 0
}

/// Segments that the connection has sent again, its SYN included.
fn total_retransmissions(stream: &TcpStream) -> u32 {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut len = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: both pointers are to memory of the size given, which lives until the call returns.
    let ret = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    if ret != 0 {
        return 0;
    }
    // SAFETY: all zero is a valid tcp_info, and the kernel has filled in the most of it.
    unsafe { info.assume_init() }.tcpi_total_retrans
}

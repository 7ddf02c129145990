//! A small correct server of HTTP/1.1 and HTTP/2 that says what it saw, and does odd things when its path asks for them.
//!
//! Endpoints are recognised by the end of the path, so that any prefix may be routed: see [`Endpoint`].
//! Without TLS a client of HTTP/2 begins with its preface (prior knowledge), with TLS it asks for `h2` by ALPN.
//! Each origin runs on a thread of its own and stops when it is dropped.

mod connection;
mod endpoint;
mod h1;
mod h2;
mod report;

pub use endpoint::Endpoint;

use crate::tls;
use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// How long running requests may go on after [`Origin::stop`].
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// A running server.
#[derive(Debug)]
pub struct Origin {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it is called in `X-Server` and in its answers.
    pub name: String,
    shared: Arc<Shared>,
    order: watch::Sender<Order>,
    thread: Option<JoinHandle<()>>,
}

/// What connections and the handle have in common.
struct Shared {
    name: String,
    /// Where its connections are TLS.
    tls: Option<TlsAcceptor>,
    /// Targets whose first request was refused.
    refused: Mutex<HashSet<String>>,
    failing: AtomicBool,
    requests: AtomicU64,
    connections: AtomicU64,
    in_flight: AtomicU64,
    open: AtomicU64,
    sent: AtomicU64,
}

impl Shared {
    /// Whether this is the first request with this target that asks to be refused once.
    fn is_first(&self, target: &str) -> bool {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(target.to_owned())
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What the server is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Serve,
    Stop,
    Kill,
}

impl Origin {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no socket, thread or runtime can be had.
    pub fn start(name: &str) -> io::Result<Origin> {
        Origin::start_at(name, (Ipv4Addr::LOCALHOST, 0).into())
    }

    /// Starts one on an address, for example that of one that was killed.
    ///
    /// # Errors
    /// When the address is taken, or no thread or runtime can be had.
    pub fn start_at(name: &str, address: SocketAddr) -> io::Result<Origin> {
        Origin::launch(name, address, None)
    }

    /// Starts one on a free port of 127.0.0.1 that speaks TLS, with this chain and key, and HTTP/2 or HTTP/1.1 as
    /// its clients ask by ALPN.
    ///
    /// # Errors
    /// When chain and key are not PEM or do not belong together, or no socket, thread or runtime can be had.
    pub fn start_tls(name: &str, cert_pem: &str, key_pem: &str) -> io::Result<Origin> {
        Origin::start_tls_at(name, (Ipv4Addr::LOCALHOST, 0).into(), cert_pem, key_pem)
    }

    /// Starts one that speaks TLS on an address.
    ///
    /// # Errors
    /// When chain and key are not PEM or do not belong together, the address is taken, or no thread or runtime can be
    /// had.
    pub fn start_tls_at(
        name: &str,
        address: SocketAddr,
        cert_pem: &str,
        key_pem: &str,
    ) -> io::Result<Origin> {
        Origin::launch(name, address, Some(tls::acceptor(cert_pem, key_pem)?))
    }

    fn launch(name: &str, address: SocketAddr, tls: Option<TlsAcceptor>) -> io::Result<Origin> {
        let listener = TcpListener::bind(address)?;
        // The 128 of the standard library are fewer than what an attack has connected to at once.
        socket2::SockRef::from(&listener).listen(1024)?;
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            tls,
            refused: Mutex::default(),
            failing: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            open: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        });
        let (order, orders) = watch::channel(Order::Serve);
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || runtime.block_on(serve(listener, for_thread, orders)))?;
        Ok(Origin { address, name: name.to_owned(), shared, order, thread: Some(thread) })
    }

    /// From now on every request is answered with 500, health checks too (`true`), or as usual (`false`).
    pub fn fail(&self, failing: bool) {
        self.shared.failing.store(failing, Ordering::SeqCst);
    }

    /// Requests whose head came in so far, health checks aside.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Connections accepted so far, those of health checks included.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Requests that are being answered.
    pub fn in_flight(&self) -> u64 {
        self.shared.in_flight.load(Ordering::SeqCst)
    }

    /// Connections that are open.
    pub fn open(&self) -> u64 {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Bytes of bodies of a known pattern (`/size/N`, `/close/N`) that the kernel, or HTTP/2's flow control, took
    /// so far.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }

    /// Accepts no more, closes idle connections, lets running requests end, and waits for all that.
    pub fn stop(mut self) {
        self.end(Order::Stop);
    }

    /// As if the process had been killed with data unread: every socket is reset, at once.
    pub fn kill(mut self) {
        self.end(Order::Kill);
    }

    fn end(&mut self, order: Order) {
        // The thread may have ended already; then nobody listens.
        let _ = self.order.send(order);
        if let Some(thread) = self.thread.take() {
            // A panic of the origin is the test's own failure.
            assert!(thread.join().is_ok() || std::thread::panicking(), "origin {} panicked", self.name);
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.end(Order::Kill);
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, mut orders: watch::Receiver<Order>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let mut connections = JoinSet::new();
    while *orders.borrow() == Order::Serve {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    shared.connections.fetch_add(1, Ordering::SeqCst);
                    let (shared, orders) = (Arc::clone(&shared), orders.clone());
                    connections.spawn(connection::run(stream, shared, orders));
                }
                // Out of descriptors: room comes when connections end.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            _ = connections.join_next(), if !connections.is_empty() => {}
            changed = orders.changed() => if changed.is_err() { break },
        }
    }
    drop(listener);
    // Connections have the order too; what does not obey in time is dropped.
    let all_ended = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(STOP_LIMIT, all_ended).await;
}

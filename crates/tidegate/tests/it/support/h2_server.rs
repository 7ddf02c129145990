//! A small server of HTTP/2, with TLS or without, that answers health checks and says what it was asked.

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// A running server; it ends with the value.
pub struct H2Server {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    /// Dropped, it ends the thread.
    _stop: oneshot::Sender<()>,
}

impl H2Server {
    /// Starts one. A GET is answered with 200 and whatever else by gRPC, with this state of the service.
    pub fn start(state: u8, tls: Option<rustls::ServerConfig>) -> H2Server {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let (stop, stopped) = oneshot::channel();
        let accepting = accept(listener, acceptor, state, Arc::clone(&seen));
        std::thread::spawn(move || {
            runtime.spawn(accepting);
            let _ = runtime.block_on(stopped);
        });
        H2Server { address, seen, _stop: stop }
    }

    /// What it was asked so far: method, URL, and the content.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    state: u8,
    seen: Arc<Mutex<Vec<String>>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
        tokio::spawn(async move {
            match acceptor {
                None => serve(stream, state, seen).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, state, seen).await;
                    }
                }
            }
        });
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    state: u8,
    seen: Arc<Mutex<Vec<String>>>,
) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer(request, respond, state, Arc::clone(&seen)));
    }
}

async fn answer(
    mut request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    state: u8,
    seen: Arc<Mutex<Vec<String>>>,
) {
    let content = request.body_mut().data().await.map(Result::unwrap).unwrap_or_default();
    let content = String::from_utf8_lossy(&content).into_owned();
    seen.lock().unwrap().push(format!("{} {} {content:?}", request.method(), request.uri()));
    let mut response = Response::new(());
    if request.method() == http::Method::GET {
        respond.send_response(response, true).unwrap();
        return;
    }
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let mut stream = respond.send_response(response, false).unwrap();
    stream.send_data(vec![0, 0, 0, 0, 2, 8, state].into(), false).unwrap();
    let status = ("grpc-status".parse().unwrap(), HeaderValue::from_static("0"));
    stream.send_trailers(HeaderMap::from_iter([status])).unwrap();
}

//! A listener: HTTP and sockets on TCP connections that can be [aborted](AbortableStream), whose send buffers are bounded,
//! and whose number is [bounded](ConnectionLimit).
//!
//! It is assembled from the parts of actix-web's `HttpServer`, because that one serves bare TCP streams only, which
//! cannot be aborted from outside, and leaves connections over its bound unanswered in the kernel's queue.

use std::{
    future::ready,
    io,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    time::Duration,
};

use actix_http::{
    HttpService, Protocol, Request, Response, body::MessageBody, error::DispatchError,
};
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{
    IntoServiceFactory, Service, ServiceExt, ServiceFactory,
    boxed::{self, BoxService},
    fn_factory, fn_service, map_config,
};
use actix_web::{
    Error,
    dev::AppConfig,
    rt::{net::TcpStream, time::timeout},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::warn;

use super::connection_limit::{ConnectionAdmission, ConnectionLimit};
use crate::{config::WebSocketTransport, telemetry::throttle::LogThrottle};
use actix_socketio::engineio::{AbortableStream, answer_upgrade};

/// Limits the log line about socket options: if one connection fails, all do.
static FAILURES: LogThrottle = LogThrottle::new();

/// Connections that the kernel has accepted and no worker has taken yet. After a restart all clients reconnect at once. The
/// kernel has its own bound (`net.core.somaxconn`, 4096 by default).
const BACKLOG: i32 = 4096;

/// Send buffer of a connection in bytes; the kernel doubles it for its own overhead. Without this bound the kernel buffers
/// up to 4 MiB for each slow reader, outside of every other bound. At a round trip of 100 ms this size still allows one
/// megabyte per second.
const SEND_BUFFER: usize = 128 * 1024;

/// Time that a connection may be idle. It is longer than the keep-alive of proxies and clients (nginx: 60 s), so that they
/// close idle connections: a server that closes a connection fails a request that is already on its way.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// The answer to a connection that is refused.
const TOO_MANY_CONNECTIONS: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/json\r\n\
    content-length: 55\r\n\
    cache-control: no-store\r\n\
    retry-after: 5\r\n\
    connection: close\r\n\r\n\
    {\"message\":\"Too many connections\",\"code\":\"UNAVAILABLE\"}";

/// Time in which a client must read the refusal of its connection.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Most bytes of a refused request that are read and discarded.
const MAX_DISCARDED_BYTES: u64 = 64 * 1024;

/// What a listener is made of, besides its application.
#[derive(Clone, Debug)]
pub(super) struct ListenerOptions {
    /// The name of the listener, for its threads.
    pub name: &'static str,
    /// The number of worker threads; `None` is one per core.
    pub workers: Option<usize>,
    /// The bound of open connections.
    pub connections: ConnectionLimit,
    /// The kernel closes a connection whose peer has acknowledged nothing for this time.
    pub unacknowledged: Duration,
    /// Time that open connections have when the listener stops.
    pub shutdown: Duration,
    /// How websockets are served.
    pub transport: WebSocketTransport,
}

/// Starts the listener: each worker thread serves an application made by `factory`. Returns when the address is bound.
///
/// # Errors
/// When the address cannot be bound.
pub(super) fn listen<F, I, S, B>(
    bind: SocketAddr,
    options: ListenerOptions,
    factory: F,
) -> io::Result<(Server, SocketAddr)>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig, InitError = ()> + 'static,
    S::Service: 'static,
    S::Error: Into<Error> + 'static,
    S::Response: Into<Response<B>> + 'static,
    B: MessageBody + 'static,
{
    let listener = open(bind)?;
    let addr = listener.local_addr()?;
    let mut server = Server::build();
    if let Some(workers) = options.workers {
        server = server.workers(workers);
    }
    let stopping = server.graceful_shutdown_signal();
    let (name, shutdown) = (options.name, options.shutdown);
    let serve = move || {
        let app = map_config(factory().into_factory(), |()| AppConfig::default());
        let worker = Rc::new(ListenerWorker {
            app,
            addr,
            options: options.clone(),
            stopping: stopping.clone(),
        });
        fn_factory(move || ListenerWorker::start(worker.clone()))
    };
    let server = server
        .disable_signals()
        .shutdown_timeout(shutdown.as_secs())
        // The connections are counted here, where one over the bound can be refused.
        .max_concurrent_connections(usize::MAX)
        .listen(name, listener, serve)?;
    Ok((server.run(), addr))
}

/// Serves HTTP on one connection.
type HttpConnectionService =
    BoxService<(AbortableStream, Protocol, Option<SocketAddr>), (), DispatchError>;

/// What a worker thread serves.
struct ListenerWorker<A> {
    app: A,
    addr: SocketAddr,
    options: ListenerOptions,
    stopping: GracefulShutdownSignal,
}

impl<A> ListenerWorker<A> {
    /// Starts the service of a worker thread. One application answers all requests.
    async fn start<B>(
        self: Rc<Self>,
    ) -> Result<impl Service<TcpStream, Response = (), Error = DispatchError>, ()>
    where
        A: ServiceFactory<Request, Config = (), InitError = ()>,
        A::Service: 'static,
        A::Error: Into<Error> + 'static,
        A::Response: Into<Response<B>> + 'static,
        B: MessageBody + 'static,
    {
        let app = Rc::new(self.app.new_service(()).await?);
        let (upgraded, stopping) = (app.clone(), self.stopping.clone());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(KEEP_ALIVE)
            // A client that cancels a poll closes its half of the connection; that ends the request and the session.
            .h1_allow_half_closed(false)
            // The server closes websockets itself. Without this each closed connection would linger for 5 s.
            .client_disconnect_timeout(Duration::ZERO)
            .local_addr(self.addr)
            .on_connect_ext(|stream: &AbortableStream, data| {
                data.insert(stream.abort_handle());
            });
        let app = fn_factory(move || {
            let app = app.clone().map_err(|error| error.into().error_response());
            ready(Ok::<_, ()>(app))
        });
        let http = match self.options.transport {
            WebSocketTransport::Auto => {
                let upgrade = move |(request, connection)| {
                    answer_upgrade(upgraded.clone(), request, connection)
                };
                boxed::service(http.upgrade(upgrade).finish(app).new_service(()).await?)
            }
            WebSocketTransport::ActixWs => boxed::service(http.finish(app).new_service(()).await?),
        };
        let http = Rc::new(http);
        Ok(fn_service(move |stream: TcpStream| {
            self.clone().serve(http.clone(), stream)
        }))
    }

    /// Serves a connection.
    async fn serve(
        self: Rc<Self>,
        http: Rc<HttpConnectionService>,
        stream: TcpStream,
    ) -> Result<(), DispatchError> {
        set_socket_options(&stream, self.options.unacknowledged);
        let peer = stream.peer_addr().ok();
        match self.options.connections.admit(peer) {
            ConnectionAdmission::Serve(permit) => {
                let stream = AbortableStream::new(stream).keep(permit);
                http.call((stream, Protocol::Http1, peer)).await
            }
            ConnectionAdmission::Refuse(_permit) => {
                // The outcome of the refusal is ignored.
                let _timed_out = timeout(REFUSAL_TIMEOUT, refuse(stream)).await;
                Ok(())
            }
            ConnectionAdmission::Close => Ok(()),
        }
    }
}

fn open(bind: SocketAddr) -> io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(bind);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
    // Otherwise the port could not be bound again for a minute after a stop.
    socket.set_reuse_address(true)?;
    // Accepted connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(&bind.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Answers a connection with 503. Reads until the client closes, because unread data would make the kernel reset the
/// connection and discard the answer.
async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(TOO_MANY_CONNECTIONS).await?;
    stream.shutdown().await?;
    let mut request = stream.take(MAX_DISCARDED_BYTES);
    tokio::io::copy(&mut request, &mut tokio::io::sink()).await?;
    Ok(())
}

/// Sets `TCP_NODELAY` and `TCP_USER_TIMEOUT`.
fn set_socket_options(stream: &TcpStream, timeout: Duration) {
    let socket = socket2::SockRef::from(stream);
    let result = socket
        .set_tcp_nodelay(true)
        .and_then(|()| socket.set_tcp_user_timeout(Some(timeout)));
    if let Err(error) = result
        && let Some(suppressed) = FAILURES.allow()
    {
        warn!(%error, suppressed, "socket options could not be set");
    }
}

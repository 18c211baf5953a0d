//! The main listener: HTTP and sockets on connections that can be [cut](Wire) and cost no more than was planned.
//!
//! It is actix-web's `HttpServer` taken apart, for that one serves bare TCP streams alone, to which nobody else has a way.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_http::{HttpService, Protocol, Request, Response, body::MessageBody};
use actix_server::Server;
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config,
};
use actix_web::{Error, dev::AppConfig, rt::net::TcpStream};
use tracing::warn;

use crate::{engineio::Wire, seldom::Seldom};

/// What fails for one connection fails for the next.
static FAILURES: Seldom = Seldom::new();

/// Connections that the kernel has accepted and no worker has taken yet: after a restart everybody comes at once. The kernel
/// has a bound of its own (`net.core.somaxconn`, 4096 by default).
const BACKLOG: i32 = 4096;

/// Bytes that the kernel holds for one peer on their way to it; it counts twice as much, for what it needs beside. Left
/// to itself it takes up to 4 MiB for each peer that stops reading, which no other bound sees. At a round trip of 100 ms
/// this is still a megabyte a second.
const SEND_BUFFER: usize = 128 * 1024;

/// How long a connection may wait for its next request. Longer than proxies and clients keep theirs (nginx: a minute), so that
/// it is they who close it: who closes a connection on which a request is on its way fails that request.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How connections end.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A peer that has taken nothing for so long is given up by the kernel.
    pub unread: Duration,
    /// How long open connections have when the listener stops.
    pub stopping: Duration,
}

/// Serves what `factory` makes, on each worker thread, at this address; returns when it is open.
///
/// # Errors
/// When it cannot listen there.
pub fn listen<F, I, S, B>(
    bind: SocketAddr,
    patience: Patience,
    factory: F,
) -> io::Result<(Server, SocketAddr)>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error>,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>>,
    B: MessageBody + 'static,
{
    let listener = open(bind)?;
    let addr = listener.local_addr()?;
    let server = Server::build();
    let stopping = server.graceful_shutdown_signal();
    let serve = move || {
        let stopping = stopping.clone();
        let app = factory()
            .into_factory()
            .map_err(|error| error.into().error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(KEEP_ALIVE)
            // A poll that its client gives up is the end of its session, and of any other request the end.
            .h1_allow_half_closed(false)
            // A websocket is closed by us, with nothing to wait for; otherwise each would linger.
            .client_disconnect_timeout(Duration::ZERO)
            .local_addr(addr)
            .on_connect_ext(|wire: &Wire, data| {
                data.insert(wire.cutter());
            })
            .finish(map_config(app, |()| AppConfig::default()));
        fn_service(move |stream: TcpStream| async move {
            prepare(&stream, patience.unread);
            let peer = stream.peer_addr().ok();
            Ok((Wire::new(stream), Protocol::Http1, peer))
        })
        .and_then(http)
    };
    let server = server
        .disable_signals()
        .shutdown_timeout(patience.stopping.as_secs())
        .listen("vaultcast", listener, serve)?;
    Ok((server.run(), addr))
}

fn open(bind: SocketAddr) -> io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(bind);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
    // Otherwise the port of a service that was just stopped could not be had again for a minute.
    socket.set_reuse_address(true)?;
    // Accepted connections have it from the beginning, before anything is written.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(&bind.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Has what is written leave at once, and the kernel end the connection of a peer that has read nothing for a while.
fn prepare(stream: &TcpStream, unread: Duration) {
    let socket = socket2::SockRef::from(stream);
    let set = socket
        .set_tcp_nodelay(true)
        .and_then(|()| socket.set_tcp_user_timeout(Some(unread)));
    if let Err(error) = set
        && let Some(unsaid) = FAILURES.now()
    {
        warn!(%error, unsaid, "a connection takes no settings");
    }
}

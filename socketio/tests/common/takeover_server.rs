//! An HTTP server that hands the connections of websockets over. It has the settings of actix-web's `HttpServer` that the tests
//! use.

use std::{any::Any, fmt, future::ready, io, net::TcpListener, rc::Rc, time::Duration};

use actix_http::{
    Extensions, HttpService, Protocol, Request, Response, body::MessageBody, error::DispatchError,
};
use actix_server::Server;
use actix_service::{
    IntoServiceFactory, Service, ServiceExt, ServiceFactory, fn_factory, fn_service, map_config,
};
use actix_socketio::engineio::{AbortableStream, answer_upgrade};
use actix_web::{Error, dev::AppConfig, rt::net::TcpStream};

type OnConnect = fn(&dyn Any, &mut Extensions);

/// An HTTP server whose worker threads serve applications made by a factory.
pub struct HttpServer<F> {
    factory: F,
    settings: Settings,
    listener: Option<TcpListener>,
}

#[derive(Clone)]
struct Settings {
    workers: usize,
    tcp_nodelay: bool,
    allow_half_closed: bool,
    request_timeout: Duration,
    disconnect_timeout: Duration,
    on_connect: OnConnect,
}

impl<F> HttpServer<F> {
    pub fn new(factory: F) -> Self {
        Self {
            factory,
            settings: Settings {
                workers: 1,
                tcp_nodelay: false,
                allow_half_closed: true,
                request_timeout: Duration::from_secs(5),
                disconnect_timeout: Duration::from_secs(1),
                on_connect: |_, _| {},
            },
            listener: None,
        }
    }

    pub fn workers(mut self, workers: usize) -> Self {
        self.settings.workers = workers;
        self
    }

    pub fn tcp_nodelay(mut self, tcp_nodelay: bool) -> Self {
        self.settings.tcp_nodelay = tcp_nodelay;
        self
    }

    pub fn h1_allow_half_closed(mut self, allow: bool) -> Self {
        self.settings.allow_half_closed = allow;
        self
    }

    pub fn client_request_timeout(mut self, timeout: Duration) -> Self {
        self.settings.request_timeout = timeout;
        self
    }

    pub fn client_disconnect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.disconnect_timeout = timeout;
        self
    }

    pub fn on_connect(mut self, on_connect: OnConnect) -> Self {
        self.settings.on_connect = on_connect;
        self
    }

    pub fn listen(mut self, listener: TcpListener) -> io::Result<Self> {
        self.listener = Some(listener);
        Ok(self)
    }
}

impl<F> HttpServer<F> {
    pub fn run<I, S, B>(self) -> Server
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Service: 'static,
        S::Error: Into<Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        B: MessageBody + 'static,
    {
        let (factory, settings, workers) =
            (self.factory, self.settings.clone(), self.settings.workers);
        let serve = move || {
            let app = map_config(factory().into_factory(), |()| AppConfig::default());
            let (app, settings) = (Rc::new(app), settings.clone());
            fn_factory(move || start_worker(app.clone(), settings.clone()))
        };
        let server = Server::build().workers(workers);
        let listener = self.listener.expect("the listener is set before");
        let server = server.listen("test", listener, serve);
        server.expect("the listener can be used").run()
    }
}

/// Starts the HTTP service of a worker thread: one application answers all requests.
async fn start_worker<A, S, B>(
    app: Rc<A>,
    settings: Settings,
) -> Result<impl Service<TcpStream, Response = (), Error = DispatchError>, ()>
where
    A: ServiceFactory<Request, Config = (), Service = S>,
    A::InitError: fmt::Debug,
    S: Service<Request> + 'static,
    S::Error: Into<Error> + 'static,
    S::Response: Into<Response<B>> + 'static,
    B: MessageBody + 'static,
{
    let app = app
        .new_service(())
        .await
        .map_err(|error| panic!("{error:?}"))?;
    let app = Rc::new(app);
    let upgraded = app.clone();
    let on_connect = settings.on_connect;
    let http = HttpService::build()
        .keep_alive(Duration::from_secs(5))
        .h1_allow_half_closed(settings.allow_half_closed)
        .client_request_timeout(settings.request_timeout)
        .client_disconnect_timeout(settings.disconnect_timeout)
        .on_connect_ext(move |stream: &AbortableStream, data| on_connect(stream.stream(), data))
        .upgrade(fn_service(move |(request, connection)| {
            answer_upgrade(upgraded.clone(), request, connection)
        }))
        .finish(fn_factory(move || {
            let app = app.clone().map_err(|error| error.into().error_response());
            ready(Ok::<_, ()>(app))
        }));
    let http = http.new_service(()).await?;
    let http = Rc::new(http);
    Ok(fn_service(move |stream: TcpStream| {
        let _set = stream.set_nodelay(settings.tcp_nodelay);
        let peer = stream.peer_addr().ok();
        http.call((AbortableStream::new(stream), Protocol::Http1, peer))
    }))
}

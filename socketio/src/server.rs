//! The Socket.IO server: a set of namespaces that handles the sessions of an Engine.IO server.

use std::rc::Rc;

use super::{
    connection::ClientConnection,
    handler::{Namespace, NamespaceMap},
    meter::{PacketMeter, Unmetered},
};
use crate::engineio::{EngineHandler, OpenRequest, SessionHandler, SessionPermit, SessionSocket};

/// The namespaces of a server, and the [`EngineHandler`] that serves them on an
/// [`EngineServer`](crate::engineio::EngineServer).
#[derive(Default)]
pub struct SocketIo {
    namespaces: Rc<NamespaceMap>,
    admit: Option<Box<AdmitFn>>,
    trim_request: Option<Box<TrimFn>>,
    meter: Option<Box<MeterFn>>,
}

type MeterFn = dyn Fn() -> Box<dyn PacketMeter>;
type TrimFn = dyn Fn(&mut OpenRequest);
type AdmitFn = dyn Fn(&OpenRequest) -> Result<SessionPermit, actix_web::Error>;

impl SocketIo {
    /// Returns a server without namespaces.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a namespace. Its name starts with a slash; the default namespace is `/`.
    pub fn namespace(mut self, name: &str, namespace: impl Namespace + 'static) -> Self {
        let namespaces =
            Rc::get_mut(&mut self.namespaces).expect("the server has not opened a session");
        namespaces.insert(name.into(), Box::new(namespace));
        self
    }

    /// Sets the function that is called for each CONNECT to a namespace that does not exist. The client receives the
    /// CONNECT_ERROR `Invalid namespace` in any case.
    pub fn on_unknown_namespace(mut self, report: impl Fn() + 'static) -> Self {
        let namespaces =
            Rc::get_mut(&mut self.namespaces).expect("the server has not opened a session");
        namespaces.on_unknown = Some(Box::new(report));
        self
    }

    /// Sets the function that decides whether a request may open a session. By default, every request may.
    ///
    /// The session keeps the returned value until its memory is released: `()`, or a permit of a semaphore. See
    /// [`EngineHandler::admit`].
    pub fn admit<T: 'static>(
        mut self,
        admit: impl Fn(&OpenRequest) -> Result<T, actix_web::Error> + 'static,
    ) -> Self {
        let admit = move |request: &OpenRequest| {
            admit(request).map(|permit| Box::new(permit) as SessionPermit)
        };
        self.admit = Some(Box::new(admit));
        self
    }

    /// Sets the function that removes what [`Namespace::connect`] does not need from the request of a new session; see
    /// [`EngineHandler::trim_request`].
    pub fn trim_request(mut self, trim: impl Fn(&mut OpenRequest) + 'static) -> Self {
        self.trim_request = Some(Box::new(trim));
        self
    }

    /// Sets the function that returns the meter of a new session. By default, clients are not limited.
    pub fn meter<M: PacketMeter + 'static>(mut self, meter: impl Fn() -> M + 'static) -> Self {
        self.meter = Some(Box::new(move || Box::new(meter())));
        self
    }
}

impl EngineHandler for SocketIo {
    fn admit(&self, request: &OpenRequest) -> Result<SessionPermit, actix_web::Error> {
        match &self.admit {
            Some(admit) => admit(request),
            None => Ok(Box::new(())),
        }
    }

    fn trim_request(&self, request: &mut OpenRequest) {
        if let Some(trim) = &self.trim_request {
            trim(request);
        }
    }

    fn open(&self, session: SessionSocket, request: OpenRequest) -> Box<dyn SessionHandler> {
        Box::new(ClientConnection::new(
            self.namespaces.clone(),
            session,
            request,
            match &self.meter {
                Some(meter) => meter(),
                None => Box::new(Unmetered),
            },
        ))
    }
}

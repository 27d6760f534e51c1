//! The fake as one thing: everything that the control port and the Rust handle can do to it.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::access::{Access, User};
use crate::certificates::{Authorities, Certificate};
use crate::connection;
use crate::connections::Connections;
use crate::faults::{Fault, Faults};
use crate::journal::Journal;
use crate::listener::{self, Acceptor};
use crate::resources::Resource;
use crate::store::Store;
use crate::sync::{Shared, lock};
use crate::watches::{Order, Watches};

/// The API server and its switches.
pub(crate) struct Fake {
    pub(crate) shared: Arc<Shared>,
    authorities: Authorities,
    address: SocketAddr,
    /// Absent while it does not listen.
    acceptor: Mutex<Option<Acceptor>>,
}

impl Fake {
    /// Starts to serve the API.
    pub(crate) fn start(
        listener: TcpListener,
        authorities: Authorities,
        certificate: &Certificate,
    ) -> io::Result<Self> {
        let tls = authorities.server_config(certificate).map_err(io::Error::other)?;
        let shared = Arc::new(Shared {
            store: Mutex::new(Store::new()),
            access: Mutex::new(Access::default()),
            faults: Faults::default(),
            journal: Journal::default(),
            connections: Connections::default(),
            watches: Watches::default(),
            tls: Mutex::new(Arc::new(tls)),
        });
        let address = listener.local_addr()?;
        let acceptor = serve(&shared, listener)?;
        Ok(Self {
            shared,
            authorities,
            address,
            acceptor: Mutex::new(Some(acceptor)),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        listener::reachable(self.address)
    }

    pub(crate) fn put_object(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        body: &Value,
    ) -> Result<Value, String> {
        let resource = known(resource)?;
        let stored = lock(&self.shared.store).put(resource, namespace, name, body)?;
        self.shared.watches.ring();
        Ok((*stored).clone())
    }

    pub(crate) fn delete_object(&self, resource: &str, namespace: &str, name: &str) -> Result<Option<Value>, String> {
        let resource = known(resource)?;
        let deleted = lock(&self.shared.store).delete(resource, namespace, name);
        self.shared.watches.ring();
        Ok(deleted)
    }

    pub(crate) fn clear_objects(&self) {
        lock(&self.shared.store).clear();
        self.shared.watches.ring();
    }

    /// Has every open watch do something, after what changed so far; says which they are.
    pub(crate) fn order_watches(&self, order: &Order) -> Vec<u64> {
        let store = lock(&self.shared.store);
        self.shared.watches.order(store.version(), order)
    }

    /// Ends all open watches as they should end.
    pub(crate) fn end_watches(&self) {
        let ended = self.order_watches(&Order::End);
        self.shared.watches.wait_for_end(&ended);
    }

    /// Cuts all open watches.
    pub(crate) fn cut_watches(&self) {
        for id in self.shared.watches.connections() {
            self.shared.connections.cut_one(id);
        }
        let cut = self.order_watches(&Order::Cut);
        self.shared.watches.wait_for_end(&cut);
    }

    /// Cuts every connection, and goes on to listen.
    pub(crate) fn cut_connections(&self) {
        self.order_watches(&Order::Cut);
        self.shared.connections.cut_all();
    }

    pub(crate) fn objects(&self, resource: &str) -> Result<Vec<Value>, String> {
        let resource = known(resource)?;
        let store = lock(&self.shared.store);
        let current = store.version();
        let objects = store.list(resource, None, current).unwrap_or_default();
        Ok(objects.into_iter().map(|(_, o)| (*o).clone()).collect())
    }

    pub(crate) fn put_token(&self, token: &str, user: User) {
        lock(&self.shared.access).put(token, user);
    }

    pub(crate) fn delete_token(&self, token: &str) -> bool {
        lock(&self.shared.access).delete(token)
    }

    /// Replaces all faults, and ends the connections that are still under one of the old.
    pub(crate) fn set_faults(&self, faults: Vec<Fault>) {
        self.shared.faults.replace(faults);
        self.shared.connections.cut_held();
    }

    pub(crate) fn set_certificate(&self, certificate: &Certificate) -> Result<(), String> {
        let config = self.authorities.server_config(certificate)?;
        *lock(&self.shared.tls) = Arc::new(config);
        Ok(())
    }

    /// Listens on the port of the start, or stops and cuts every connection.
    pub(crate) fn set_listening(&self, listening: bool) -> io::Result<()> {
        let mut acceptor = lock(&self.acceptor);
        if listening && acceptor.is_none() {
            *acceptor = Some(serve(&self.shared, listener::bind(self.address)?)?);
        } else if !listening && let Some(running) = acceptor.take() {
            running.stop();
            // Else they would notice a moment later.
            self.order_watches(&Order::Cut);
            self.shared.connections.cut_all();
        }
        Ok(())
    }
}

fn known(resource: &str) -> Result<&'static Resource, String> {
    Resource::named(resource).ok_or_else(|| format!("{resource:?} is no resource of this fake"))
}

fn serve(shared: &Arc<Shared>, listener: TcpListener) -> io::Result<Acceptor> {
    let shared = Arc::clone(shared);
    Acceptor::start(listener, move |stream| spawn_connection(&shared, stream))
}

fn spawn_connection(shared: &Arc<Shared>, stream: TcpStream) {
    let Ok(id) = shared.connections.enter(&stream) else {
        return;
    };
    // Before the journal: a test that saw the connection may change the faults for the next one.
    let strike = shared.faults.on_accept();
    shared.journal.accepted();
    let open = Open {
        shared: Arc::clone(shared),
        id,
    };
    // Without a thread the closure is dropped, and with it the connection.
    let _ = thread::Builder::new()
        .name(format!("api connection {id}"))
        .spawn(move || connection::serve(&open.shared, open.id, stream, strike));
}

/// Takes a connection out of the books, even when its thread panics.
struct Open {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.journal.closed();
        self.shared.connections.leave(self.id);
    }
}

//! The fake as one thing: everything that the control port and the Rust handle can do to it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::faults::fault::Fault;
use crate::lock::lock;
use crate::protocol::certificates::{Authorities, Certificate};
use crate::protocol::listener::{self, Acceptor};
use crate::serving::api::Api;
use crate::serving::port;
use crate::state::State;
use crate::state::access::User;
use crate::state::resources::Resource;
use crate::state::watches::Order;

/// The API server and its switches.
pub(crate) struct Fake {
    api: Arc<Api>,
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
        let api = Arc::new(Api::new(tls));
        let address = listener.local_addr()?;
        let acceptor = port::serve(&api, listener)?;
        Ok(Self {
            api,
            authorities,
            address,
            acceptor: Mutex::new(Some(acceptor)),
        })
    }

    /// What it stores; for changes that concern nothing else.
    pub(crate) fn state(&self) -> &State {
        &self.api.state
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
        let stored = lock(&self.state().store).put(resource, namespace, name, body)?;
        self.state().watches.ring();
        Ok((*stored).clone())
    }

    pub(crate) fn delete_object(&self, resource: &str, namespace: &str, name: &str) -> Result<Option<Value>, String> {
        let resource = known(resource)?;
        let deleted = lock(&self.state().store).delete(resource, namespace, name);
        self.state().watches.ring();
        Ok(deleted)
    }

    pub(crate) fn clear_objects(&self) {
        lock(&self.state().store).clear();
        self.state().watches.ring();
    }

    /// Remembers the store as it is now.
    pub(crate) fn back_up(&self) {
        let store = lock(&self.state().store).clone();
        *lock(&self.state().backup) = Some(store);
    }

    /// Puts the store back to what it was, versions and all, as an etcd that is restored from a copy, and cuts every connection
    /// as the server's restart does; whether there is a backup.
    pub(crate) fn restore(&self) -> bool {
        let Some(backup) = lock(&self.state().backup).clone() else {
            return false;
        };
        *lock(&self.state().store) = backup;
        self.cut_connections();
        true
    }

    /// Has every open watch do something, after what changed so far; says which they are.
    pub(crate) fn order_watches(&self, order: &Order) -> Vec<u64> {
        let store = lock(&self.state().store);
        self.state().watches.order(store.version(), order)
    }

    /// Ends all open watches as they should end.
    pub(crate) fn end_watches(&self) {
        let ended = self.order_watches(&Order::End);
        self.state().watches.wait_for_end(&ended);
    }

    /// Cuts all open watches.
    pub(crate) fn cut_watches(&self) {
        for id in self.state().watches.connections() {
            self.api.connections.cut_one(id);
        }
        let cut = self.order_watches(&Order::Cut);
        self.state().watches.wait_for_end(&cut);
    }

    /// Cuts every connection, and goes on to listen.
    pub(crate) fn cut_connections(&self) {
        self.order_watches(&Order::Cut);
        self.api.connections.cut_all();
    }

    pub(crate) fn objects(&self, resource: &str) -> Result<Vec<Value>, String> {
        let resource = known(resource)?;
        let store = lock(&self.state().store);
        let current = store.version();
        let objects = store.list(resource, None, current).unwrap_or_default();
        Ok(objects.into_iter().map(|(_, o)| (*o).clone()).collect())
    }

    pub(crate) fn put_token(&self, token: &str, user: User) {
        lock(&self.state().access).put(token, user);
    }

    pub(crate) fn delete_token(&self, token: &str) -> bool {
        lock(&self.state().access).delete(token)
    }

    /// Replaces all faults, and ends the connections that are still under one of the old.
    pub(crate) fn set_faults(&self, faults: Vec<Fault>) {
        self.api.faults.replace(faults);
        self.api.connections.cut_held();
    }

    pub(crate) fn set_certificate(&self, certificate: &Certificate) -> Result<(), String> {
        let config = self.authorities.server_config(certificate)?;
        *lock(&self.api.tls) = Arc::new(config);
        Ok(())
    }

    /// Listens on the port of the start, or stops and cuts every connection.
    pub(crate) fn set_listening(&self, listening: bool) -> io::Result<()> {
        let mut acceptor = lock(&self.acceptor);
        if listening && acceptor.is_none() {
            *acceptor = Some(port::serve(&self.api, listener::bind(self.address)?)?);
        } else if !listening && let Some(running) = acceptor.take() {
            running.stop();
            // Else they would notice a moment later.
            self.order_watches(&Order::Cut);
            self.api.connections.cut_all();
        }
        Ok(())
    }
}

fn known(resource: &str) -> Result<&'static Resource, String> {
    Resource::named(resource).ok_or_else(|| format!("{resource:?} is no resource of this fake"))
}

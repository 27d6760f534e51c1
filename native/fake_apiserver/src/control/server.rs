//! The handle: a running fake with its files, for Rust tests and for the binary.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::control::fake::Fake;
use crate::control::port::Control;
use crate::faults::fault::Fault;
use crate::generated;
use crate::lock::lock;
use crate::protocol::certificates::{Authorities, Authority, Certificate};
use crate::protocol::listener;
use crate::state::access::{Rule, User};
use crate::state::journal::Summary;
use crate::state::watches::Order;

/// How to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to write the files; by default a fresh folder that goes with the server.
    pub dir: Option<PathBuf>,
    /// The address of the API; port 0 is any free one.
    pub listen: SocketAddr,
    /// The address of the control port, on loopback.
    pub control: SocketAddr,
    /// Names and addresses for the certificate beside the usual ones.
    pub names: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            dir: None,
            listen: any_port,
            control: any_port,
            names: Vec::new(),
        }
    }
}

/// A running fake API server; dropping it stops it.
pub struct Server {
    fake: Arc<Fake>,
    control: Option<Control>,
    control_address: SocketAddr,
    dir: PathBuf,
    /// Whether the folder goes with the server.
    temporary: bool,
    token: String,
}

impl Server {
    /// Starts on free ports of 127.0.0.1, with a folder of its own.
    pub fn start() -> io::Result<Self> {
        Self::start_with(Options::default())
    }

    /// Starts as wanted.
    pub fn start_with(options: Options) -> io::Result<Self> {
        if !options.control.ip().is_loopback() {
            let message = "the control port has no protection and must be on loopback";
            return Err(io::Error::other(message));
        }
        let api_listener = listener::bind(options.listen)?;
        let control_listener = listener::bind(options.control)?;
        let control_address = control_listener.local_addr()?;
        let authorities = Authorities::new().map_err(io::Error::other)?;
        let temporary = options.dir.is_none();
        let dir = options.dir.unwrap_or_else(|| {
            let name = format!("fake_apiserver-{}", generated::random_hex());
            std::env::temp_dir().join(name)
        });
        let dir = std::path::absolute(dir)?;
        let token = generated::token();
        write_files(&dir, &authorities, &token)?;
        let certificate = Certificate::with_names(&options.names);
        let fake = Arc::new(Fake::start(api_listener, authorities, &certificate)?);
        let user = User::new("system:serviceaccount:default:default", vec![Rule::everything()]);
        fake.put_token(&token, user);
        let control = Control::start(control_listener, &fake)?;
        Ok(Self {
            fake,
            control: Some(control),
            control_address,
            dir,
            temporary,
            token,
        })
    }

    /// Where the API listens.
    pub fn address(&self) -> SocketAddr {
        self.fake.address()
    }

    /// The URL of the API, `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address())
    }

    /// The URL of the control port, `http://127.0.0.1:PORT`.
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control_address)
    }

    /// The folder with `ca.crt`, `token` and `namespace`, as a pod has it.
    pub fn service_account(&self) -> PathBuf {
        service_account(&self.dir)
    }

    /// The certificate of an authority that did not sign the server's.
    pub fn other_ca_file(&self) -> PathBuf {
        other_ca_file(&self.dir)
    }

    /// The token in the service account, which may do everything.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Creates or replaces an object and returns it as stored.
    ///
    /// # Panics
    /// On a resource, name or body that cannot be: the test is wrong.
    pub fn put_object(&self, resource: &str, namespace: &str, name: &str, body: &Value) -> Value {
        or_panic(self.fake.put_object(resource, namespace, name, body))
    }

    /// Deletes an object and returns its last state, or nothing when there was none.
    ///
    /// # Panics
    /// On an unknown resource.
    pub fn delete_object(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        or_panic(self.fake.delete_object(resource, namespace, name))
    }

    /// Deletes all objects.
    pub fn clear_objects(&self) {
        self.fake.clear_objects();
    }

    /// All objects of a resource.
    ///
    /// # Panics
    /// On an unknown resource.
    pub fn objects(&self, resource: &str) -> Vec<Value> {
        or_panic(self.fake.objects(resource))
    }

    /// Forgets older versions, so that continue tokens and new watches from them expire.
    pub fn compact(&self) {
        lock(&self.fake.state().store).compact();
    }

    /// Remembers all objects and the version, for [`Server::restore`].
    pub fn back_up(&self) {
        self.fake.back_up();
    }

    /// Puts everything back to the last backup, versions included, and cuts every connection.
    ///
    /// # Panics
    /// Without a backup.
    pub fn restore(&self) {
        assert!(self.fake.restore(), "there is no backup");
    }

    /// Sets the time between the bookmarks of every watch, one minute at first; with none there are
    /// none but those on demand.
    pub fn set_bookmarks(&self, every: Option<Duration>) {
        self.fake.state().watches.set_bookmarks(every);
    }

    /// Has every open watch that allows bookmarks send one now; says how many watches are open.
    pub fn send_bookmarks(&self) -> usize {
        self.fake.order_watches(&Order::Bookmark).len()
    }

    /// Sends these bytes into every open watch as one chunk, after what changed so far; says how
    /// many that are.
    pub fn send_to_watches(&self, bytes: impl AsRef<[u8]>) -> usize {
        let order = Order::Send(bytes.as_ref().into());
        self.fake.order_watches(&order).len()
    }

    /// Ends all open watches as they should end.
    pub fn end_watches(&self) {
        self.fake.end_watches();
    }

    /// Cuts all open watches: no last chunk, no end of TLS.
    pub fn cut_watches(&self) {
        self.fake.cut_watches();
    }

    /// While `true`, watches stay open but events, bookmarks and timeouts are held back.
    pub fn set_watches_silent(&self, silent: bool) {
        self.fake.state().watches.set_silent(silent);
    }

    /// Whether a watch from an expired version gets the status 410; else 200 and an ERROR event.
    pub fn set_expired_as_status(&self, as_status: bool) {
        self.fake.state().watches.set_expired_as_status(as_status);
    }

    /// Accepts a token, or changes whose it is and what it may do.
    pub fn put_token(&self, token: &str, user: &str, rules: Vec<Rule>) {
        self.fake.put_token(token, User::new(user, rules));
    }

    /// Forgets a token; says whether there was one.
    pub fn delete_token(&self, token: &str) -> bool {
        self.fake.delete_token(token)
    }

    /// Replaces all faults; connections still held by one of the old are cut.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.fake.set_faults(faults);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.fake.set_faults(Vec::new());
    }

    /// `false` closes the API port and every connection to it, `true` opens the same port again.
    pub fn set_listening(&self, listening: bool) -> io::Result<()> {
        self.fake.set_listening(listening)
    }

    /// Replaces the certificate for new connections.
    ///
    /// # Panics
    /// On names that no certificate can have.
    pub fn set_certificate(&self, certificate: &Certificate) {
        or_panic(self.fake.set_certificate(certificate));
    }

    /// The requests since the last clear, oldest first, as `GET /journal` gives them.
    pub fn journal(&self) -> Vec<Value> {
        self.fake.state().journal.requests()
    }

    /// The counters since the last clear.
    pub fn summary(&self) -> Summary {
        self.fake.state().journal.summary()
    }

    /// Waits until the counters are as wanted, up to a limit; then gives the last ones as error.
    pub fn wait_until(&self, limit: Duration, wanted: impl Fn(&Summary) -> bool) -> Result<Summary, Summary> {
        self.fake.state().journal.wait_until(limit, wanted)
    }

    /// Forgets requests and counters.
    pub fn clear_journal(&self) {
        self.fake.state().journal.clear();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("url", &self.url())
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(control) = self.control.take() {
            control.stop();
        }
        // Only binding can fail.
        let _ = self.fake.set_listening(false);
        if self.temporary {
            // What stays behind is in the system's temporary folder.
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn or_panic<T>(result: Result<T, String>) -> T {
    result.unwrap_or_else(|message| panic!("{message}"))
}

fn service_account(dir: &Path) -> PathBuf {
    dir.join("serviceaccount")
}

fn other_ca_file(dir: &Path) -> PathBuf {
    dir.join("other-ca.crt")
}

fn write_files(dir: &Path, authorities: &Authorities, token: &str) -> io::Result<()> {
    let folder = service_account(dir);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("ca.crt"), authorities.pem(Authority::Own))?;
    fs::write(folder.join("token"), token)?;
    fs::write(folder.join("namespace"), "default")?;
    fs::write(other_ca_file(dir), authorities.pem(Authority::Other))
}

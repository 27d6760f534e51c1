//! Every step from the service account's files to the names, each with its own result: what `diagnose` is told.
//!
//! [`crate::watch::lister`] does the same to get an answer; this goes step by step to say which one fails, and asks the API more:
//! its version, what the role allows, and which objects there are where none match. It decides nothing.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;

use crate::config::Config;
use crate::diagnosis::asking::Asking;
pub use crate::diagnosis::asking::Review;
use crate::diagnosis::certificate::Certificate;
use crate::diagnosis::claims::Claims;
use crate::diagnosis::handshake;
use crate::diagnosis::overview::Object;
use crate::error::{Error, Kind, printable};
use crate::names::snapshot::Snapshot;
use crate::server::credentials;
use crate::server::resolver::{Authority, SharedResolver, Unresolved, bare_host};
use crate::server::signals::Signals;
use crate::server::transport::{self, Interruptible};
use crate::watch::lister::Lister;
use crate::watch::open_watch::Watch;
use crate::watch::requests::{Api, selectors};
use crate::watch::thread::Thread;
use crate::watch::watcher::Input;

/// A watch that does not work ends at once.
const WATCH_PROVES_ITSELF: Duration = Duration::from_secs(2);

/// Nothing where an earlier step failed on which this one depends.
pub type Step<T> = Option<Result<T, Error>>;

/// What each step found.
#[derive(Debug)]
pub struct Facts {
    /// The token; its claims are `None` where it is no JSON Web Token.
    pub token: Result<Option<Claims>, Error>,
    /// The certificates of `ca.crt`.
    pub authorities: Result<Vec<Certificate>, Error>,
    /// The namespace to look in; none is all of them.
    pub namespace: Result<Option<String>, Error>,
    /// Where the API is.
    pub address: Result<Address, Error>,
    /// The address that took a TCP connection.
    pub tcp: Step<SocketAddr>,
    /// The TLS handshake.
    pub tls: Step<()>,
    /// The certificate that the server showed, accepted or not.
    pub shown: Option<Certificate>,
    /// The server's version.
    pub version: Step<String>,
    /// Whether the role allows to list, as the API's own authorizer says.
    pub may_list: Step<Review>,
    /// Whether it allows to watch.
    pub may_watch: Step<Review>,
    /// The answer as the strategy would get it.
    pub snapshot: Step<Snapshot>,
    /// A watch from there, where one is wanted: whether it opens, and does not end at once.
    pub watch: Step<()>,
    /// The first objects that the selector matches.
    pub matching: Step<Vec<Object>>,
    /// Where it matches none: the first objects that there are.
    pub others: Step<Vec<Object>>,
}

/// The address of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `https://host[:port][/path]`
    pub server: String,
    /// What its name resolves to.
    pub addresses: Vec<SocketAddr>,
    /// Why it is not the one that was to be asked first.
    pub instead_of: Option<String>,
}

/// Tries every step on a thread of its own, on which `answer` is called.
///
/// # Errors
/// When the system gives no thread.
pub fn start(config: Config, answer: impl FnOnce(Facts) + Send + 'static) -> io::Result<Thread> {
    Thread::ask(move |signals| run(&Arc::new(config), signals), Facts::none, answer)
}

/// Tries every step that the ones before it allow.
fn run(config: &Arc<Config>, signals: &Arc<Signals>) -> Facts {
    let account = &config.service_account;
    let token = credentials::token(account);
    let authorities = credentials::certificate_authority(account);
    let reached = Reached::one_of(config, authorities.as_deref().ok(), signals);
    let mut facts = Facts {
        token: token.as_ref().map(Claims::of).map_err(Clone::clone),
        authorities: authorities
            .as_ref()
            .map(|all| all.iter().map(|one| Certificate::read(one)).collect())
            .map_err(Clone::clone),
        namespace: credentials::looked_in(config),
        address: reached.address,
        tcp: reached.tcp,
        tls: reached.tls,
        shown: reached.shown,
        ..Facts::none(Error::bug())
    };
    if matches!(facts.tls, Some(Ok(()))) && token.is_ok() {
        facts.ask(config, signals);
    }
    facts
}

/// How far it comes without HTTP.
struct Reached {
    address: Result<Address, Error>,
    tcp: Step<SocketAddr>,
    tls: Step<()>,
    shown: Option<Certificate>,
}

impl Reached {
    /// The primary address, unless it is the fallback that can be reached.
    fn one_of(config: &Config, authorities: Option<&[CertificateDer<'static>]>, signals: &Arc<Signals>) -> Self {
        let mut primary = Self::server(&config.api.primary, config, authorities, signals);
        if let (Some(why), Some(fallback)) = (primary.failure(), &config.api.fallback) {
            let mut other = Self::server(fallback, config, authorities, signals);
            if let (None, Ok(address)) = (other.failure(), &mut other.address) {
                address.instead_of = Some(why);
                primary = other;
            }
        }
        primary
    }

    fn server(
        server: &str,
        config: &Config,
        authorities: Option<&[CertificateDer<'static>]>,
        signals: &Arc<Signals>,
    ) -> Self {
        let mut reached = Self {
            address: resolve(server, config.request_timeout / 3, signals),
            tcp: None,
            tls: None,
            shown: None,
        };
        let (Ok(address), Some(authority)) = (&reached.address, authority(server)) else {
            return reached;
        };
        let until = Instant::now() + config.request_timeout;
        let tcp = connect(&address.addresses, until, signals);
        reached.tcp = Some(tcp.as_ref().map(|(address, ..)| *address).map_err(Clone::clone));
        // As long as the socket is kept, it can be interrupted.
        if let (Ok((_, stream, _socket)), Some(authorities)) = (tcp, authorities) {
            let (shown, tls) = handshake::try_tls(stream, bare_host(&authority), authorities, until);
            (reached.shown, reached.tls) = (shown, Some(tls));
        }
        reached
    }

    fn failure(&self) -> Option<String> {
        let failed = |step: Option<&Error>| step.map(|error| error.message.clone());
        failed(self.address.as_ref().err())
            .or_else(|| failed(self.tcp.as_ref()?.as_ref().err()))
            .or_else(|| failed(self.tls.as_ref()?.as_ref().err()))
    }
}

impl Facts {
    /// Where no step was tried, for this reason.
    fn none(why: Error) -> Self {
        Self {
            token: Err(why.clone()),
            authorities: Err(why.clone()),
            namespace: Err(why.clone()),
            address: Err(why),
            tcp: None,
            tls: None,
            shown: None,
            version: None,
            may_list: None,
            may_watch: None,
            snapshot: None,
            watch: None,
            matching: None,
            others: None,
        }
    }

    /// With HTTP, as the strategy asks.
    fn ask(&mut self, config: &Arc<Config>, signals: &Arc<Signals>) {
        let mut asking = Asking::new(config, signals);
        let version = asking.version();
        // A version that may not be told stops nothing; without an answer, or with a token that is refused, nothing will do.
        let refused = version.as_ref().err().map(|error| error.status);
        self.version = Some(version);
        if let (false, Ok(namespace)) = (matches!(refused, Some(None | Some(401))), &self.namespace) {
            let namespace = namespace.as_deref();
            self.may_list = Some(asking.review("list", namespace));
            self.may_watch = Some(asking.review("watch", namespace));
            let snapshot = Lister::interrupted_by(Arc::clone(config), Arc::clone(signals)).list();
            let version = snapshot.as_ref().ok().map(|snapshot| snapshot.resource_version.clone());
            self.snapshot = Some(snapshot);
            if let Some(version) = version {
                if config.watch {
                    let mut api = Api::new(Arc::clone(config), Arc::clone(signals));
                    let watch = api.open_watch(&version);
                    self.watch = Some(watch.and_then(prove));
                }
                let matching = asking.objects(namespace, &selectors(config));
                if matches!(&matching, Ok(found) if found.is_empty()) {
                    self.others = Some(asking.objects(namespace, ""));
                }
                self.matching = Some(matching);
            }
        }
    }
}

/// Why a watch is none, where it ends or breaks at once, before it has told anything.
fn prove(mut watch: Watch) -> Result<(), Error> {
    match watch.next_within(WATCH_PROVES_ITSELF) {
        Input::Frame(Err(error)) | Input::Broken(error) => Err(error),
        Input::Ended => {
            let error = Error::new(Kind::Malformed, "the stream ended at once and told nothing");
            let advice = "Does something in between take it for an answer that ends?";
            Err(watch.asked.explain(error.advise(advice)))
        }
        _ => Ok(()),
    }
}

fn resolve(server: &str, limit: Duration, signals: &Arc<Signals>) -> Result<Address, Error> {
    let no_address = |why| Error::new(Kind::Dns, format!("cannot resolve {why}"));
    let authority = authority(server).ok_or_else(|| no_address(format!("{server}: not a URL")))?;
    let resolver = SharedResolver {
        signals: Arc::clone(signals),
    };
    let unresolved = |error: Unresolved| no_address(printable(&error.to_string()));
    Ok(Address {
        server: server.to_owned(),
        addresses: resolver.addresses(&authority, limit).map_err(unresolved)?,
        instead_of: None,
    })
}

/// Host and port of `https://host[:port][/path]`.
fn authority(server: &str) -> Option<Authority> {
    server.strip_prefix("https://")?.split('/').next()?.parse().ok()
}

/// The first address that takes a connection; each has its share of the time that is left.
fn connect(
    addresses: &[SocketAddr],
    until: Instant,
    signals: &Signals,
) -> Result<(SocketAddr, TcpStream, Arc<Interruptible>), Error> {
    let mut failures = Vec::new();
    for (tried, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(1);
        // Zero is no limit but an error.
        let socket = transport::connect(*address, share.max(Duration::from_millis(1)), signals);
        match socket.and_then(|socket| Ok((*address, socket.stream()?, socket))) {
            Ok(connected) => return Ok(connected),
            Err(error) => failures.push((error.kind(), format!("{address}: {error}"))),
        }
    }
    let timed_out = failures.iter().any(|(kind, _)| *kind == io::ErrorKind::TimedOut);
    let kind = if timed_out { Kind::Timeout } else { Kind::Connect };
    let texts: Vec<_> = failures.into_iter().map(|(_, text)| text).collect();
    Err(Error::new(kind, texts.join("; ")))
}

//! One complete list: credentials, request, pages, names.

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::config::{Config, Source};
use crate::credentials;
use crate::endpoints::Endpoints;
use crate::error::{Error, Kind};
use crate::http::{Client, Request};
use crate::list::{Page, Resource};
use crate::pods::Pod;
use crate::signals::Signals;
use crate::snapshot::{Builder, Snapshot};

/// A server that never comes to an end is not followed further.
const MAX_PAGES: usize = 10_000;

/// What RFC 3986 leaves unreserved, as libcluster encodes its queries.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Lists on a connection that it keeps.
#[derive(Debug)]
pub struct Lister {
    config: Arc<Config>,
    client: Client,
}

impl Lister {
    /// A lister for one caller that waits for it; [`crate::Discovery`] is the one for a thread.
    pub fn new(config: Arc<Config>) -> Self {
        Self::with_signals(config, Arc::default())
    }

    pub(crate) fn with_signals(config: Arc<Config>, signals: Arc<Signals>) -> Self {
        Self {
            client: Client::new(Arc::clone(&config), signals),
            config,
        }
    }

    /// Lists once, all pages.
    ///
    /// # Errors
    /// Whatever kept the answer from being complete: there is no partial snapshot.
    pub fn list(&mut self) -> Result<Snapshot, Error> {
        let namespace = match &self.config.namespace {
            Some(namespace) => namespace.clone(),
            None => credentials::namespace(&self.config.service_account)?,
        };
        match self.config.source {
            Source::Endpoints => self.list_all::<ListEndpoints>(&namespace),
            Source::Pods => self.list_all::<ListPods>(&namespace),
        }
    }

    fn list_all<K: ListKind>(&mut self, namespace: &str) -> Result<Snapshot, Error> {
        let config = Arc::clone(&self.config);
        let mut builder = Builder::new(&config.names, config.ip_family, config.include_not_ready);
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let body = self.client.get(&Request {
                path_and_query: path_and_query(&config, namespace, next.as_deref()),
                verb: "list",
                resource: config.source.resource(),
                namespace,
            })?;
            let page: Page<'_, K::Object<'_>> =
                Page::parse(&body).map_err(|error| self.in_context(namespace, error))?;
            for object in &page.items {
                object.candidates(config.ip_family, &mut |candidate| builder.add(&candidate));
                if let Some(warning) = object.warning() {
                    builder.warn(warning);
                }
            }
            builder.check_size()?;
            match page.next() {
                Some(token) => next = Some(token.to_owned()),
                None => return Ok(builder.finish(page.metadata.resource_version.as_str().to_owned())),
            }
        }
        Err(Error::new(
            Kind::TooLarge,
            format!("the list has more than {MAX_PAGES} pages"),
        ))
    }

    fn in_context(&self, namespace: &str, error: Error) -> Error {
        let resource = self.config.source.resource();
        let message = format!("cannot list {resource} in namespace {namespace:?}: {error}");
        Error { message, ..error }
    }
}

/// Names the object type of a source for any lifetime of the body it borrows from.
trait ListKind {
    type Object<'a>: Resource<'a>;
}

struct ListEndpoints;
impl ListKind for ListEndpoints {
    type Object<'a> = Endpoints<'a>;
}

struct ListPods;
impl ListKind for ListPods {
    type Object<'a> = Pod<'a>;
}

fn path_and_query(config: &Config, namespace: &str, next: Option<&str>) -> String {
    let encode = |text| utf8_percent_encode(text, QUERY).to_string();
    let path = config.source.path(&encode(namespace));
    let position = match next {
        // The token stands for the version, too: the API refuses both together.
        Some(token) => format!("&continue={}", encode(token)),
        None if config.cached => "&resourceVersion=0".to_owned(),
        None => String::new(),
    };
    format!("{path}?labelSelector={}{position}", encode(&config.selector))
}

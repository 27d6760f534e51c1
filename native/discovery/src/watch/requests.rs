//! The two calls that the API knows here: list a page, open a watch. Each names itself in its errors.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::answers::list;
use crate::answers::page::Page;
use crate::answers::window::{self, Window};
use crate::config::Config;
use crate::error::Error;
use crate::names::entry::Entry;
use crate::server::credentials;
use crate::server::http::{self, Client, Extent, Method, Request};
use crate::server::signals::Signals;
use crate::server::status::Asked;
use crate::watch::backoff::random_up_to;
use crate::watch::open_watch::Watch;
use crate::watch::watcher::Position;

/// What RFC 3986 leaves unreserved, as libcluster encodes its queries.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A watch is asked for this long, and at random up to a minute more, so that nodes do not come back together.
const WATCH_FOR: Duration = Duration::from_mins(4);
const WATCH_FOR_MORE: Duration = Duration::from_mins(1);

/// What a watch may last beyond the time that it was asked for.
const WATCH_MARGIN: Duration = Duration::from_secs(30);

/// One topology's view of the API.
#[derive(Debug)]
pub(crate) struct Api {
    config: Arc<Config>,
    signals: Arc<Signals>,
    client: Client,
    /// What the bodies of lists are read in.
    buffer: Vec<u8>,
    bytes: u64,
}

impl Api {
    pub(crate) fn new(config: Arc<Config>, signals: Arc<Signals>) -> Self {
        Self {
            client: Client::new(Arc::clone(&config), Arc::clone(&signals)),
            signals,
            config,
            buffer: Vec::new(),
            bytes: 0,
        }
    }

    /// One page of a list.
    pub(crate) fn list_page(&mut self, position: Position<'_>) -> Result<Page<Entry>, Error> {
        let position = match position {
            // The token stands for the version, too: the API refuses both together.
            Position::Page(token) => format!("&continue={}", encode(token)),
            Position::First if self.config.cached => "&resourceVersion=0".to_owned(),
            Position::First | Position::Present => String::new(),
        };
        let config = Arc::clone(&self.config);
        let mut buffer = mem::take(&mut self.buffer);
        let mut bytes = 0;
        let page = self.call("list", &position, Extent::Whole, |answer, _| {
            let (body, token) = answer.body();
            let mut window = Window::new(body, &mut buffer);
            let page = list::read(&mut window, &token, &config, &mut |object| {
                Entry::read(object, &token, &config)
            });
            bytes = window.position();
            page
        });
        window::trim(&mut buffer);
        self.buffer = buffer;
        self.bytes += bytes;
        page
    }

    /// How many bytes of lists have come so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the token on disk is not the one of the last request.
    pub(crate) fn has_new_token(&self) -> bool {
        self.client.has_new_token()
    }

    /// How many requests have been made so far.
    pub(crate) fn requests(&self) -> u64 {
        self.client.requests()
    }

    /// Everything that happens after `version`.
    pub(crate) fn open_watch(&mut self, version: &str) -> Result<Watch, Error> {
        let duration = Duration::from_secs((WATCH_FOR + random_up_to(WATCH_FOR_MORE)).as_secs());
        let position = format!(
            "&watch=true&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}",
            encode(version),
            duration.as_secs()
        );
        let config = Arc::clone(&self.config);
        let signals = Arc::clone(&self.signals);
        let limit = duration + WATCH_MARGIN;
        self.call("watch", &position, Extent::Stream { limit }, |answer, asked| {
            Ok(Watch::of(answer, asked.clone(), config, signals))
        })
    }

    fn call<T>(
        &mut self,
        verb: &'static str,
        position: &str,
        extent: Extent,
        read: impl FnOnce(http::Answer, &Asked) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let namespace = credentials::looked_in(&self.config)?;
        let path = self.config.source.path(namespace.as_deref().map(encode).as_deref());
        let asked = Asked {
            verb,
            source: self.config.source,
            namespace,
        };
        let request = Request {
            asked: Some(&asked),
            path_and_query: &format!("{path}?{}{position}", selectors(&self.config)),
            accept: http::ACCEPT,
            method: Method::Get,
            extent,
        };
        self.client
            .send(&request)
            .and_then(|answer| read(answer, &asked))
            .map_err(|error| asked.explain(error))
    }
}

/// The selectors as parameters of a query.
pub(crate) fn selectors(config: &Config) -> String {
    let mut query = format!("labelSelector={}", encode(&config.selector));
    if let Some(selector) = &config.field_selector {
        query.push_str("&fieldSelector=");
        query.push_str(&encode(selector));
    }
    query
}

pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_query_cannot_hold_is_encoded() {
        assert_eq!(encode("a in (b,c),d!=e/f"), "a%20in%20%28b%2Cc%29%2Cd%21%3De%2Ff");
        assert_eq!(encode("a-b.c_d~e"), "a-b.c_d~e");
        assert_eq!(encode("1&watch=false#ä"), "1%26watch%3Dfalse%23%C3%A4");
    }
}

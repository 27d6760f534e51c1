//! What the answers of a server come to.

use crate::answers::frame::Frame;
use crate::answers::list;
use crate::answers::page::keyed;
use crate::answers::pieces::Delimiter;
use crate::answers::window::Window;
use crate::config::Config;
use crate::names::entry::Entry;
use crate::objects::resource::Resource;
use crate::server::credentials::Token;

/// The entries of a list that is one page.
pub(crate) fn listed(body: &[u8], config: &Config) -> Vec<(String, Entry)> {
    let token = token();
    let mut buffer = Vec::new();
    let mut window = Window::new(body, &mut buffer);
    let page = list::read(&mut window, &token, config, &mut |object| {
        Entry::read(object, &token, config)
    });
    keyed(page.unwrap().objects, 0).collect()
}

/// An event of a watch in JSON: the object that it is about, and its entry, unless that is gone; none for a bookmark.
pub(crate) fn event(line: &str, config: &Config) -> Option<(String, Option<Entry>)> {
    let token = token();
    let keep = |object: &dyn Resource<'_>| Entry::read(object, &token, config);
    match Frame::read(line.as_bytes(), Delimiter::LineFeed, &token, config.source, keep).unwrap() {
        Frame::Upsert { key, kept, .. } => Some((key, Some(kept))),
        Frame::Delete { key, .. } => Some((key, None)),
        Frame::Bookmark { .. } => None,
    }
}

fn token() -> Token {
    Token::new("a-token-that-no-answer-repeats".to_owned())
}

//! The watch of a resource: its parameters, where it starts, and what its events look like.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::answers::parameters::{self, Selection};
use crate::answers::status::Status;
use crate::protocol::http::{Request, Response};
use crate::state::resources::Resource;
use crate::state::store::{Event, Store};

/// The parameters of a watch, checked.
#[derive(Debug)]
pub(crate) struct WatchQuery {
    selection: Selection,
    /// Absent for the current state first, which 0 also means.
    pub(super) version: Option<u64>,
    pub(super) bookmarks: bool,
    pub(super) timeout: Option<Duration>,
}

impl WatchQuery {
    pub(crate) fn read(request: &Request, resource: &Resource) -> Result<Self, Status> {
        let selection = Selection::read(request, resource)?;
        parameters::number(request, "limit")?;
        let timeout = parameters::number(request, "timeoutSeconds")?;
        // A negative one ends at once; with 0 or none the real server takes half an hour or more.
        let timeout = Some(timeout).filter(|seconds| *seconds != 0);
        Ok(Self {
            selection,
            version: parameters::version(request)?.filter(|version| *version != 0),
            bookmarks: request.flag("allowWatchBookmarks"),
            timeout: timeout.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
        })
    }
}

/// A watch that was granted, with where it starts.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(super) resource: &'static Resource,
    namespace: Option<String>,
    pub(super) query: WatchQuery,
    /// Everything up to this version is sent, or not wanted.
    pub(super) position: u64,
    /// What comes before the changes.
    pub(super) first: First,
}

#[derive(Debug)]
pub(super) enum First {
    Frames(Vec<String>),
    Error(String),
}

impl Watch {
    /// Starts at the version that the query names, or with the current state.
    pub(crate) fn start(
        store: &Store,
        resource: &'static Resource,
        namespace: Option<&str>,
        query: WatchQuery,
        expired_as_status: bool,
    ) -> Result<Self, Status> {
        let mut watch = Self {
            resource,
            namespace: namespace.map(str::to_owned),
            query,
            position: store.version(),
            first: First::Frames(Vec::new()),
        };
        if let Some(version) = watch.query.version {
            // One from the future waits until the present is beyond it, as the real server does.
            watch.position = version;
            if let Err(expired) = store.events_after(version).map(|_| ()) {
                let status = Status::expired_version(version, expired.oldest);
                if expired_as_status {
                    return Err(status);
                }
                watch.first = First::Error(frame_text("ERROR", &status.to_json().to_string()));
            }
        } else if let Ok(objects) = store.list(resource, namespace, store.version()) {
            let selected = objects.iter().filter(|(_, object)| watch.selects(object));
            let frames = selected.map(|(_, object)| frame("ADDED", resource, object));
            watch.first = First::Frames(frames.collect());
        }
        Ok(watch)
    }

    /// The head of the answer.
    pub(crate) fn head(keep_alive: bool) -> Vec<u8> {
        Response::new(200, "application/json", "")
            .with_header("Cache-Control", "no-cache, private")
            .head(None, keep_alive)
    }

    fn selects(&self, object: &Value) -> bool {
        self.query.selection.matches(object)
    }

    /// The frame of a change, if this watch is to see it.
    pub(super) fn event(&self, event: &Event) -> Option<String> {
        let namespace = event.key.split_once('/').map(|(namespace, _)| namespace);
        if event.resource != self.resource.plural || self.namespace.as_deref().is_some_and(|n| namespace != Some(n)) {
            return None;
        }
        let selected = |object: &&Arc<Value>| self.selects(object);
        let before = event.before.as_ref().filter(selected);
        let after = event.after.as_ref().filter(selected);
        match (before, after) {
            (None, None) => None,
            (None, Some(after)) => Some(frame("ADDED", self.resource, after)),
            (Some(_), Some(after)) => Some(frame("MODIFIED", self.resource, after)),
            (Some(before), None) => {
                // The last state that was selected, at the version of the change.
                let mut last = (**before).clone();
                last["metadata"]["resourceVersion"] = json!(event.version.to_string());
                Some(frame("DELETED", self.resource, &last))
            }
        }
    }

    pub(super) fn bookmark(&self, version: u64) -> String {
        let metadata = json!({"resourceVersion": version.to_string(), "creationTimestamp": null});
        frame("BOOKMARK", self.resource, &json!({ "metadata": metadata }))
    }
}

/// One line of a watch about an object as the store has it, without its kind.
pub(super) fn frame(kind: &str, resource: &Resource, object: &Value) -> String {
    let text = object.to_string();
    let (name, version) = (resource.kind, resource.api_version());
    // Every object has metadata, so there is something after the brace.
    let rest = text.trim_start_matches('{');
    frame_text(kind, &format!(r#"{{"kind":"{name}","apiVersion":"{version}",{rest}"#))
}

fn frame_text(kind: &str, object: &str) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}

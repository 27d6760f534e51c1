//! The objects, the one version counter over all of them, and the log of what changed.
//!
//! The log serves two purposes: pages of one list must all show the state at the version of the
//! first, so older states are found by walking the log back; and a watch sends it forward.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::generated;
use crate::state::resources::Resource;

/// How many changes are remembered; the real server forgets after five minutes.
const LOG_LIMIT: usize = 10_000;

/// The version is older than what is remembered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expired {
    /// The oldest version that is not.
    pub(crate) oldest: u64,
}

/// What happened to an object, in the words of a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Added,
    Modified,
    Deleted,
}

/// One change of one object.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) version: u64,
    pub(crate) change: Change,
    pub(crate) resource: &'static str,
    pub(crate) key: String,
    /// The object as it was before; a watch with a selector needs it to tell MODIFIED from
    /// DELETED, an older state needs it to walk back.
    pub(crate) before: Option<Arc<Value>>,
    /// The object as it is now, unless it was deleted.
    pub(crate) after: Option<Arc<Value>>,
}

type Objects = BTreeMap<String, Arc<Value>>;

/// All objects of all resources. A clone is a backup.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    version: u64,
    objects: BTreeMap<&'static str, Objects>,
    log: VecDeque<Event>,
    /// Versions below this one are expired.
    oldest: u64,
    /// The version of the latest change that left the log; compaction leaves the log itself, for
    /// watches that are open.
    forgotten: u64,
}

/// Where an object sorts: the real server's order is that of the keys in etcd.
pub(crate) fn key(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            version: 1,
            objects: BTreeMap::new(),
            log: VecDeque::new(),
            oldest: 1,
            forgotten: 1,
        }
    }

    /// The version of the latest change of any object.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Creates or replaces an object and returns it as stored.
    ///
    /// An update that changes nothing makes no version, as with the real server.
    pub(crate) fn put(
        &mut self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
        body: &Value,
    ) -> Result<Arc<Value>, String> {
        if [namespace, name]
            .iter()
            .any(|part| part.is_empty() || part.contains('/'))
        {
            return Err("namespace and name must not be empty or contain a slash".to_owned());
        }
        let key = key(namespace, name);
        let before = self.objects.get(resource.plural).and_then(|o| o.get(&key));
        if let Some(before) = before {
            let same = with_metadata(body, namespace, name, Some(before), &version_of(before))?;
            if same == **before {
                return Ok(Arc::clone(before));
            }
        }
        let next = (self.version + 1).to_string();
        let object = with_metadata(body, namespace, name, before.map(|o| &**o), &next)?;
        let object = Arc::new(object);
        self.version += 1;
        let before = self
            .objects
            .entry(resource.plural)
            .or_default()
            .insert(key.clone(), Arc::clone(&object));
        let change = if before.is_some() {
            Change::Modified
        } else {
            Change::Added
        };
        self.record(resource, key, change, before, Some(Arc::clone(&object)));
        Ok(object)
    }

    /// Deletes an object; the last state carries the version of the deletion.
    pub(crate) fn delete(&mut self, resource: &'static Resource, namespace: &str, name: &str) -> Option<Value> {
        let key = key(namespace, name);
        let before = self.objects.get_mut(resource.plural)?.remove(&key)?;
        self.version += 1;
        let mut last = (*before).clone();
        last["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.record(resource, key, Change::Deleted, Some(before), None);
        Some(last)
    }

    /// Deletes everything, one change for each object.
    pub(crate) fn clear(&mut self) {
        let all: Vec<_> = self
            .objects
            .iter()
            .flat_map(|(plural, objects)| objects.keys().map(|key| (*plural, key.clone())))
            .collect();
        for (plural, key) in all {
            if let (Some(resource), Some((namespace, name))) = (Resource::named(plural), key.split_once('/')) {
                self.delete(resource, namespace, name);
            }
        }
    }

    /// Makes every version but the current one expire; watches that are open go on.
    pub(crate) fn compact(&mut self) {
        self.oldest = self.version;
    }

    /// The objects of a resource in the order of their keys, now or at an older version.
    pub(crate) fn list(
        &self,
        resource: &'static Resource,
        namespace: Option<&str>,
        at: u64,
    ) -> Result<Vec<(String, Arc<Value>)>, Expired> {
        let mut objects = self.objects.get(resource.plural).cloned().unwrap_or_default();
        for event in self.events_after(at)?.rev() {
            if event.resource == resource.plural {
                match (event.change, &event.before) {
                    (Change::Modified | Change::Deleted, Some(before)) => {
                        objects.insert(event.key.clone(), Arc::clone(before));
                    }
                    _ => {
                        objects.remove(&event.key);
                    }
                }
            }
        }
        let prefix = namespace.map_or_else(String::new, |namespace| key(namespace, ""));
        Ok(objects
            .into_iter()
            .filter(|(key, _)| key.starts_with(&prefix))
            .collect())
    }

    /// What changed after a version, oldest first.
    pub(crate) fn events_after(&self, version: u64) -> Result<impl DoubleEndedIterator<Item = &Event>, Expired> {
        let oldest = self.oldest;
        if version < oldest {
            return Err(Expired { oldest });
        }
        Ok(self.log.range(self.start(version)..))
    }

    /// The same for a watch that is open already, which a compaction does not disturb.
    pub(crate) fn unsent_after(&self, version: u64) -> Result<impl Iterator<Item = &Event>, Expired> {
        let oldest = self.forgotten;
        if version < oldest {
            return Err(Expired { oldest });
        }
        Ok(self.log.range(self.start(version)..))
    }

    fn start(&self, version: u64) -> usize {
        self.log.partition_point(|event| event.version <= version)
    }

    fn record(
        &mut self,
        resource: &'static Resource,
        key: String,
        change: Change,
        before: Option<Arc<Value>>,
        after: Option<Arc<Value>>,
    ) {
        self.log.push_back(Event {
            version: self.version,
            change,
            resource: resource.plural,
            key,
            before,
            after,
        });
        if self.log.len() > LOG_LIMIT
            && let Some(event) = self.log.pop_front()
        {
            self.forgotten = event.version;
            self.oldest = self.oldest.max(event.version);
        }
    }
}

fn version_of(object: &Value) -> String {
    object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// The body with the fields that only the server decides; a list's items carry no kind.
fn with_metadata(
    body: &Value,
    namespace: &str,
    name: &str,
    before: Option<&Value>,
    version: &str,
) -> Result<Value, String> {
    const OWN: [&str; 5] = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"];
    let body = body.as_object().ok_or("an object must be a JSON object")?;
    let given = match body.get("metadata") {
        None | Some(Value::Null) => &Map::new(),
        Some(Value::Object(metadata)) => metadata,
        Some(_) => return Err("\"metadata\" must be an object".to_owned()),
    };
    let kept = |field: &str| before.map(|before| before["metadata"][field].clone());
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), json!(name));
    metadata.insert("namespace".to_owned(), json!(namespace));
    let uid = kept("uid").unwrap_or_else(|| json!(generated::uid()));
    metadata.insert("uid".to_owned(), uid);
    metadata.insert("resourceVersion".to_owned(), json!(version));
    let created = kept("creationTimestamp").unwrap_or_else(|| json!(generated::timestamp()));
    metadata.insert("creationTimestamp".to_owned(), created);
    let others = |field: &&String| !OWN.contains(&field.as_str());
    for field in given.keys().filter(others) {
        metadata.insert(field.clone(), given[field].clone());
    }
    let mut object = Map::new();
    object.insert("metadata".to_owned(), Value::Object(metadata));
    for (field, value) in body {
        if !["metadata", "kind", "apiVersion"].contains(&field.as_str()) {
            object.insert(field.clone(), value.clone());
        }
    }
    Ok(Value::Object(object))
}

#[cfg(test)]
mod tests;

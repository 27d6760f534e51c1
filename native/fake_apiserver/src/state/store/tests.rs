use super::*;

fn pods() -> &'static Resource {
    Resource::named("pods").unwrap()
}

fn names(store: &Store, at: u64) -> Vec<String> {
    let listed = store.list(pods(), None, at).unwrap();
    listed.into_iter().map(|(key, _)| key).collect()
}

#[test]
fn every_change_of_any_object_has_its_own_version() {
    let mut store = Store::new();
    let one = store.put(pods(), "a", "x", &json!({})).unwrap();
    let endpoints = Resource::named("endpoints").unwrap();
    let two = store.put(endpoints, "a", "x", &json!({})).unwrap();
    assert_eq!((version_of(&one), version_of(&two)), ("2".into(), "3".into()));
    let last = store.delete(pods(), "a", "x").unwrap();
    assert_eq!(version_of(&last), "4");
    assert_eq!(store.version(), 4);
    assert!(store.delete(pods(), "a", "x").is_none());
    let changes: Vec<_> = store.events_after(1).unwrap().map(|e| e.change).collect();
    assert_eq!(changes, [Change::Added, Change::Added, Change::Deleted]);
}

#[test]
fn an_update_keeps_identity_and_an_equal_one_changes_nothing() {
    let mut store = Store::new();
    let body = json!({"kind": "Pod", "metadata": {"labels": {"a": "b"}, "uid": "mine"}});
    let one = store.put(pods(), "a", "x", &body).unwrap();
    assert_ne!(one["metadata"]["uid"], "mine");
    assert!(one.get("kind").is_none());
    let same = store.put(pods(), "a", "x", &body).unwrap();
    assert_eq!((&one, store.version()), (&same, 2));
    let changed = store
        .put(pods(), "a", "x", &json!({"status": {"podIP": "10.0.0.1"}}))
        .unwrap();
    assert_eq!(changed["metadata"]["uid"], one["metadata"]["uid"]);
    assert_eq!(version_of(&changed), "3");
    assert!(changed["metadata"].get("labels").is_none());
}

#[test]
fn older_versions_stay_readable_until_compacted() {
    let mut store = Store::new();
    store.put(pods(), "b", "x", &json!({"v": 1})).unwrap();
    store.put(pods(), "a", "y", &json!({})).unwrap();
    let then = store.version();
    store.put(pods(), "b", "x", &json!({"v": 2})).unwrap();
    store.put(pods(), "c", "z", &json!({})).unwrap();
    store.delete(pods(), "a", "y").unwrap();
    assert_eq!(names(&store, then), ["a/y", "b/x"]);
    assert_eq!(store.list(pods(), Some("b"), then).unwrap()[0].1["v"], 1);
    assert_eq!(names(&store, store.version()), ["b/x", "c/z"]);
    store.compact();
    let expired = Expired {
        oldest: store.version(),
    };
    assert_eq!(store.list(pods(), None, then), Err(expired));
    let open = store.unsent_after(then).unwrap();
    assert_eq!(open.count(), 3, "an open watch goes on");
    assert_eq!(names(&store, store.version()), ["b/x", "c/z"]);
    store.clear();
    assert!(names(&store, store.version()).is_empty());
    assert_eq!(store.version(), 8);
}

#[test]
fn the_log_is_bounded() {
    let mut store = Store::new();
    for version in 0..=LOG_LIMIT {
        let body = json!({ "v": version });
        store.put(pods(), "a", "x", &body).unwrap();
    }
    assert_eq!(store.log.len(), LOG_LIMIT);
    assert!(store.events_after(1).is_err());
    assert_eq!(store.events_after(2).unwrap().count(), LOG_LIMIT);
}

#[test]
fn names_that_would_break_keys_are_refused() {
    let mut store = Store::new();
    assert!(store.put(pods(), "", "x", &json!({})).is_err());
    assert!(store.put(pods(), "a", "x/y", &json!({})).is_err());
    assert!(store.put(pods(), "a", "x", &json!([])).is_err());
    assert!(store.put(pods(), "a", "x", &json!({"metadata": 1})).is_err());
    assert_eq!(store.version(), 1);
}

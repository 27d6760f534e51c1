//! The objects of a source as a person looks at them: what they are called, how they are labelled, and how many
//! addresses each has. For `probe`, where the names that they give say too little.

use serde_json::Value;

use crate::config::Source;
use crate::error::{Error, Kind, printable};
use crate::server::credentials::Token;

/// An object of Endpoints, EndpointSlices or Pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// `metadata.name`, with `metadata.namespace` in front where objects of all namespaces are looked at.
    pub name: String,
    /// `metadata.labels`, each as `key=value`.
    pub labels: Vec<String>,
    /// The Service that it belongs to, where the object says so.
    pub service: Option<String>,
    /// How many addresses it has that are ready, for a pod one or none whatever its state.
    pub ready: usize,
    /// How many more it has.
    pub not_ready: usize,
}

/// Reads a list in JSON, of one namespace or of all.
pub(crate) fn objects(body: &[u8], source: Source, all_namespaces: bool, token: &Token) -> Result<Vec<Object>, Error> {
    let list: Value = serde_json::from_slice(body).map_err(|error| {
        let why = token.conceal(&printable(&error.to_string()));
        Error::new(
            Kind::Malformed,
            format!("the answer is not the list that was asked for: {why}"),
        )
    })?;
    let object = |item| object(item, source, all_namespaces, token);
    Ok(each(&list["items"]).map(object).collect())
}

fn object(item: &Value, source: Source, all_namespaces: bool, token: &Token) -> Object {
    let clean = |text: &str| token.conceal(&printable(text));
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(clean);
    let metadata = &item["metadata"];
    let name = text(&metadata["name"]).unwrap_or_default();
    let labels = metadata["labels"].as_object().into_iter().flatten();
    let labels = labels.map(|(key, value)| clean(&format!("{key}={}", value.as_str().unwrap_or_default())));
    let (service, ready, not_ready) = match source {
        // It has the name of its Service.
        Source::Endpoints => {
            let count = |list: &str| each(&item["subsets"]).map(|subset| each(&subset[list]).count()).sum();
            (Some(name.clone()), count("addresses"), count("notReadyAddresses"))
        }
        Source::EndpointSlices => {
            let is_ready = |endpoint: &&Value| endpoint["conditions"]["ready"].as_bool().unwrap_or(true);
            let ready = each(&item["endpoints"]).filter(is_ready).count();
            let all = each(&item["endpoints"]).count();
            (
                text(&metadata["labels"]["kubernetes.io/service-name"]),
                ready,
                all - ready,
            )
        }
        Source::Pods => {
            let has_address = item["status"]["podIP"].is_string();
            (text(&item["spec"]["subdomain"]), usize::from(has_address), 0)
        }
    };
    Object {
        labels: labels.collect(),
        service,
        ready,
        not_ready,
        name: match text(&metadata["namespace"]) {
            Some(namespace) if all_namespaces => format!("{namespace}/{name}"),
            _ => name,
        },
    }
}

/// The elements of a list, which may be absent or `null`.
fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(items: &Value, source: Source) -> Vec<Object> {
        let token = Token::new("a-token-of-more-than-24-characters".to_owned());
        objects(json!({"items": items}).to_string().as_bytes(), source, false, &token).unwrap()
    }

    #[test]
    fn each_source_counts_its_addresses_and_names_its_service() {
        let endpoints = json!([
            {"metadata": {"name": "app", "labels": {"app": "web", "tier": "blue"}}, "subsets": [
                {"addresses": [{}, {}], "notReadyAddresses": [{}]}, {"addresses": [{}]}]},
            {"metadata": {"name": "none"}, "subsets": null},
        ]);
        let found = read(&endpoints, Source::Endpoints);
        assert_eq!((found[0].ready, found[0].not_ready), (3, 1));
        assert_eq!(found[0].labels, ["app=web", "tier=blue"]);
        assert_eq!(found[0].service.as_deref(), Some("app"));
        assert_eq!((found[1].ready, found[1].not_ready), (0, 0));

        let slices = json!([{
            "metadata": {"name": "app-x7", "labels": {"kubernetes.io/service-name": "app"}},
            "endpoints": [{"conditions": {"ready": false}}, {"conditions": {}}, {}],
        }]);
        let found = read(&slices, Source::EndpointSlices);
        assert_eq!((found[0].ready, found[0].not_ready), (2, 1));
        assert_eq!(found[0].service.as_deref(), Some("app"));

        let pods = json!([
            {"metadata": {"name": "app-0"}, "spec": {"subdomain": "app"}, "status": {"podIP": "10.0.0.1"}},
            {"metadata": {"name": "app-1"}, "spec": {}, "status": {}},
        ]);
        let found = read(&pods, Source::Pods);
        assert_eq!((found[0].ready, found[0].service.as_deref()), (1, Some("app")));
        assert_eq!((found[1].ready, found[1].service.as_deref()), (0, None));
    }

    #[test]
    fn what_comes_from_outside_is_fit_to_print_and_holds_no_token() {
        let token = "a-token-of-more-than-24-characters";
        let found = read(
            &json!([{"metadata": {"name": "a\u{1b}[31m", "labels": {"l": &token[..30]}}}]),
            Source::Endpoints,
        );
        assert_eq!(found[0].name, "a\\u{1b}[31m");
        assert_eq!(found[0].labels, ["l=[token]"]);
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        let token = Token::new("secret".to_owned());
        let error = objects(b"<html>", Source::Pods, false, &token).unwrap_err();
        assert_eq!(error.kind, Kind::Malformed);
    }
}

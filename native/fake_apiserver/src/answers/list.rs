//! The list of a resource: its parameters, and what they select at which version.

use serde_json::{Map, Value, json};

use crate::answers::paging::{self, Continue};
use crate::answers::parameters::{self, Selection};
use crate::answers::status::Status;
use crate::protocol::http::Request;
use crate::state::resources::Resource;
use crate::state::store::Store;

/// The parameters of a list, checked.
#[derive(Debug)]
pub(crate) struct ListQuery {
    selection: Selection,
    version: Option<u64>,
    limit: usize,
    page: Option<Continue>,
}

impl ListQuery {
    pub(crate) fn read(request: &Request, resource: &Resource) -> Result<Self, Status> {
        let text = |name: &str| request.parameter(name).filter(|value| !value.is_empty());
        let selection = Selection::read(request, resource)?;
        let limit = parameters::number(request, "limit")?;
        let page = match text("continue").map(Continue::decode) {
            None => None,
            Some(Some(page)) => Some(page),
            Some(None) => {
                let message = "invalid continue token: continue key is not valid: encoded continue token is malformed";
                return Err(Status::bad_request(message));
            }
        };
        let version = match parameters::version(request) {
            // Pages come from another layer of the real server, with another opinion.
            Err(status) if limit > 0 || page.is_some() => {
                return Err(status.into_bad_request("invalid resource version"));
            }
            other => other?,
        };
        if page.is_some() && version.is_some_and(|version| version != 0) {
            return Err(Status::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        // The real server answers version 0 from its cache, which knows no pages.
        let from_cache = version == Some(0) && page.is_none();
        let limit = if from_cache { 0 } else { limit };
        Ok(Self {
            selection,
            version,
            limit: usize::try_from(limit).unwrap_or(0),
            page,
        })
    }
}

/// The list object, as the real server writes it.
pub(crate) fn list(
    store: &Store,
    resource: &'static Resource,
    namespace: Option<&str>,
    query: &ListQuery,
) -> Result<Value, Status> {
    if let Some(wanted) = query.version.filter(|wanted| *wanted > store.version()) {
        return Err(Status::too_large_version(wanted, store.version()));
    }
    let at = match &query.page {
        Some(page) if page.version != 0 => page.version,
        _ => store.version(),
    };
    let after = query.page.as_ref().map(|page| page.after.as_str());
    let mut objects = store.list(resource, namespace, at).map_err(|_| {
        let next = Continue {
            version: 0,
            after: after.unwrap_or_default().to_owned(),
        };
        Status::expired_page(next.encode())
    })?;
    objects.retain(|(_, object)| query.selection.matches(object));
    let page = paging::cut(objects, after, query.limit);
    let mut metadata = Map::new();
    metadata.insert("resourceVersion".to_owned(), json!(at.to_string()));
    if let Some((after, remaining)) = page.rest {
        let next = Continue { version: at, after };
        metadata.insert("continue".to_owned(), json!(next.encode()));
        // With a selector the real server does not know how many of the rest would match.
        if query.selection.is_empty() {
            metadata.insert("remainingItemCount".to_owned(), json!(remaining));
        }
    }
    let items: Vec<&Value> = page.items.iter().map(|object| &**object).collect();
    Ok(json!({
        "kind": resource.list_kind,
        "apiVersion": resource.api_version(),
        "metadata": metadata,
        "items": items,
    }))
}

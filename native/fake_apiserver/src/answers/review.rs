//! `SelfSubjectAccessReview`: what a user may do, asked by that user.

use serde_json::{Value, json};

use crate::answers::status::Status;
use crate::state::access::User;

/// The review with its status, as the real server's RBAC authorizer fills it.
pub(crate) fn answer(body: &[u8], user: &User) -> Result<Value, Status> {
    let review: Value = serde_json::from_slice(body)
        .map_err(|error| Status::bad_request(format!("the object provided is unrecognized: {error}")))?;
    let spec = &review["spec"];
    let asked = &spec["resourceAttributes"];
    if !asked.is_object() {
        return Err(Status::invalid_review());
    }
    let text = |name: &str| asked[name].as_str().unwrap_or_default();
    let namespace = Some(text("namespace")).filter(|namespace| !namespace.is_empty());
    let status = if user.may(text("verb"), text("resource"), namespace) {
        json!({"allowed": true, "reason": format!("RBAC: allowed by the rules of {:?}", user.name)})
    } else {
        json!({"allowed": false})
    };
    Ok(json!({
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {"creationTimestamp": null},
        "spec": spec,
        "status": status,
    }))
}

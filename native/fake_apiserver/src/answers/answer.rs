//! What the real server would answer.

use serde_json::{Value, json};

use crate::answers::list::{ListQuery, list};
use crate::answers::review;
use crate::answers::status::Status;
use crate::answers::target::Target;
use crate::answers::watch::{Watch, WatchQuery};
use crate::lock::lock;
use crate::protocol::http::{Request, Response};
use crate::state::State;
use crate::state::access::User;

/// What a server without faults does about a request.
pub(crate) enum Answer {
    /// It answers.
    Response(Response),
    /// It answers with a stream.
    Watch(Watch),
}

/// The answer of a server without faults.
pub(crate) fn respond(state: &State, request: &Request, target: &Target, user: Option<&User>) -> Answer {
    match answer(state, request, target, user) {
        Ok(Answer::Watch(watch)) => Answer::Watch(watch),
        Ok(Answer::Response(response)) => uncached(response),
        Err(status) => uncached(status.into()),
    }
}

fn uncached(response: Response) -> Answer {
    Answer::Response(response.with_header("Cache-Control", "no-cache, private"))
}

fn answer(state: &State, request: &Request, target: &Target, user: Option<&User>) -> Result<Answer, Status> {
    let user = user.ok_or_else(Status::unauthorized)?;
    let method = if *target == Target::AccessReview { "POST" } else { "GET" };
    if request.method != method {
        return Err(Status::for_code(405));
    }
    if !target.allowed(user) {
        return Err(target.forbidden(&user.name, &request.path));
    }
    match target {
        Target::Version => Ok(Answer::Response(Response::json(200, &version_info()))),
        Target::AccessReview => Ok(Answer::Response(Response::json(
            201,
            &review::answer(&request.body, user)?,
        ))),
        Target::UnknownCollection { .. } | Target::UnknownResource => Err(Status::for_code(404)),
        // Not a Status: the real server answers this from other layers.
        Target::UnknownPath if !request.path.starts_with("/api") => {
            Ok(Answer::Response(Response::json(404, &json!({ "paths": PATHS }))))
        }
        Target::UnknownPath => {
            let text = "404 page not found\n";
            let response = Response::new(404, "text/plain; charset=utf-8", text);
            Ok(Answer::Response(response))
        }
        Target::Collection {
            resource,
            namespace,
            watch: true,
        } => {
            let query = WatchQuery::read(request, resource)?;
            let as_status = state.watches.expired_as_status();
            let store = lock(&state.store);
            Watch::start(&store, resource, namespace.as_deref(), query, as_status).map(Answer::Watch)
        }
        Target::Collection {
            resource,
            namespace,
            watch: false,
        } => {
            let query = ListQuery::read(request, resource)?;
            let list = list(&lock(&state.store), resource, namespace.as_deref(), &query)?;
            Ok(Answer::Response(Response::json(200, &list)))
        }
    }
}

/// Some of what the real server suggests to who is lost.
const PATHS: [&str; 6] = ["/apis", "/apis/", "/healthz", "/livez", "/readyz", "/version"];

fn version_info() -> Value {
    json!({
        "major": "1",
        "minor": "33",
        "gitVersion": "v1.33.0-fake",
        "platform": "linux/amd64",
    })
}

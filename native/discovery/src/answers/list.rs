//! A list answer, read without copying what is not needed: JSON here, protobuf in `list_stream`.
//!
//! A page that is not what the API documents is an error as a whole: to take half of it would be to take the members
//! of the other half for gone. What the API allows to be absent, or `null`, is fine.

use std::io::Read;

use serde::Deserialize;

use crate::answers::list_stream;
use crate::answers::page::{Keep, Page, broken, check_kind, is_version, malformed};
use crate::answers::window::Window;
use crate::config::{Config, Source};
use crate::encoding::json::{Object, object, objects};
use crate::encoding::protobuf::{self, MAGIC};
use crate::encoding::text::{Text, text};
use crate::error::Error;
use crate::objects::endpoint_slices::EndpointSlices;
use crate::objects::endpoints::EndpointsKind;
use crate::objects::pods::PodKind;
use crate::objects::resource::ResourceKind;
use crate::server::credentials::Token;

/// Reads a body as it arrives, with a buffer that is used again, and lets nothing of the token through but by `keep`.
pub(crate) fn read<T>(
    window: &mut Window<'_, impl Read>,
    token: &Token,
    config: &Config,
    keep: Keep<'_, T>,
) -> Result<Page<T>, Error> {
    let page = match config.source {
        Source::Endpoints => read_kind::<EndpointsKind, T>(window, token, config, keep),
        Source::EndpointSlices => read_kind::<EndpointSlices, T>(window, token, config, keep),
        Source::Pods => read_kind::<PodKind, T>(window, token, config, keep),
    };
    page.map_err(|error| token.conceal_in(error))
}

fn read_kind<K: ResourceKind, T>(
    window: &mut Window<'_, impl Read>,
    token: &Token,
    config: &Config,
    keep: Keep<'_, T>,
) -> Result<Page<T>, Error> {
    let beginning = window.peek(MAGIC.len()).map_err(|error| broken(error, config))?;
    let page = if protobuf::is_protobuf(beginning) {
        list_stream::read::<K, T>(window, token, config, keep)?
    } else {
        let body = window.rest().map_err(|error| broken(error, config))?;
        token.refuse_echo(body)?;
        of_json::<K, T>(body, keep)?
    };
    if !is_version(&page.version) {
        return Err(malformed("it has no metadata.resourceVersion, or none that can be"));
    }
    Ok(page)
}

fn of_json<K: ResourceKind, T>(body: &[u8], keep: Keep<'_, T>) -> Result<Page<T>, Error> {
    let Object(answer): Object<Answer<'_, K::Object<'_>>> = serde_json::from_slice(body).map_err(malformed)?;
    check_kind::<K>(answer.kind.as_str())?;
    let mut page = Page {
        version: answer.metadata.resource_version.as_str().to_owned(),
        next: text(answer.metadata.next.as_ref())
            .filter(|token| !token.is_empty())
            .map(str::to_owned),
        ..Page::default()
    };
    for object in &answer.items {
        page.add(object, keep);
    }
    Ok(page)
}

#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct Answer<'a, T> {
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow, deserialize_with = "object")]
    metadata: AnswerMeta<'a>,
    #[serde(deserialize_with = "objects")]
    items: Vec<T>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerMeta<'a> {
    #[serde(borrow)]
    resource_version: Text<'a>,
    #[serde(borrow, rename = "continue")]
    next: Option<Text<'a>>,
}

#[cfg(test)]
mod tests;

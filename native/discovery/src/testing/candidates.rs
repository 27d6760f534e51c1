//! The candidates of an object, to be compared.

use crate::config::IpFamily;
use crate::objects::resource::Resource;

/// Each candidate of an object as a line, in its order.
pub(crate) fn candidates_of(object: &dyn Resource<'_>, family: Option<IpFamily>) -> Vec<String> {
    let mut lines = Vec::new();
    object.candidates(family, &mut |it| {
        let part = |text: Option<&str>| text.unwrap_or("-").to_owned();
        let (ip, hostname, namespace) = (part(it.ip), part(it.hostname), part(it.namespace));
        lines.push(format!("{ip} {hostname} {namespace} {:?}", it.standing));
    });
    lines
}

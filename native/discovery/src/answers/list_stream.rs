//! A list in protobuf, read while it arrives: one object at a time is in memory.

use std::io::{self, Read};

use crate::answers::page::{Keep, Page, broken, check_kind, malformed};
use crate::answers::pieces::MAX_PIECE_BYTES;
use crate::answers::window::Window;
use crate::config::Config;
use crate::encoding::protobuf::{Content, Head, LONGER, MAGIC, Malformed, Message, TypeMeta, Value};
use crate::encoding::text::{Text, text};
use crate::error::{Error, Kind};
use crate::objects::resource::ResourceKind;
use crate::server::credentials::{Echo, Token};

/// Reads an answer that begins with the magic number.
pub(crate) fn read<K: ResourceKind, T>(
    window: &mut Window<'_, impl Read>,
    token: &Token,
    config: &Config,
    keep: Keep<'_, T>,
) -> Result<Page<T>, Error> {
    let mut list = List {
        window,
        echo: token.echo(),
        page: Page::default(),
        keep,
    };
    let kind = list.envelope::<K>().map_err(|end| match end {
        End::Broken(error) => broken(error, config),
        End::Malformed(why) => malformed(why),
        End::Error(error) => error,
    })?;
    check_kind::<K>(&kind)?;
    Ok(list.page)
}

/// Why it was not read to its end.
enum End {
    Broken(io::Error),
    Malformed(Malformed),
    Error(Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<Malformed> for End {
    fn from(why: Malformed) -> Self {
        Self::Malformed(why)
    }
}

struct List<'l, 'b, R, T> {
    window: &'l mut Window<'b, R>,
    echo: Echo<'l>,
    page: Page<T>,
    keep: Keep<'l, T>,
}

impl<R: Read, T> List<'_, '_, R, T> {
    /// `runtime.Unknown`, as [`crate::encoding::protobuf::Envelope`] reads it from one piece; the kind.
    fn envelope<K: ResourceKind>(&mut self) -> Result<String, End> {
        self.window.take(MAGIC.len())?;
        let mut kind = String::new();
        let mut seen = false;
        while let Some(head) = self.head()? {
            match (head.number, head.content) {
                (1, Content::Bytes(length)) => {
                    let meta = TypeMeta::decode(content(self.window, &self.echo, length)?)?;
                    text(meta.kind.as_ref()).unwrap_or_default().clone_into(&mut kind);
                }
                // Of two, the end of the answer would decide which counts.
                (2, _) if seen => return Err(Malformed("it has two objects").into()),
                (2, Content::Bytes(length)) => {
                    seen = length > 0;
                    self.list::<K>(length)?;
                }
                (1 | 2, _) => return Err(Malformed("a field has the wrong type").into()),
                _ => self.step_over(head.content)?,
            }
        }
        Ok(kind)
    }

    /// `EndpointsList`, `EndpointSliceList` or `PodList`.
    fn list<K: ResourceKind>(&mut self, length: u64) -> Result<(), End> {
        let end = self.window.position().checked_add(length).ok_or(LONGER)?;
        while self.window.position() < end {
            let head = self.head()?.ok_or(LONGER)?;
            match (head.number, head.content) {
                (1, Content::Bytes(length)) => {
                    let meta = ListMeta::decode(content(self.window, &self.echo, length)?)?;
                    meta.position(&mut self.page);
                }
                (2, Content::Bytes(length)) => {
                    let object = K::Object::decode(content(self.window, &self.echo, length)?)?;
                    self.page.add(&object, self.keep);
                }
                (1 | 2, _) => return Err(Malformed("a field has the wrong type").into()),
                _ => self.step_over(head.content)?,
            }
        }
        if self.window.position() > end {
            return Err(LONGER.into());
        }
        Ok(())
    }

    /// The head of the next field; none at the end of the body.
    fn head(&mut self) -> Result<Option<Head>, End> {
        let bytes = self.window.peek(Head::MAX_BYTES)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let (head, rest) = Head::read(bytes)?;
        let length = bytes.len() - rest.len();
        self.window.take(length)?;
        Ok(Some(head))
    }

    fn step_over(&mut self, content: Content) -> Result<(), End> {
        let length = match content {
            Content::Number(_) => 0,
            Content::Bytes(length) => length,
            Content::Fixed(length) => length as u64,
        };
        if self.window.skip(length)? {
            Ok(())
        } else {
            Err(LONGER.into())
        }
    }
}

/// The content of a field, whole; nothing of the token may be in it.
fn content<'w>(window: &'w mut Window<'_, impl Read>, echo: &Echo<'_>, length: u64) -> Result<&'w [u8], End> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MAX_PIECE_BYTES {
        let why = format!("an object of the list is longer than {MAX_PIECE_BYTES} bytes");
        return Err(End::Error(Error::new(Kind::TooLarge, why)));
    }
    let content = window.take(length)?.ok_or(LONGER)?;
    echo.refuse(content).map_err(End::Error)?;
    Ok(content)
}

/// `ListMeta`
#[derive(Default)]
struct ListMeta<'a> {
    resource_version: Option<Text<'a>>,
    next: Option<Text<'a>>,
}

impl ListMeta<'_> {
    /// What came in this piece: protobuf allows to split a message.
    fn position<T>(&self, page: &mut Page<T>) {
        if let Some(version) = text(self.resource_version.as_ref()) {
            version.clone_into(&mut page.version);
        }
        if let Some(next) = text(self.next.as_ref()) {
            page.next = Some(next.to_owned());
        }
    }
}

impl<'a> Message<'a> for ListMeta<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            2 => self.resource_version = value.text()?,
            3 => self.next = value.text()?,
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;
    use crate::objects::pods::PodKind;
    use crate::testing::candidates::candidates_of;
    use crate::testing::config;
    use crate::testing::portions::Portions;
    use crate::testing::protobuf::{answer, bytes, list, number, text};
    use proptest::prelude::*;
    use serde_json::Value as Json;

    const PODS: &str = include_str!("../../tests/fixtures/pods.json");
    const TOKEN: &str = "a-token-of-which-nothing-is-let-through";

    /// What comes of a body in portions of these sizes.
    fn read(body: &[u8], sizes: &[usize]) -> Result<Page<Vec<String>>, Error> {
        read_from(Portions::new(body, sizes))
    }

    fn read_from(body: impl Read) -> Result<Page<Vec<String>>, Error> {
        let (token, config) = (Token::new(TOKEN.to_owned()), config(Source::Pods));
        let mut buffer = Vec::new();
        let mut window = Window::new(body, &mut buffer);
        super::read::<PodKind, _>(&mut window, &token, &config, &mut |pod| candidates_of(pod, None))
    }

    #[track_caller]
    fn assert_malformed(body: &[u8]) {
        assert_eq!(read(body, &[]).unwrap_err().kind, Kind::Malformed);
    }

    fn pods() -> Vec<u8> {
        list(&serde_json::from_str::<Json>(PODS).unwrap())
    }

    /// A list of one pod, with these bytes before and after its own fields.
    fn one(pod: &[u8], rest: &[u8]) -> Vec<u8> {
        answer("PodList", &[&bytes(1, &text(2, "7")), &bytes(2, pod), rest].concat())
    }

    #[test]
    fn an_answer_that_repeats_the_token_is_refused() {
        for pod in [
            bytes(1, &text(1, TOKEN)),
            text(77, TOKEN),
            bytes(3, &text(6, &format!("10.0.0.1 {TOKEN}"))),
        ] {
            let error = read(&one(&pod, b""), &[]).unwrap_err();
            assert!(error.message.contains("repeats the token"), "{error}");
        }
    }

    #[test]
    fn an_object_has_a_limit_and_what_is_stepped_over_has_none() {
        let long = "x".repeat(MAX_PIECE_BYTES + 1);
        let error = read(&one(&text(77, &long), b""), &[]).unwrap_err();
        assert_eq!(error.kind, Kind::TooLarge);
        assert_eq!(read(&one(b"", &text(77, &long)), &[]).unwrap().objects.len(), 1);
    }

    #[test]
    fn a_field_that_ends_after_its_list_is_malformed() {
        let mut inner = bytes(1, &text(2, "7"));
        let whole = inner.len();
        inner.extend(bytes(2, &text(77, "abc")));
        for length in [whole + 1, whole + 3, inner.len() - 1] {
            // A list that says it is shorter than its last field is.
            let meta = bytes(1, &text(2, "PodList"));
            let mut body = [MAGIC, &meta[..], &[0x12, u8::try_from(length).unwrap()]].concat();
            body.extend(&inner);
            assert_malformed(&body);
        }
    }

    #[test]
    fn fields_of_other_types_are_stepped_over_and_wrong_ones_are_malformed() {
        let others = [
            number(9, 300),
            vec![0x51, 1, 2, 3, 4, 5, 6, 7, 8],
            vec![0x5d, 1, 2, 3, 4],
        ]
        .concat();
        assert!(read(&one(b"", &others), &[]).is_ok());
        assert!(read(&[one(b"", b""), others].concat(), &[]).is_ok());
        for wrong in [number(1, 1), number(2, 1)] {
            assert_malformed(&one(b"", &wrong));
            assert_malformed(&[one(b"", b""), wrong].concat());
        }
    }

    #[test]
    fn a_body_that_breaks_is_no_list() {
        struct Breaks;
        impl Read for Breaks {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let body = pods();
        for end in [0, 3, 4, body.len() / 2] {
            let error = read_from(body[..end].chain(Breaks)).unwrap_err();
            assert_eq!(error.kind, Kind::Connect, "{end}");
        }
    }

    proptest! {
        #[test]
        fn any_portions_of_the_body_give_the_same_page(sizes in prop::collection::vec(1_usize..300, 0..60)) {
            let body = pods();
            prop_assert_eq!(read(&body, &sizes).unwrap(), read(&body, &[]).unwrap());
        }

        #[test]
        fn a_damaged_list_is_a_list_or_an_error(
            index: prop::sample::Index,
            removed in 0_usize..40,
            inserted in prop::collection::vec(any::<u8>(), 0..3),
        ) {
            let mut body = pods();
            let start = index.index(body.len());
            let end = body.len().min(start + removed);
            body.splice(start..end, inserted);
            let _ = read(&body, &[]);
        }
    }
}

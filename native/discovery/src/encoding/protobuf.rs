//! Kubernetes objects as protobuf, read in place: only the fields that count, everything else is stepped over.
//!
//! An answer is the magic number `k8s\0`, and then an envelope (`runtime.Unknown`) with the kind and the object's own message.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding>. The numbers of the fields are those of
//! the `generated.proto` files of <https://github.com/kubernetes/api>; they never change.
//!
//! Go writes empty strings where JSON leaves them out: empty is absent here.

use std::fmt;

use crate::encoding::text::Text;

pub(crate) const MAGIC: &[u8] = b"k8s\0";

/// Why bytes are not the message that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its protobuf is malformed: {}", self.0)
    }
}

/// Something that is read from the bytes of its message.
pub(crate) trait Message<'a>: Sized + Default {
    /// Takes a field, or leaves it.
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed>;

    /// Reads the whole message.
    fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut message = Self::default();
        message.merge(bytes)?;
        Ok(message)
    }

    /// Reads what came in another piece: protobuf allows to split a message.
    fn merge(&mut self, mut bytes: &'a [u8]) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            let (number, value, rest) = field(bytes)?;
            bytes = rest;
            self.field(number, value)?;
        }
        Ok(())
    }
}

/// The content of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a type that none of our fields has.
    Other,
}

impl<'a> Value<'a> {
    pub(crate) fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed("a field has the wrong type")),
        }
    }

    pub(crate) fn number(self) -> Result<u64, Malformed> {
        match self {
            Self::Number(number) => Ok(number),
            _ => Err(Malformed("a field has the wrong type")),
        }
    }

    pub(crate) fn flag(self) -> Result<bool, Malformed> {
        Ok(self.number()? != 0)
    }

    /// A string; none, when it is empty.
    pub(crate) fn text(self) -> Result<Option<Text<'a>>, Malformed> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|_| Malformed("a string is not UTF-8"))?;
        Ok(Some(text).filter(|text| !text.is_empty()).map(Text::borrowed))
    }

    pub(crate) fn message<M: Message<'a>>(self) -> Result<M, Malformed> {
        M::decode(self.bytes()?)
    }
}

/// Whether this is an answer in protobuf.
pub(crate) fn is_protobuf(answer: &[u8]) -> bool {
    answer.starts_with(MAGIC)
}

/// An object of the API with the name of its kind.
#[derive(Debug, Default)]
pub(crate) struct Envelope<'a> {
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) object: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Reads an answer that begins with the magic number.
    pub(crate) fn open(answer: &'a [u8]) -> Result<Self, Malformed> {
        let message = answer.strip_prefix(MAGIC).ok_or(Malformed("it has no magic number"))?;
        Self::decode(message)
    }
}

impl<'a> Message<'a> for Envelope<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.kind = value.message::<TypeMeta<'_>>()?.kind,
            // Of two, the end of the answer would decide which counts.
            2 if !self.object.is_empty() => return Err(Malformed("it has two objects")),
            2 => self.object = value.bytes()?,
            _ => {}
        }
        Ok(())
    }
}

/// What kind of object follows.
#[derive(Default)]
pub(crate) struct TypeMeta<'a> {
    pub(crate) kind: Option<Text<'a>>,
}

impl<'a> Message<'a> for TypeMeta<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        if number == 2 {
            self.kind = value.text()?;
        }
        Ok(())
    }
}

/// The next field, and what follows it.
#[inline]
fn field(bytes: &[u8]) -> Result<(u32, Value<'_>, &[u8]), Malformed> {
    // Nearly every field that counts is bytes, with a number below 16 and a length below 128: two bytes of head.
    if let [tag @ 0x0a..=0x7f, length @ ..=0x7f, rest @ ..] = bytes
        && tag & 7 == 2
    {
        let (content, rest) = split(rest, usize::from(*length))?;
        return Ok((u32::from(tag >> 3), Value::Bytes(content), rest));
    }
    any_field(bytes)
}

fn any_field(bytes: &[u8]) -> Result<(u32, Value<'_>, &[u8]), Malformed> {
    let (head, rest) = Head::read(bytes)?;
    let (value, rest) = match head.content {
        Content::Number(number) => (Value::Number(number), rest),
        Content::Bytes(length) => {
            let length = usize::try_from(length).map_err(|_| LONGER)?;
            let (content, rest) = split(rest, length)?;
            (Value::Bytes(content), rest)
        }
        Content::Fixed(length) => (Value::Other, split(rest, length)?.1),
    };
    Ok((head.number, value, rest))
}

/// A field is longer than what it is in.
pub(crate) const LONGER: Malformed = Malformed("a field is longer than the message");

/// What a field begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) number: u32,
    pub(crate) content: Content,
}

/// What follows the head of a field.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Content {
    /// Nothing: it is in the head.
    Number(u64),
    /// So many bytes.
    Bytes(u64),
    /// So many bytes, of a type that none of our fields has.
    Fixed(usize),
}

impl Head {
    /// The longest one: two numbers of ten bytes.
    pub(crate) const MAX_BYTES: usize = 20;

    /// Reads the head of the next field; what follows it.
    pub(crate) fn read(bytes: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let (tag, bytes) = varint(bytes)?;
        let number = u32::try_from(tag >> 3).map_err(|_| Malformed("a field has an impossible number"))?;
        if number == 0 {
            return Err(Malformed("a field has no number"));
        }
        let (content, bytes) = match tag & 7 {
            0 => {
                let (number, bytes) = varint(bytes)?;
                (Content::Number(number), bytes)
            }
            1 => (Content::Fixed(8), bytes),
            2 => {
                let (length, bytes) = varint(bytes)?;
                (Content::Bytes(length), bytes)
            }
            5 => (Content::Fixed(4), bytes),
            _ => return Err(Malformed("a field has an unknown type")),
        };
        Ok((Self { number, content }, bytes))
    }
}

fn split(bytes: &[u8], length: usize) -> Result<(&[u8], &[u8]), Malformed> {
    bytes.split_at_checked(length).ok_or(LONGER)
}

/// Seven bits in each byte, the lowest first.
fn varint(bytes: &[u8]) -> Result<(u64, &[u8]), Malformed> {
    let mut number = 0;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        // What a tenth byte has beyond the 64th bit is lost, as everywhere.
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((number, &bytes[index + 1..]));
        }
    }
    Err(Malformed("a number has no end"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::protobuf::{bytes, number, text};
    use proptest::prelude::*;

    /// Every field, in the order of the wire.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Fields<'a>(Vec<(u32, Value<'a>)>);

    impl<'a> Message<'a> for Fields<'a> {
        fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
            self.0.push((number, value));
            Ok(())
        }
    }

    fn fields(bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Malformed> {
        Fields::decode(bytes).map(|fields| fields.0)
    }

    #[test]
    fn fields_of_each_type_are_read_or_stepped_over() {
        let message = [
            number(1, 300),
            text(2, "abc"),
            vec![0x19, 1, 2, 3, 4, 5, 6, 7, 8],
            vec![0x25, 1, 2, 3, 4],
        ]
        .concat();
        let expected = [
            (1, Value::Number(300)),
            (2, Value::Bytes(b"abc")),
            (3, Value::Other),
            (4, Value::Other),
        ];
        assert_eq!(fields(&message).unwrap(), expected);
        assert_eq!(fields(b"").unwrap(), []);
        assert_eq!(
            fields(&number(536_870_911, u64::MAX)).unwrap(),
            [(536_870_911, Value::Number(u64::MAX))]
        );
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        for message in [
            &[0x08][..],
            // A number without an end, and one that is longer than any.
            &[0x08, 0x80],
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            // A length beyond the message, by one and by far.
            &[0x0a, 0x02, b'a'],
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            // Fields of fixed length that are cut.
            &[0x09, 1, 2, 3],
            &[0x0d, 1, 2, 3],
            // Groups, which no object has; a type that there is not; a field without a number.
            &[0x0b],
            &[0x0c],
            &[0x0e],
            &[0x00, 0x00],
        ] {
            assert!(fields(message).is_err(), "{message:?}");
        }
    }

    #[test]
    fn a_field_of_the_wrong_type_is_an_error_and_an_empty_string_is_absent() {
        assert!(Value::Number(1).bytes().is_err());
        assert!(Value::Bytes(b"1").number().is_err());
        assert!(Value::Other.number().is_err());
        assert!(Value::Bytes(b"\xff").text().is_err());
        assert!(Value::Bytes(b"").text().unwrap().is_none());
        assert!(Value::Number(2).flag().unwrap());
    }

    #[test]
    fn an_answer_has_a_magic_number_and_a_kind() {
        let answer = [MAGIC, &bytes(1, &text(2, "PodList")), &bytes(2, b"object")].concat();
        let envelope = Envelope::open(&answer).unwrap();
        assert_eq!(envelope.kind.unwrap().as_str(), "PodList");
        assert_eq!(envelope.object, b"object");
        assert!(is_protobuf(&answer) && !is_protobuf(&answer[1..]) && !is_protobuf(b"k8s"));
        assert!(Envelope::open(&answer[1..]).is_err());
        let two = [&answer[..], &bytes(2, b"another")].concat();
        assert!(Envelope::open(&two).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(message in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = fields(&message);
        }

        /// But between two fields, which only what is around a message can tell.
        #[test]
        fn every_cut_inside_a_field_is_an_error(contents in prop::collection::vec("[a-z]{1,9}", 1..5), cut in any::<prop::sample::Index>()) {
            let parts: Vec<_> = contents.iter().map(|content| text(7, content)).collect();
            let message = parts.concat();
            let cut = cut.index(message.len());
            let mut ends = parts.iter().scan(0, |end, part| { *end += part.len(); Some(*end) });
            let between = cut == 0 || ends.any(|end| end == cut);
            prop_assert_eq!(fields(&message[..cut]).is_ok(), between);
        }
    }
}

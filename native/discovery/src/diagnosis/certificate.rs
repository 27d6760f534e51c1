//! Who a certificate is for and who issued it, to say so where it is not accepted.
//!
//! rustls checks certificates and says what it misses in one; this reads the two names that a user compares. Of DER it
//! knows just what leads to them. <https://www.rfc-editor.org/rfc/rfc5280#section-4.1>

use crate::error::printable;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const EXPLICIT_VERSION: u8 = 0xa0;

/// The parts of a name that people give, by the last byte of `2.5.4.N`.
const PARTS: [(u8, &str); 3] = [(3, "CN"), (11, "OU"), (10, "O")];

/// The names of a certificate, written as `CN=kubernetes,O=example`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Whom it is for.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
}

impl Certificate {
    /// Reads a certificate in DER; what cannot be read is empty.
    pub(crate) fn read(der: &[u8]) -> Self {
        let (issuer, subject) = names(der).unwrap_or_default();
        Self {
            subject: name(subject),
            issuer: name(issuer),
        }
    }
}

/// The contents of issuer and subject.
fn names(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut certificate = Elements(der).next_of(SEQUENCE)?;
    let mut fields = certificate.next_of(SEQUENCE)?;
    if fields.0.first() == Some(&EXPLICIT_VERSION) {
        fields.next()?;
    }
    let _serial_number = fields.next()?;
    let _signature_algorithm = fields.next()?;
    let issuer = fields.next_of(SEQUENCE)?;
    let _validity = fields.next()?;
    Some((issuer.0, fields.next_of(SEQUENCE)?.0))
}

fn name(contents: &[u8]) -> String {
    let mut found = Vec::new();
    let mut sets = Elements(contents);
    while let Some(mut set) = sets.next_of(SET) {
        while let Some(mut attribute) = set.next_of(SEQUENCE) {
            if let (Some(key), Some((_, value))) = (attribute.next_of(OBJECT_IDENTIFIER), attribute.next())
                && let [0x55, 0x04, last] = key.0
                && let Some((_, word)) = PARTS.iter().find(|(part, _)| part == last)
            {
                found.push(format!("{word}={}", printable(&String::from_utf8_lossy(value))));
            }
        }
    }
    found.join(",")
}

/// DER elements that follow each other.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// The next element, which must be of this tag: its contents.
    fn next_of(&mut self, tag: u8) -> Option<Elements<'a>> {
        let (found, contents) = self.next()?;
        (found == tag).then_some(Elements(contents))
    }
}

impl<'a> Iterator for Elements<'a> {
    /// Tag and contents.
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            // No certificate needs more than four bytes for a length.
            let bytes = usize::from(first - 0x80);
            let (long, after) = rest.split_at_checked(bytes).filter(|_| bytes <= 4)?;
            length = long.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
            rest = after;
        }
        let (contents, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((tag, contents))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
        let length = u16::try_from(contents.len()).unwrap().to_be_bytes();
        [&[tag, 0x82, length[0], length[1]], contents].concat()
    }

    fn attribute(part: u8, value: &str) -> Vec<u8> {
        let oid = [OBJECT_IDENTIFIER, 3, 0x55, 0x04, part];
        element(
            SET,
            &element(SEQUENCE, &[&oid[..], &element(0x0c, value.as_bytes())].concat()),
        )
    }

    fn certificate(version: &[u8]) -> Vec<u8> {
        let issuer = [attribute(10, "example"), attribute(6, "DE"), attribute(3, "the\nCA")].concat();
        let fields = [
            version.to_vec(),
            element(0x02, &[1]),
            element(SEQUENCE, &[]),
            element(SEQUENCE, &issuer),
            element(SEQUENCE, &[]),
            element(SEQUENCE, &attribute(3, "kube-apiserver")),
        ];
        element(SEQUENCE, &element(SEQUENCE, &fields.concat()))
    }

    #[test]
    fn issuer_and_subject_are_found_in_every_version() {
        for version in [&element(EXPLICIT_VERSION, &[2, 1, 2])[..], &[]] {
            let read = Certificate::read(&certificate(version));
            assert_eq!(read.subject, "CN=kube-apiserver");
            assert_eq!(read.issuer, "O=example,CN=the\\nCA");
        }
    }

    #[test]
    fn what_is_cut_or_lies_about_its_length_has_no_names_and_does_no_harm() {
        let whole = certificate(&[]);
        for length in 0..whole.len() {
            let _ = Certificate::read(&whole[..length]);
        }
        for bad in [
            &[0x30, 0x89][..],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 0xff, 1],
            &[],
        ] {
            let read = Certificate::read(bad);
            assert_eq!((read.subject.as_str(), read.issuer.as_str()), ("", ""));
        }
    }
}

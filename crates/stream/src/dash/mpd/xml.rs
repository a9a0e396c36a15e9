//! Reader of XML elements, without entities, document types and recursion.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::MpdError;

/// Maximum number of attributes of an element that are read. The element with the most attributes, `MPD`, has up to 20.
/// At half this value, nothing changes for known servers; at twice this value, a hostile element takes twice the time.
const MAX_ATTRIBUTES: usize = 64;

/// Maximum length of the text of an element, bytes: URLs have up to 8,000. At half this value, URLs with long tokens
/// are cut and cannot be used; at twice this value, a hostile manifest uses twice the memory for each copy.
const MAX_TEXT_BYTES: usize = 16 * 1024;

/// Reads the elements of a document. Each element must be read to its end: with [`next_child`](Self::next_child) until
/// it returns `None`, with [`text`](Self::text), or with [`skip`](Self::skip).
pub(super) struct XmlReader<'a>(Reader<&'a [u8]>);

/// The start of an element.
pub(super) struct Tag<'a>(BytesStart<'a>);

impl<'a> XmlReader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        // A URL with `&` in place of `&amp;` is a common fault.
        config.allow_dangling_amp = true;
        Self(reader)
    }

    /// Returns the next child of the current element, or `None` after the end of the element. At the start of the
    /// document, the only child is the root.
    pub(super) fn next_child(&mut self) -> Result<Option<Tag<'a>>, MpdError> {
        loop {
            match self.event()? {
                Event::Start(start) | Event::Empty(start) => return Ok(Some(Tag(start))),
                Event::End(_) => return Ok(None),
                Event::Eof => return Err(MpdError::Xml("it ends within an element".to_owned())),
                _ => {}
            }
        }
    }

    /// Returns the text of the current element, trimmed, and reads the element to its end. Its children are left out.
    pub(super) fn text(&mut self) -> Result<String, MpdError> {
        let (mut text, mut depth) = (String::new(), 0_usize);
        loop {
            match self.event()? {
                Event::Start(_) => depth += 1,
                Event::End(_) if depth == 0 => break,
                Event::End(_) => depth -= 1,
                Event::Text(part) if depth == 0 => append(&mut text, &part),
                Event::CData(part) if depth == 0 => append(&mut text, &part),
                Event::GeneralRef(name) if depth == 0 => match name.resolve_char_ref() {
                    Ok(Some(character)) => append(&mut text, character.encode_utf8(&mut [0; 4])),
                    _ => append(&mut text, entity(&name)),
                },
                Event::Eof => return Err(MpdError::Xml("it ends within an element".to_owned())),
                _ => {}
            }
        }
        Ok(text.trim().to_owned())
    }

    /// Reads the current element to its end.
    pub(super) fn skip(&mut self) -> Result<(), MpdError> {
        let mut depth = 0_usize;
        loop {
            match self.event()? {
                Event::Start(_) => depth += 1,
                Event::End(_) if depth == 0 => return Ok(()),
                Event::End(_) => depth -= 1,
                Event::Eof => return Err(MpdError::Xml("it ends within an element".to_owned())),
                _ => {}
            }
        }
    }

    fn event(&mut self) -> Result<Event<'a>, MpdError> {
        match self.0.read_event() {
            Ok(Event::DocType(_)) => Err(MpdError::DocType),
            Ok(event) => Ok(event),
            Err(error) => Err(MpdError::Xml(error.to_string())),
        }
    }
}

impl Tag<'_> {
    /// Returns the name without a namespace prefix.
    pub(super) fn name(&self) -> &str {
        local(self.0.name().into_inner())
    }

    /// Returns the value of an attribute, by its name without a namespace prefix; `None` if it is missing.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        // Without the check for equal names, which takes quadratic time.
        let mut attributes = self.0.attributes();
        let attributes = attributes.with_checks(false).take(MAX_ATTRIBUTES);
        let mut named = attributes.flatten().filter(|attribute| local(attribute.key.into_inner()) == name);
        named.next().map(|attribute| {
            // Unknown entities stay as they are.
            let value = quick_xml::escape::unescape(&attribute.value);
            value.map_or_else(|_| attribute.value.trim().to_owned(), |value| value.trim().to_owned())
        })
    }

    /// Returns the value of an attribute that is a whole number; `None` if it is missing or invalid.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.attribute(name)?.parse().ok()
    }
}

fn append(text: &mut String, more: &str) {
    if text.len() + more.len() <= MAX_TEXT_BYTES {
        text.push_str(more);
    }
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// Returns the value of a predefined entity. Others are left out, because their definitions are not read.
fn entity(name: &str) -> &'static str {
    match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => "",
    }
}

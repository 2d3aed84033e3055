//! Reads JSON into compact text with sorted keys, without a tree: the text that the tree would be printed as.

use std::borrow::Cow;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};

/// Compact JSON text with sorted keys. Of keys that are equal, the last one counts, as in a tree.
pub(super) struct Compact(pub(super) String);

impl<'de> Deserialize<'de> for Compact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut writer = Writer::default();
        Item(&mut writer).deserialize(deserializer)?;
        writer.text.shrink_to_fit();
        // Only whole strings are written, so this does not fail.
        String::from_utf8(writer.text).map(Self).map_err(D::Error::custom)
    }
}

#[derive(Default)]
struct Writer {
    text: Vec<u8>,
    /// The ranges in `text` of the entries of all objects that are open.
    entries: Vec<(usize, usize)>,
}

impl Writer {
    fn write<E: Error>(&mut self, value: &impl Serialize) -> Result<(), E> {
        serde_json::to_writer(&mut self.text, value).map_err(E::custom)
    }

    /// Sorts the entries from this one on, and ends their object.
    fn end_object(&mut self, first: usize) {
        let entries = &mut self.entries[first..];
        let text = &self.text;
        let key = |&(start, _): &(usize, usize)| key_at(text, start);
        let is_sorted = entries.windows(2).all(|two| key(&two[0]) < key(&two[1]));
        if let (false, Some(&(start, _))) = (is_sorted, entries.first()) {
            // This does not change the order of equal keys.
            entries.sort_by(|a, b| key(a).cmp(&key(b)));
            let mut sorted = Vec::with_capacity(text.len() - start);
            for (index, entry) in entries.iter().enumerate() {
                if entries.get(index + 1).is_some_and(|next| key(entry) == key(next)) {
                    continue;
                }
                if !sorted.is_empty() {
                    sorted.push(b',');
                }
                sorted.extend_from_slice(&text[entry.0..entry.1]);
            }
            self.text.truncate(start);
            self.text.append(&mut sorted);
        }
        self.entries.truncate(first);
        self.text.push(b'}');
    }
}

/// Returns the key that is written at a place of the text, as its bytes.
fn key_at(text: &[u8], start: usize) -> Cow<'_, [u8]> {
    let quoted = &text[start..];
    let length = 1 + quoted.iter().skip(1).position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or_default();
    if quoted.get(length) == Some(&b'"') {
        return Cow::Borrowed(&quoted[1..length]);
    }
    let key = serde_json::Deserializer::from_slice(quoted).into_iter::<String>().next();
    Cow::Owned(key.and_then(Result::ok).unwrap_or_default().into_bytes())
}

/// Reads one value.
struct Item<'a>(&'a mut Writer);

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Reads one key. It is no value: serde_json's own `Value` takes an object whose first key is
/// `$serde_json::private::RawValue` for the JSON in its text.
struct Key<'a>(&'a mut Writer);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        self.0.write(&key)
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.write(&value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.write(&value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.0.write(&value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.0.write(&value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.0.write(&value)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.write(&())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.0.write(&())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.text.push(b'[');
        let start = self.0.text.len();
        loop {
            // The comma is taken back where no item follows.
            let before = self.0.text.len();
            if before > start {
                self.0.text.push(b',');
            }
            if items.next_element_seed(Item(self.0))?.is_none() {
                self.0.text.truncate(before);
                self.0.text.push(b']');
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self(writer) = self;
        writer.text.push(b'{');
        let (start, first) = (writer.text.len(), writer.entries.len());
        loop {
            let before = writer.text.len();
            if before > start {
                writer.text.push(b',');
            }
            let entry = writer.text.len();
            if entries.next_key_seed(Key(writer))?.is_none() {
                writer.text.truncate(before);
                writer.end_object(first);
                return Ok(());
            }
            writer.text.push(b':');
            entries.next_value_seed(Item(writer))?;
            writer.entries.push((entry, writer.text.len()));
        }
    }
}

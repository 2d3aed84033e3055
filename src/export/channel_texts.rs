//! Channels as a manifest names them, and the encoding of the connection that maps them to those in Svix.

use std::collections::BTreeMap;

use crate::{
    api::ChannelEncoding,
    plan::{channels::encode, endpoint::Observed},
};

/// Longest channel of a manifest, in characters.
const MAX_TEXT: usize = 2048;

/// The encodings, in the order in which they are preferred.
const ENCODINGS: [ChannelEncoding; 3] =
    [ChannelEncoding::WhenNeeded, ChannelEncoding::WhenNeededOnCloud, ChannelEncoding::Always];

/// How many channels each encoding cannot express, and how many it leaves as UUIDs although their text is known.
#[derive(Clone, Debug, Default)]
pub struct EncodingTally {
    unsuitable: [Shortfall; 3],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Shortfall {
    inexpressible: usize,
    unreadable: usize,
}

impl EncodingTally {
    /// Counts the channels of an endpoint.
    pub fn add(&mut self, endpoint: &Observed) {
        for channel in endpoint.channels.iter().flatten() {
            let has_text = text_of(endpoint, channel).is_some();
            for (shortfall, encoding) in self.unsuitable.iter_mut().zip(ENCODINGS) {
                match text(endpoint, channel, encoding) {
                    None => shortfall.inexpressible += 1,
                    Some(text) if has_text && *text == **channel => shortfall.unreadable += 1,
                    Some(_) => {}
                }
            }
        }
    }

    /// Adds what another tally counted.
    pub fn merge(&mut self, other: &Self) {
        for (shortfall, more) in self.unsuitable.iter_mut().zip(other.unsuitable) {
            shortfall.inexpressible += more.inexpressible;
            shortfall.unreadable += more.unreadable;
        }
    }

    /// Returns the encoding that expresses the most channels. `is_swh`: swh-webhooks made applications of the environment, and
    /// its senders encode every channel.
    #[must_use]
    pub fn best(&self, is_swh: bool) -> ChannelEncoding {
        let of =
            |index: usize| (self.unsuitable[index], is_swh && ENCODINGS[index] != ChannelEncoding::Always);
        let best = (0..ENCODINGS.len()).min_by_key(|index| of(*index)).unwrap_or_default();
        ENCODINGS[best]
    }
}

/// Returns what a manifest calls a channel of an endpoint; `None`: nothing is mapped to it.
#[must_use]
pub fn text<'a>(endpoint: &'a Observed, channel: &'a str, encoding: ChannelEncoding) -> Option<&'a str> {
    let is_mapped = |text: &&str| encode(text, encoding) == channel;
    text_of(endpoint, channel).filter(is_mapped).or_else(|| Some(channel).filter(is_mapped))
}

/// The text that the metadata of an endpoint has for a channel.
fn text_of<'a>(endpoint: &'a Observed, channel: &str) -> Option<&'a str> {
    endpoint.metadata(channel).filter(|text| !text.is_empty() && text.chars().count() <= MAX_TEXT)
}

/// The metadata of an endpoint that its channels do not bring with them, given the texts of all its channels.
#[must_use]
pub fn other_metadata(
    endpoint: &Observed,
    texts: &[String],
    encoding: ChannelEncoding,
) -> BTreeMap<String, String> {
    let derived = crate::plan::channels::metadata(texts, encoding);
    let is_other = |key: &str, value: &str| derived.get(key).is_none_or(|text| text != value);
    let all = endpoint.metadata.iter().map(|(key, value)| (key.to_string(), value.to_string()));
    all.filter(|(key, value)| is_other(key, value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::channels::uuid_of;

    fn endpoint(channels: &[&str], metadata: &[(&str, &str)]) -> Observed {
        Observed {
            id: "ep_1".into(),
            uid: None,
            url: "https://a.example/".into(),
            description: "".into(),
            event_types: None,
            channels: Some(channels.iter().map(|channel| (*channel).into()).collect()),
            throttle_rate: None,
            disabled: false,
            metadata: metadata.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
            updated_at: 0,
        }
    }

    fn best(endpoints: &[Observed], is_swh: bool) -> ChannelEncoding {
        let mut tally = EncodingTally::default();
        endpoints.iter().for_each(|endpoint| tally.add(endpoint));
        tally.best(is_swh)
    }

    #[test]
    fn the_encoding_that_expresses_all_channels_is_chosen() {
        let (url, plain) = (uuid_of("https://a.example/"), uuid_of("plain"));
        let mapped_url = endpoint(&[&url], &[(&url, "https://a.example/")]);
        let mapped_plain = endpoint(&[&plain], &[(&plain, "plain")]);
        let raw = endpoint(&["plain"], &[]);
        let cloud = endpoint(&["project:1"], &[]);

        assert_eq!(best(&[], false), ChannelEncoding::WhenNeeded);
        assert_eq!(best(&[mapped_url.clone(), raw.clone()], false), ChannelEncoding::WhenNeeded);
        assert_eq!(best(std::slice::from_ref(&mapped_url), true), ChannelEncoding::Always);
        assert_eq!(best(std::slice::from_ref(&mapped_plain), false), ChannelEncoding::Always);
        assert_eq!(best(&[cloud, raw.clone()], false), ChannelEncoding::WhenNeededOnCloud);
        // Always cannot express a plain channel, so another one is left as a UUID.
        assert_eq!(best(&[mapped_plain.clone(), raw], true), ChannelEncoding::WhenNeeded);
        assert_eq!(text(&mapped_plain, &plain, ChannelEncoding::WhenNeeded), Some(&*plain));
    }

    #[test]
    fn metadata_that_channels_bring_is_left_out() {
        let url = uuid_of("https://a.example/");
        let stale = uuid_of("https://b.example/");
        let metadata = [(&*url, "https://a.example/"), (&*stale, "https://b.example/"), ("k", "v")];
        let endpoint = endpoint(&[&url], &metadata);

        let other =
            other_metadata(&endpoint, &["https://a.example/".to_owned()], ChannelEncoding::WhenNeeded);

        assert_eq!(other.keys().map(String::as_str).collect::<Vec<_>>().len(), 2, "{other:?}");
        assert!(other.contains_key("k") && other.contains_key(&stale), "{other:?}");
    }
}

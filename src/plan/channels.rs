//! Channels: any text for us, a narrow alphabet for Svix.
//!
//! swh-webhooks sends every channel as the version 5 UUID of its text in the DNS namespace, and keeps the
//! text in the endpoint's metadata under that UUID. Channels that Svix does not accept are mapped the same way.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::api::ChannelEncoding;

/// Longest channel that Svix documents, in bytes.
pub const MAX_CHANNEL: usize = 128;

/// A channel as Svix sees it. Encoding twice changes nothing: a text that already is such a UUID stays as it is,
/// so that a sender which maps its channels itself, as swh-webhooks does, reaches the same endpoints.
#[must_use]
pub fn encode(channel: &str, encoding: ChannelEncoding) -> String {
    match encoding {
        ChannelEncoding::WhenNeeded if is_svix_channel(channel, "-_.") => channel.to_owned(),
        ChannelEncoding::WhenNeededOnCloud if is_svix_channel(channel, "-_.:+") => channel.to_owned(),
        ChannelEncoding::Always if is_mapped(channel) => channel.to_owned(),
        ChannelEncoding::WhenNeeded | ChannelEncoding::WhenNeededOnCloud | ChannelEncoding::Always => {
            uuid_of(channel)
        }
    }
}

/// The UUID that a channel is mapped to.
#[must_use]
pub fn uuid_of(channel: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_DNS, channel.as_bytes()).to_string()
}

/// The metadata that lets a person read the mapped ones among these channels: from UUID to text.
#[must_use]
pub fn metadata(channels: &[String], encoding: ChannelEncoding) -> BTreeMap<String, String> {
    channels
        .iter()
        .map(|channel| (encode(channel, encoding), channel.clone()))
        .filter(|(encoded, channel)| encoded != channel)
        .collect()
}

/// Whether a metadata entry is one that [`metadata`] makes: it can then be removed with its channel.
#[must_use]
pub fn is_mapping(key: &str, value: &str) -> bool {
    key.len() == 36 && uuid_of(value) == key
}

/// Whether a text is a version 5 UUID as [`uuid_of`] writes it.
fn is_mapped(channel: &str) -> bool {
    channel.len() == 36
        && Uuid::parse_str(channel)
            .is_ok_and(|uuid| uuid.get_version_num() == 5 && uuid.to_string() == channel)
}

/// Whether Svix accepts a channel, given the characters that it accepts beside letters and digits.
fn is_svix_channel(channel: &str, punctuation: &str) -> bool {
    !channel.is_empty()
        && channel.len() <= MAX_CHANNEL
        && channel.chars().all(|c| c.is_ascii_alphanumeric() || punctuation.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_svix_refuses_is_mapped() {
        for plain in ["my-channel", "a.b_c-1", "A"] {
            assert_eq!(encode(plain, ChannelEncoding::WhenNeeded), plain);
        }
        for mapped in ["https://example.org/repo", "a b", "ü", "a:b", "a+b", &"x".repeat(129)] {
            assert_eq!(encode(mapped, ChannelEncoding::WhenNeeded), uuid_of(mapped));
        }
        assert_eq!(encode("my-channel", ChannelEncoding::Always), uuid_of("my-channel"));
        for plain in ["my-channel", "project:1", "a+b", "a:b+c.d_e-f", &"x".repeat(128)] {
            assert_eq!(encode(plain, ChannelEncoding::WhenNeededOnCloud), plain);
        }
        for mapped in ["https://example.org/repo", "a b", "ü", "a,b", "a;b", &"x".repeat(129), ""] {
            assert_eq!(encode(mapped, ChannelEncoding::WhenNeededOnCloud), uuid_of(mapped));
        }
    }

    #[test]
    fn what_is_mapped_already_is_not_mapped_again() {
        let mapped = uuid_of("https://example.org/repo");
        let encodings =
            [ChannelEncoding::WhenNeeded, ChannelEncoding::WhenNeededOnCloud, ChannelEncoding::Always];
        for encoding in encodings {
            assert_eq!(encode(&mapped, encoding), mapped);
        }
        // A random UUID is a channel like any other, and so is one in another spelling.
        let random = "5f0c8a52-7d1c-4a2e-9d6c-0f5b8e6f1a11";
        assert_eq!(encode(random, ChannelEncoding::Always), uuid_of(random));
        let upper = mapped.to_uppercase();
        assert_eq!(encode(&upper, ChannelEncoding::Always), uuid_of(&upper));
    }

    #[test]
    fn the_uuid_is_the_one_that_swh_webhooks_makes() {
        // Python: uuid.uuid5(uuid.NAMESPACE_DNS, "python.org"), from the standard library's documentation.
        assert_eq!(uuid_of("python.org"), "886313e1-3b8a-5372-9b90-0c9aee199e5d");
    }

    #[test]
    fn mapped_channels_can_be_read_back_from_metadata() {
        let channels = ["plain".to_owned(), "https://a.example/".to_owned()];
        let metadata = metadata(&channels, ChannelEncoding::WhenNeeded);
        assert_eq!(metadata.len(), 1);
        assert!(metadata.iter().all(|(key, value)| value == "https://a.example/" && is_mapping(key, value)));
        assert!(!is_mapping("plain", "plain"));
    }
}

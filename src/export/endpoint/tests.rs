#![allow(clippy::unwrap_used)]
use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    api::{ChannelEncoding, PREPARING_METADATA_KEY},
    export::{connection, options::Layout, selection::Selection},
    plan::channels::uuid_of,
};

fn options() -> Options {
    Options {
        namespace: None,
        connection: "default".to_owned(),
        owner_id: None,
        with_secrets: false,
        secret_urls: false,
        plain_headers: Vec::new(),
        archived: false,
        portable: false,
        selection: Selection::default(),
        layout: Layout::File,
    }
}

fn endpoint() -> Observed {
    Observed {
        id: "ep_1".into(),
        uid: Some("hook".into()),
        url: "https://a.example/".into(),
        description: "".into(),
        event_types: Some(["a.one".into()].into()),
        channels: None,
        throttle_rate: None,
        disabled: false,
        metadata: [].into(),
        updated_at: 0,
    }
}

fn metadata<K: AsRef<str>>(entries: &[(K, &str)]) -> Box<[(Box<str>, Box<str>)]> {
    let mut entries: Vec<_> =
        entries.iter().map(|(key, value)| (key.as_ref().into(), (*value).into())).collect();
    entries.sort();
    entries.into()
}

fn headers(entries: &[(&str, &str)]) -> headers::Observed {
    let shown = entries.iter().map(|(name, value)| ((*name).to_owned(), Sensitive::new(*value)));
    headers::Observed { shown: shown.collect(), hidden: BTreeSet::new() }
}

/// Exports an endpoint with headers through a connection with this encoding.
fn export_with(
    observed: &Observed,
    headers: headers::Observed,
    options: &Options,
    encoding: ChannelEncoding,
) -> Result<Exported, Limitation> {
    let checker = Checker::new().unwrap();
    let connection = connection::spec("https://svix.example", "prod", encoding);
    let exporter = Exporter { options, connection: &connection, checker: &checker };
    let details = Details { headers, signing_key: None };
    let found = Found { application: "app", swh_event_type: None, observed, details: &details };
    let uid = Uid::Declared(observed.uid.as_deref().unwrap().to_owned());
    exporter.export(&found, &Identity { namespace: None, name: "app.hook".to_owned(), uid })
}

fn export(observed: &Observed) -> Result<Exported, Limitation> {
    export_with(observed, headers::Observed::default(), &options(), ChannelEncoding::default())
}

#[test]
fn an_endpoint_has_only_the_fields_that_svix_has() {
    let exported = export(&endpoint()).unwrap();

    assert_eq!(
        exported.manifest["spec"],
        serde_json::json!({"url": "https://a.example/", "eventTypes": ["a.one"], "application": "app", "uid": "hook"})
    );
    assert_eq!((exported.limitations, exported.secret), (Vec::new(), None));
}

#[test]
fn one_that_receives_everything_is_not_exported() {
    let observed = Observed { event_types: None, ..endpoint() };
    assert_eq!(export(&observed).unwrap_err(), Limitation::AllEventTypes);
}

#[test]
fn values_that_the_resource_refuses_are_not_exported() {
    for observed in [
        Observed { url: "http://a/".into(), ..endpoint() },
        Observed { url: "ftp://a.example/".into(), ..endpoint() },
        Observed {
            event_types: Some((0..501).map(|index| format!("a.{index}").into()).collect()),
            ..endpoint()
        },
        Observed { throttle_rate: Some(0), ..endpoint() },
    ] {
        assert!(matches!(export(&observed), Err(Limitation::Invalid(_))), "{observed:?}");
    }
}

#[test]
fn metadata_without_room_for_the_mark_is_not_exported() {
    let observed = Observed { metadata: metadata(&[("k", &"v".repeat(4080))]), ..endpoint() };
    assert!(matches!(export(&observed), Err(Limitation::NotAdopted(_))));
}

#[test]
fn a_channel_that_no_text_is_mapped_to_is_not_exported() {
    let observed = Observed { channels: Some(["plain".into()].into()), ..endpoint() };

    let with = |encoding| export_with(&observed, headers::Observed::default(), &options(), encoding);

    assert!(with(ChannelEncoding::WhenNeeded).is_ok());
    let expected = Limitation::Channel { channel: "plain".to_owned(), encoding: "Always" };
    assert_eq!(with(ChannelEncoding::Always).unwrap_err(), expected);
}

#[test]
fn what_is_left_out_is_named() {
    let long = "d".repeat(MAX_DESCRIPTION + 1);
    let keys: Vec<_> = (0..51).map(|index| (format!("k{index:02}"), "v")).collect();
    for (observed, text) in [
        (Observed { description: long.as_str().into(), ..endpoint() }, "/description: not in the manifest"),
        (Observed { metadata: metadata(&keys), ..endpoint() }, "/metadata: \"k50\" not in the manifest"),
        (
            Observed { metadata: metadata(&[("svix-operator.dev/x", "v")]), ..endpoint() },
            "/metadata: \"svix-operator.dev/x\" not in the manifest",
        ),
        (
            Observed {
                disabled: true,
                metadata: metadata(&[(PREPARING_METADATA_KEY, "true")]),
                ..endpoint()
            },
            "/disabled: it was being created",
        ),
    ] {
        let exported = export(&observed).unwrap();
        let limitations: Vec<_> = exported.limitations.iter().map(ToString::to_string).collect();
        assert!(limitations.len() == 1 && limitations[0].starts_with(text), "{limitations:?}");
        assert_eq!(exported.manifest["spec"].get("disabled"), None);
    }
}

#[test]
fn stale_texts_of_channels_are_kept() {
    let (channel, stale) = (uuid_of("https://b.example/"), uuid_of("https://c.example/"));
    let observed = Observed {
        channels: Some([channel.as_str().into()].into()),
        metadata: metadata(&[(&channel, "https://b.example/"), (&stale, "https://c.example/")]),
        ..endpoint()
    };

    let spec = &export(&observed).unwrap().manifest["spec"];

    assert_eq!(spec["channels"], serde_json::json!(["https://b.example/"]));
    assert_eq!(spec["metadata"], serde_json::json!({stale: "https://c.example/"}));
}

#[test]
fn headers_are_exported_whole_or_not_at_all() {
    let many: Vec<_> = (0..51).map(|index| format!("X-{index}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "a")).collect();
    let hidden =
        headers::Observed { hidden: ["Authorization".to_owned()].into(), ..headers(&[("X-Team", "a")]) };
    let with_secrets = Options { with_secrets: true, ..options() };
    for (found, options, expected) in [
        (headers(&[("X-Team", "hunter2")]), &options(), "/headers: X-Team not in the manifest"),
        (
            hidden,
            &with_secrets,
            "/headers: not in the manifest, since Svix does not show the values of Authorization",
        ),
        (headers(&many), &with_secrets, "/headers: not in the manifest: there are more than 50"),
        (
            headers(&[("X-Team", " hunter2")]),
            &with_secrets,
            "/headers: not in the manifest: the value of X-Team cannot",
        ),
        (
            headers(&[("X-Team", "")]),
            &with_secrets,
            "/headers: not in the manifest: the value of X-Team cannot",
        ),
        (
            headers(&[("X-A", "a"), ("x-a", "b")]),
            &with_secrets,
            "/headers: not in the manifest: /spec/headers/1/name",
        ),
    ] {
        let exported = export_with(&endpoint(), found, options, ChannelEncoding::default()).unwrap();

        let limitations: Vec<_> = exported.limitations.iter().map(ToString::to_string).collect();
        assert!(limitations.len() == 1 && limitations[0].starts_with(expected), "{limitations:?}");
        assert!(!limitations[0].contains("hunter2"), "{limitations:?}");
        assert_eq!((exported.manifest["spec"].get("headers"), exported.secret), (None, None));
    }
}

#[test]
fn credentials_are_values_of_one_secret() {
    let observed = Observed { url: "https://u:p@a.example/".into(), ..endpoint() };
    let options = Options { with_secrets: true, plain_headers: vec!["x-plain".to_owned()], ..options() };
    let found = headers(&[("X-Plain", " a "), ("X-Team", "b")]);

    let exported = export_with(&observed, found, &options, ChannelEncoding::default()).unwrap();

    let secret = exported.secret.unwrap();
    assert_eq!(secret["metadata"]["name"], "app.hook-svix");
    let values: BTreeMap<String, String> = serde_json::from_value(secret["stringData"].clone()).unwrap();
    let expected = [("header.1.X-Team", "b"), ("url", "https://u:p@a.example/")];
    assert!(
        values.iter().map(|(key, value)| (key.as_str(), value.as_str())).eq(expected),
        "{:?}",
        values.keys()
    );
    let spec = &exported.manifest["spec"];
    assert_eq!(spec["headers"][0], serde_json::json!({"name": "X-Plain", "value": " a "}));
    assert!(spec.get("url").is_none() && !exported.manifest.to_string().contains("u:p@"), "{spec}");
}

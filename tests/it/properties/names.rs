//! Names in Svix that are derived.

use super::*;

fn is_svix_name(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

proptest! {
    #[test]
    fn mapped_channels_are_valid_and_distinct(a in ".{1,200}", b in ".{1,200}") {
        for encoding in [ChannelEncoding::WhenNeeded, ChannelEncoding::Always] {
            let encoded = channels::encode(&a, encoding);
            prop_assert!(is_svix_name(&encoded) && encoded.len() <= 128, "{}", encoded);
            prop_assert_eq!(&encoded, &channels::encode(&a, encoding));
            prop_assert!(a == b || encoded != channels::encode(&b, encoding));
        }
        prop_assert_eq!(channels::encode(&a, ChannelEncoding::Always), channels::uuid_of(&a));
    }

    #[test]
    fn default_uids_are_valid_and_distinct(
        owner in "[a-z0-9]([-a-z0-9_]{0,62}[a-z0-9])?",
        namespaces in ["[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"],
        names in ["[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?", "[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?"],
    ) {
        let [first, second] = [0, 1].map(|i| ids::default_uid(&owner, &namespaces[i], &names[i]));
        prop_assert!(is_svix_name(&first) && ids::is_uid(&first), "{}", first);
        let same = namespaces[0] == namespaces[1] && names[0] == names[1];
        prop_assert_eq!(first == second, same);
    }
}

//! The mirror, while Svix is listed and written.

use super::*;

/// What happens, in some order, while Svix is listed.
#[derive(Clone, Debug)]
enum Happens {
    /// We write an event type: Svix has it, and the mirror is reported.
    Write(usize, u8),
    /// We delete one.
    Delete(usize),
    /// Somebody else writes one: the mirror is not reported.
    Foreign(usize, u8),
    /// Somebody else deletes one.
    ForeignDelete(usize),
    /// The page that was read arrives, and the next one is read.
    Page,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        (0..6usize, any::<u8>()).prop_map(|(name, value)| Happens::Write(name, value)),
        (0..6usize).prop_map(Happens::Delete),
        (0..6usize, any::<u8>()).prop_map(|(name, value)| Happens::Foreign(name, value)),
        (0..6usize).prop_map(Happens::ForeignDelete),
        Just(Happens::Page),
    ]
}

fn observed(name: usize, value: u8) -> event_type::Observed {
    event_type::Observed {
        name: format!("a.{name}"),
        description: value.to_string(),
        archived: false,
        deprecated: false,
        schema_digest: None,
        group_name: None,
        feature_flags: std::collections::BTreeSet::new(),
    }
}

/// One listing, two names a page, while things happen: a page is read at one moment and arrives at a later
/// one. What is left after them is read at the end.
fn list_while(mirror: &Mirror, svix: &mut BTreeMap<usize, u8>, happenings: &[Happens]) {
    let listing = mirror.begin();
    let mut next = Some(0);
    let mut under_way: Option<Vec<event_type::Observed>> = None;
    let mut turn_page = |svix: &BTreeMap<usize, u8>| {
        if let Some(page) = under_way.take() {
            mirror.list_event_types(listing, page);
        }
        let Some(from) = next else { return false };
        under_way = Some(svix.range(from..).take(2).map(|(name, value)| observed(*name, *value)).collect());
        next = svix.range(from..).nth(1).map(|(last, _)| last + 1);
        true
    };
    for happening in happenings {
        match *happening {
            Happens::Write(name, value) => {
                svix.insert(name, value);
                mirror.put_event_type(observed(name, value));
            }
            Happens::Delete(name) => {
                svix.remove(&name);
                mirror.remove_event_type(&format!("a.{name}"));
            }
            Happens::Foreign(name, value) => {
                svix.insert(name, value);
            }
            Happens::ForeignDelete(name) => {
                svix.remove(&name);
            }
            Happens::Page => {
                turn_page(svix);
            }
        }
    }
    while turn_page(svix) {}
    mirror.finish_event_types(listing);
}

fn shows(mirror: &Mirror, name: usize) -> Option<String> {
    mirror.event_type(&format!("a.{name}")).map(|found| found.description.clone())
}

proptest! {
    #[test]
    fn own_writes_survive_concurrent_listings(
        start in collection::btree_map(0..6usize, any::<u8>(), 0..6),
        happenings in collection::vec(happens(), 0..20),
    ) {
        let mirror = Mirror::default();
        let mut svix = start;
        list_while(&mirror, &mut svix, &[]);
        list_while(&mirror, &mut svix, &happenings);
        // What only we touched during the listing is exactly as we left it.
        for name in 0..6 {
            let ours = happenings.iter().any(|h| matches!(h, Happens::Write(n, _) | Happens::Delete(n) if *n == name));
            let others = happenings.iter().any(|h| matches!(h, Happens::Foreign(n, _) | Happens::ForeignDelete(n) if *n == name));
            if ours && !others {
                prop_assert_eq!(shows(&mirror, name), svix.get(&name).map(ToString::to_string), "a.{}", name);
            }
        }
        // Whatever the mirror missed, the next listing shows.
        list_while(&mirror, &mut svix, &[]);
        for name in 0..6 {
            prop_assert_eq!(shows(&mirror, name), svix.get(&name).map(ToString::to_string), "a.{}", name);
        }
    }
}

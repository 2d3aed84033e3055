//! Real histories of schemas: which releases of GitHub's webhook schemas broke receivers.

mod report;

use std::path::{Path, PathBuf};

use crate::support::octokit::releases;

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/evolution-octokit.md")
}

#[tokio::test]
async fn the_last_releases_are_reported_as_they_are() {
    let page = std::fs::read_to_string(page()).unwrap();
    let Some(releases) = releases().await else { return };

    for pair in releases.windows(2).rev().take(3) {
        let row = report::row(&pair[0], &pair[1]);

        assert!(page.contains(&row), "{row}");
    }
}

#[tokio::test]
#[ignore = "takes minutes without optimisation"]
async fn the_page_of_githubs_schemas_is_up_to_date() {
    let Some(releases) = releases().await else { return };

    let found = report::page(&releases);

    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(page(), &found).unwrap();
    }
    assert_eq!(std::fs::read_to_string(page()).unwrap(), found, "run it with UPDATE=1");
}

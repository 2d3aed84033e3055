//! Real histories of schemas: which releases of GitHub's webhook schemas broke receivers.

mod report;

use std::path::Path;

use crate::support::octokit::releases;

#[tokio::test]
async fn the_page_of_githubs_schemas_is_up_to_date() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/evolution-octokit.md");
    let Some(releases) = releases().await else { return };

    let found = report::page(&releases);

    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&page, &found).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&page).unwrap(), found, "run it with UPDATE=1");
}

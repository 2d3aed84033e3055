//! What an export did, for people.

use std::fmt::Write as _;

use crate::manifests::counted;

use super::limitation::{Effect, Note};

/// What an export did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many event types have a manifest.
    pub event_types: usize,
    /// How many endpoints have one.
    pub endpoints: usize,
    /// How many Secrets were written.
    pub secrets: usize,
    /// How many applications swh-webhooks made.
    pub swh_applications: usize,
    /// How many archived event types were left out, since they were not asked for.
    pub archived: usize,
    /// The `ownerId` of the connection.
    pub owner: String,
    /// What the manifests do not say.
    pub notes: Vec<Note>,
}

impl Report {
    /// The notes with this effect.
    pub fn notes_with(&self, effect: Effect) -> impl Iterator<Item = &Note> {
        self.notes.iter().filter(move |note| note.limitation.effect() == effect)
    }

    /// What was exported, in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut summary = format!(
            "{} and {}",
            counted(self.event_types, "event type"),
            counted(self.endpoints, "endpoint")
        );
        if self.secrets > 0 {
            let _ = write!(summary, ", with {}", counted(self.secrets, "Secret"));
        }
        let _ = write!(summary, " (ownerId {})", self.owner);
        if self.swh_applications > 0 {
            let _ =
                write!(summary, "; {} made by swh-webhooks", counted(self.swh_applications, "application"));
        }
        if self.archived > 0 {
            let _ = write!(
                summary,
                "; {} left out, --include-archived exports them",
                counted(self.archived, "archived event type")
            );
        }
        summary
    }

    /// The page that lists what is not in the manifests.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = format!("# Not exported\n\n{}.\n", self.summary());
        for (effect, title) in [
            (Effect::NotExported, "No manifest"),
            (Effect::PartLeftOut, "Not in the manifest; kept in Svix when the object is adopted"),
        ] {
            let mut notes = self.notes_with(effect).peekable();
            if notes.peek().is_some() {
                let _ = write!(page, "\n## {title}\n");
            }
            for note in notes {
                let _ = writeln!(page, "- {}", note.to_string().replace(['\n', '\r'], " "));
            }
        }
        if self.notes.is_empty() {
            page.push_str("\nEverything is in the manifests.\n");
        }
        page
    }
}

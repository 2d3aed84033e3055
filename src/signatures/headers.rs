//! The headers of a captured request.

/// Which names the headers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// `svix-id`, `svix-timestamp`, `svix-signature`.
    Svix,
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    StandardWebhooks,
}

impl Names {
    /// The header of the id.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Svix => "svix-id",
            Self::StandardWebhooks => "webhook-id",
        }
    }

    /// The header of the timestamp.
    #[must_use]
    pub fn timestamp(self) -> &'static str {
        match self {
            Self::Svix => "svix-timestamp",
            Self::StandardWebhooks => "webhook-timestamp",
        }
    }

    /// The header of the signatures.
    #[must_use]
    pub fn signature(self) -> &'static str {
        match self {
            Self::Svix => "svix-signature",
            Self::StandardWebhooks => "webhook-signature",
        }
    }
}

/// The three headers that belong to a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedHeaders {
    /// The names that the request has.
    pub names: Names,
    /// The id of the message.
    pub id: String,
    /// The timestamp, as it is written.
    pub timestamp: String,
    /// The signatures, as they are written.
    pub signature: String,
}

/// Headers that no receiver can verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeaders {
    /// A header is missing.
    #[error("/{header}: found no such header, expected it next to {others}; save all headers of the request")]
    Missing {
        /// The header.
        header: &'static str,
        /// The others.
        others: String,
    },
    /// A header is there twice, with different values.
    #[error("/{0}: found it more than once with different values, expected it once")]
    Repeated(&'static str),
    /// None of the headers is there.
    #[error(
        "found no header of a signature, expected svix-id, svix-timestamp and svix-signature, or webhook-id, \
         webhook-timestamp and webhook-signature; the request was not signed, or a proxy removed them"
    )]
    None,
}

impl CapturedHeaders {
    /// Finds the headers among those of a request. As in Svix's libraries, `svix-` headers come before `webhook-` headers.
    pub fn find<'a>(
        all: impl IntoIterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Result<Self, InvalidHeaders> {
        let value = |header: &'static str| {
            let mut values = all
                .clone()
                .into_iter()
                .filter(|(name, _)| name.trim().eq_ignore_ascii_case(header))
                .map(|(_, value)| value.trim());
            let first = values.next();
            match values.all(|value| Some(value) == first) {
                true => Ok(first.map(str::to_owned)),
                false => Err(InvalidHeaders::Repeated(header)),
            }
        };
        for names in [Names::Svix, Names::StandardWebhooks] {
            let headers = [names.id(), names.timestamp(), names.signature()];
            let [id, timestamp, signature] = [value(headers[0])?, value(headers[1])?, value(headers[2])?];
            match (id, timestamp, signature) {
                (Some(id), Some(timestamp), Some(signature)) => {
                    return Ok(Self { names, id, timestamp, signature });
                }
                (None, None, None) => {}
                (id, timestamp, _) => {
                    let header = match (id, timestamp) {
                        (None, _) => names.id(),
                        (_, None) => names.timestamp(),
                        _ => names.signature(),
                    };
                    let others: Vec<_> = headers.into_iter().filter(|other| *other != header).collect();
                    return Err(InvalidHeaders::Missing { header, others: others.join(" and ") });
                }
            }
        }
        Err(InvalidHeaders::None)
    }

    /// The signatures, each with its version.
    pub(super) fn signatures(&self) -> impl Iterator<Item = (&str, &str)> {
        self.signature.split_whitespace().filter_map(|text| text.split_once(','))
    }
}

/// Reads the headers of a request as tools show them: a line for each, `Name: value`. Other lines, such as `POST / HTTP/1.1`,
/// are ignored, as are the signs in front of a line that curl prints.
#[must_use]
pub fn lines(text: &str) -> Vec<(&str, &str)> {
    text.lines()
        .filter_map(|line| line.trim_start_matches(['>', '<', '*', ' ']).split_once(':'))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect()
}

//! What is wrong with a text that has no certificates in PEM.

use std::fmt;

/// The first mistake in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemMistake {
    /// Its line; `None`: it is about the whole text.
    pub line: Option<usize>,
    /// What it is.
    pub kind: PemMistakeKind,
}

impl fmt::Display for PemMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        self.kind.fmt(f)
    }
}

impl std::error::Error for PemMistake {}

/// The kinds of mistakes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemMistakeKind {
    /// There is no text.
    #[error("found no text, expected certificates in PEM: set the certificates of the server's authority")]
    Empty,
    /// It is no text, such as a certificate in DER.
    #[error(
        "found bytes that are no text, expected certificates in PEM: `openssl x509 -inform der -in FILE` converts a \
         certificate"
    )]
    Binary,
    /// There is no block.
    #[error(
        "found text without a block, expected a line -----BEGIN CERTIFICATE-----: copy the whole file of the authority's \
         certificate"
    )]
    NoBlock,
    /// The text is PEM, encoded once more.
    #[error("found PEM that is encoded in base64 once more, expected -----BEGIN CERTIFICATE-----: decode it")]
    EncodedTwice,
    /// There are only blocks of other kinds.
    #[error("found a block {0}, expected CERTIFICATE: set the certificate of the server's authority")]
    OtherBlock(String),
    /// A block has no line breaks.
    #[error(
        "found a block without line breaks, expected lines of their own for its beginning and its end: in YAML, write it \
         behind |"
    )]
    OneLine,
    /// There is white space before a block.
    #[error("found white space before -----BEGIN, expected it at the beginning of the line: remove it")]
    Indented,
    /// The line that begins a block is damaged.
    #[error(
        "found -----BEGIN without five hyphens at the end of the line, expected -----BEGIN CERTIFICATE-----"
    )]
    Beginning,
    /// A block has no end.
    #[error(
        "found a block {0} without a line -----END {0}-----, expected the whole block: copy the file again"
    )]
    NoEnd(String),
    /// A block has something else than base64.
    #[error("found something else than base64 in a block, expected it as it was issued: copy the file again")]
    Content,
    /// A block has no certificate.
    #[error(
        "found a block CERTIFICATE that is no X.509 certificate of version 3, expected that of an authority: copy the file \
         again"
    )]
    Certificate,
}

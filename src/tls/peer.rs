//! Why no connection to a server can be trusted.

use std::{error::Error, io};

use rustls::{CertificateError, Error as TlsError, InvalidMessage};

/// What is wrong with a server, seen from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerMistake {
    /// It answers with something that is not TLS.
    #[error("no TLS is spoken at this address; perhaps it is http:// instead of https://")]
    NoTls,
    /// Its certificate is of an authority that is not trusted.
    #[error(
        "found a server certificate of an authority that is not trusted, expected one of a trusted authority"
    )]
    UnknownAuthority,
    /// Its certificate is of another host.
    #[error("found a server certificate for another host name, expected one for the name in the address")]
    OtherName,
    /// Its certificate has expired.
    #[error("found a server certificate that has expired, expected one that is valid now: renew it")]
    Expired,
    /// Its certificate is not valid yet.
    #[error(
        "found a server certificate that is not valid yet, expected one that is valid now: check both clocks"
    )]
    NotYetValid,
    /// Its certificate cannot be used for another reason.
    #[error("found a server certificate that cannot be used, expected one of X.509 version 3 for servers")]
    Unusable,
}

/// Returns what is wrong with the server, if that is why a call failed.
#[must_use]
pub fn peer_mistake(error: &(dyn Error + 'static)) -> Option<PeerMistake> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // An I/O error does not name the error that it wraps as its source.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = match wrapped {
            Some(wrapped) => peer_mistake(wrapped),
            None => error.downcast_ref().and_then(of),
        };
        if found.is_some() {
            return found;
        }
        cause = error.source();
    }
    None
}

fn of(error: &TlsError) -> Option<PeerMistake> {
    match error {
        TlsError::InvalidMessage(InvalidMessage::InvalidContentType) => Some(PeerMistake::NoTls),
        TlsError::InvalidCertificate(error) => Some(match error {
            // A signature that is not right is that of another authority of the same name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => PeerMistake::UnknownAuthority,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                PeerMistake::OtherName
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => PeerMistake::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                PeerMistake::NotYetValid
            }
            _ => PeerMistake::Unusable,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_is_refused_is_named() {
        for (error, expected) in [
            (CertificateError::UnknownIssuer, PeerMistake::UnknownAuthority),
            (CertificateError::BadSignature, PeerMistake::UnknownAuthority),
            (CertificateError::NotValidForName, PeerMistake::OtherName),
            (CertificateError::Expired, PeerMistake::Expired),
            (CertificateError::NotValidYet, PeerMistake::NotYetValid),
            (CertificateError::BadEncoding, PeerMistake::Unusable),
        ] {
            let error = TlsError::InvalidCertificate(error);
            let wrapped = io::Error::other(io::Error::other(error.clone()));
            assert_eq!((peer_mistake(&error), peer_mistake(&wrapped)), (Some(expected), Some(expected)));
        }
        assert_eq!(peer_mistake(&TlsError::DecryptError), None);
        assert_eq!(peer_mistake(&io::Error::from(io::ErrorKind::TimedOut)), None);
    }
}

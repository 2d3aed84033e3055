//! Why the credential of a kubeconfig cannot be used. Nothing of it is shown: the library's messages have the output of
//! commands, which may be a token, also when a command fails long after the client was made.

use std::error::Error;

use kube::client::AuthError;

/// Returns why a call failed, if that is because of the credential.
pub(super) fn credential_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a AuthError> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

/// Describes why a credential cannot be used.
#[must_use]
pub fn describe_credential(error: &AuthError) -> String {
    const USER: &str = "of the context's user";
    const COMMAND: &str = "/users: exec of the context's user";
    match error {
        AuthError::ReadTokenFile(error, path) => {
            format!("/users: tokenFile {USER}: {}: {error}", path.display())
        }
        AuthError::InvalidBearerToken(_) => format!(
            "/users: the token {USER}: found characters that an HTTP header cannot have (not shown), expected one line of text"
        ),
        AuthError::InvalidBasicAuth(_) => format!(
            "/users: username and password {USER}: found characters that an HTTP header cannot have (not shown), expected \
             one line of text each"
        ),
        AuthError::MissingCommand => {
            format!("{COMMAND}: found no command, expected the program that prints a credential")
        }
        AuthError::AuthExecStart(error) => {
            format!("{COMMAND}: the command cannot be started: {error}; install it, or correct exec.command")
        }
        AuthError::AuthExecRun { out, .. } => format!(
            "{COMMAND}: the command failed ({}); its output is not shown, run it by hand to see it",
            out.status
        ),
        AuthError::AuthExecParse(_)
        | AuthError::ExecPluginFailed
        | AuthError::ParseTokenKey(_)
        | AuthError::MalformedTokenExpirationDate(_)
        | AuthError::UnrefreshableTokenResponse => format!(
            "{COMMAND}: found no credential in the output of the command (not shown), expected an ExecCredential of \
             client.authentication.k8s.io with a token"
        ),
        _ => format!(
            "/users: the credential {USER} cannot be used; `kubectl auth whoami` shows whether kubectl can use it"
        ),
    }
}

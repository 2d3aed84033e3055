//! `svix-operator signature` as a user runs it: where the key comes from, and the exit codes.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use super::{PROGRAM, text};

const KEY: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("body", "{}");
        folder
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn run(&self, key: Option<&str>, arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.current_dir(self.0.path()).arg("signature").args(arguments).stdin(Stdio::null());
        match key {
            Some(key) => command.env("SVIX_SIGNING_SECRET", key),
            None => command.env_remove("SVIX_SIGNING_SECRET"),
        };
        command.output().unwrap()
    }
}

#[test]
fn what_is_signed_now_is_genuine() {
    let folder = Folder::new();
    for names in [&[][..], &["--standard-webhooks"]] {
        let signed = folder.run(Some(KEY), &[&["sign", "-f", "body"], names].concat());
        folder.write("headers", &text(&signed));

        let verified = folder.run(Some(KEY), &["verify", "-f", "body", "--headers", "headers"]);

        assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));
        assert!(text(&verified).starts_with("genuine: message msg_"), "{}", text(&verified));
    }
}

#[test]
fn a_file_of_two_keys_is_a_rotation() {
    let folder = Folder::new();
    folder.write("keys", &format!("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\n{KEY}\n"));
    folder.write("headers", &text(&folder.run(Some(KEY), &["sign", "-f", "body"])));

    let verified =
        folder.run(None, &["verify", "-f", "body", "--headers", "headers", "--secret-file", "keys"]);
    let signed = folder.run(None, &["sign", "-f", "body", "--secret-file", "keys"]);

    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));
    assert_eq!(signed.status.code(), Some(2));
    assert!(text(&signed).contains("found 2 signing keys, expected one"), "{}", text(&signed));
}

#[test]
fn what_cannot_be_verified_is_exit_code_2() {
    let folder = Folder::new();
    let id = ["verify", "-f", "body", "-H", "svix-id: a"];
    for (key, arguments, expected) in [
        (None, &id[..], "the environment variable SVIX_SIGNING_SECRET: found no signing key"),
        (Some("whsec_hunter2!"), &id, "line 1: what follows the prefix is not base64"),
        (
            Some(KEY),
            &["verify", "-f", "nowhere", "-H", "svix-id: a"],
            "/svix-timestamp: found no such header",
        ),
        (Some(KEY), &["verify", "-f", "body", "-H", "svix-id"], "expected `Name: value`"),
        (Some(KEY), &["verify", "-f", "body"], "found no header of a signature"),
        (Some("whpk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), &["sign", "-f", "body"], "cannot sign"),
    ] {
        let output = folder.run(key, arguments);

        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains(expected), "{expected}: {}", text(&output));
        assert!(!text(&output).contains("hunter2"));
    }
}

#[test]
fn a_request_that_is_not_genuine_is_exit_code_1() {
    let folder = Folder::new();
    folder.write("headers", &text(&folder.run(Some(KEY), &["sign", "-f", "body", "--timestamp", "1"])));

    let verified = folder.run(Some(KEY), &["verify", "-f", "body", "--headers", "headers"]);

    assert_eq!(verified.status.code(), Some(1));
    assert!(text(&verified).contains("/svix-timestamp: found 1, which is"), "{}", text(&verified));
    assert!(!text(&verified).contains("no signature matches"), "the signature matches: {}", text(&verified));
}

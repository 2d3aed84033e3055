#![allow(clippy::unwrap_used)]
use rcgen::{CertificateParams, KeyPair};

use super::*;

/// The certificate of an authority, as PEM.
fn authority() -> String {
    let key = KeyPair::generate().unwrap();
    CertificateParams::default().self_signed(&key).unwrap().pem()
}

fn mistake(text: impl AsRef<[u8]>) -> PemMistake {
    authorities(text.as_ref()).unwrap_err()
}

fn at(line: usize, kind: PemMistakeKind) -> PemMistake {
    PemMistake { line: Some(line), kind }
}

fn of_all(kind: PemMistakeKind) -> PemMistake {
    PemMistake { line: None, kind }
}

#[test]
fn certificates_are_read_among_other_text() {
    let (first, second) = (authority(), authority());
    let texts = [
        first.clone(),
        first.replace('\n', "\r\n"),
        first.replace('\n', "\r"),
        format!("# An authority\n{first}"),
        format!("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n{first}"),
    ];
    for text in texts {
        assert_eq!(authorities(text.as_bytes()).map(|found| found.len()), Ok(1), "{text}");
    }
    let mut latin = b"# Autorit\xe9\n".to_vec();
    latin.extend(format!("{first}{second}").bytes());
    assert_eq!(authorities(&latin).map(|found| found.len()), Ok(2), "a comment in another encoding");
}

#[test]
fn what_is_no_pem_is_named() {
    let good = authority();
    let der = authorities(good.as_bytes()).unwrap().remove(0);
    let twice = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &good);
    for (text, expected) in [
        (b"".to_vec(), of_all(PemMistakeKind::Empty)),
        (b" \n\t\n".to_vec(), of_all(PemMistakeKind::Empty)),
        (b"ca.crt".to_vec(), of_all(PemMistakeKind::NoBlock)),
        (b"-----END CERTIFICATE-----\n".to_vec(), of_all(PemMistakeKind::NoBlock)),
        (der.to_vec(), of_all(PemMistakeKind::Binary)),
        (
            good.encode_utf16().flat_map(u16::to_le_bytes).chain([0xff]).collect(),
            of_all(PemMistakeKind::Binary),
        ),
        (twice.into_bytes(), at(1, PemMistakeKind::EncodedTwice)),
    ] {
        assert_eq!(mistake(&text), expected, "{:?}", String::from_utf8_lossy(&text));
    }
}

#[test]
fn a_damaged_block_is_named_with_its_line() {
    let good = authority();
    let lines: Vec<&str> = good.lines().collect();
    let without = |line: usize| {
        let kept = lines.iter().enumerate().filter(|(index, _)| *index != line);
        kept.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    let certificate = || "CERTIFICATE".to_owned();
    let (last, count) = (lines.len() - 1, lines.len());
    for (text, expected) in [
        (without(last), at(1, PemMistakeKind::NoEnd(certificate()))),
        (format!("{}{good}", without(last)), at(1, PemMistakeKind::NoEnd(certificate()))),
        (format!("{good}{}", without(last)), at(count + 1, PemMistakeKind::NoEnd(certificate()))),
        (good.replace("END CERT", "END NO CERT"), at(1, PemMistakeKind::NoEnd(certificate()))),
        (good.replace('\n', " "), at(1, PemMistakeKind::OneLine)),
        (good.replace('\n', "\\n"), at(1, PemMistakeKind::OneLine)),
        (lines.concat(), at(1, PemMistakeKind::OneLine)),
        (good.replace("-----BEGIN", "  -----BEGIN"), at(1, PemMistakeKind::Indented)),
        (good.replace("BEGIN CERTIFICATE-----", "BEGIN CERTIFICATE----"), at(1, PemMistakeKind::Beginning)),
        (good.replace("BEGIN CERTIFICATE-----", "BEGIN CERTIFICATE"), at(1, PemMistakeKind::Beginning)),
        (good.replacen("\nM", "\n*", 1), at(2, PemMistakeKind::Content)),
        (good.replacen("\nM", "\n", 1), at(1, PemMistakeKind::Content)),
        (without(1), at(1, PemMistakeKind::Certificate)),
        (format!("\n{good}{}", without(1)), at(count + 2, PemMistakeKind::Certificate)),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
            at(1, PemMistakeKind::Certificate),
        ),
    ] {
        assert_eq!(mistake(&text), expected, "{text}");
    }
}

#[test]
fn a_key_is_named_and_not_shown() {
    let key = KeyPair::generate().unwrap().serialize_pem();
    assert_eq!(mistake(&key), at(1, PemMistakeKind::OtherBlock("PRIVATE KEY".to_owned())));

    let odd = "-----BEGIN hunter2-----\nAAAA\n-----END hunter2-----\n";
    assert!(!mistake(odd).to_string().contains("hunter2"), "{}", mistake(odd));
    for text in
        [key.replace('\n', " "), key.replacen("-----END", "-----", 1), key.replacen('\n', "\nhunter2\n", 1)]
    {
        let said = mistake(&text).to_string();
        let shown = key.lines().skip(1).take(3).any(|line| said.contains(line)) || said.contains("hunter2");
        assert!(!shown && said.starts_with("line "), "{said}");
    }
}

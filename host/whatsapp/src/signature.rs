//! Who sent a webhook: Meta's signature over the raw bytes, and the handshake that sets a webhook up.

use std::fmt;

use ring::hmac;

/// A webhook's body whose signature holds. Only [`AppSecrets::verify`] makes one, so nothing unsigned is ever parsed.
#[derive(Clone, Copy)]
pub struct VerifiedBody<'a>(&'a [u8]);

impl<'a> VerifiedBody<'a> {
    /// The bytes as they came.
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for VerifiedBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedBody({} bytes)", self.0.len())
    }
}

/// Why a body is not taken. None of these says what would have been right: answer 401 to all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No `X-Hub-Signature-256`.
    #[error("the request carries no X-Hub-Signature-256 header")]
    Missing,
    /// Not `sha256=` and 64 hexadecimal digits.
    #[error("the X-Hub-Signature-256 header is not sha256= and 64 hexadecimal digits")]
    Malformed,
    /// Made with none of the app secrets.
    #[error("the signature was made with none of the app secrets; check that the app secret is this app's")]
    Mismatch,
}

/// A secret that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// There is none.
    #[error("at least one secret is needed")]
    None,
    /// It is blank: anybody could sign with it.
    #[error("a secret is blank")]
    Blank,
}

/// The app secrets that are active at once: more than one while a secret is being changed.
#[derive(Clone)]
pub struct AppSecrets {
    keys: Vec<hmac::Key>,
    escaped_form: bool,
}

impl fmt::Debug for AppSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppSecrets({} hidden)", self.keys.len())
    }
}

impl AppSecrets {
    /// Takes one or more secrets; surrounding white space is not part of a secret.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidSecret> {
        let key = |secret: &str| {
            let secret = secret.trim();
            if secret.is_empty() { Err(InvalidSecret::Blank) } else { Ok(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())) }
        };
        let keys = secrets.into_iter().map(key).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(InvalidSecret::None);
        }
        Ok(Self { keys, escaped_form: true })
    }

    /// Whether a body that holds characters beyond ASCII, and whose signature does not fit its bytes, is looked at once
    /// more with those characters written as `\u` escapes. That is the form Meta signs; it differs from the bytes only
    /// where something between Meta and here has rewritten the JSON. On by default.
    pub fn try_escaped_form(mut self, on: bool) -> Self {
        self.escaped_form = on;
        self
    }

    /// Checks the value of `X-Hub-Signature-256` against the raw body, in constant time for each secret.
    pub fn verify<'a>(&self, raw_body: &'a [u8], header: Option<&[u8]>) -> Result<VerifiedBody<'a>, SignatureError> {
        let tag = parse_header(header.ok_or(SignatureError::Missing)?).ok_or(SignatureError::Malformed)?;
        if self.signed(raw_body, &tag) {
            return Ok(VerifiedBody(raw_body));
        }
        if self.escaped_form
            && !raw_body.is_ascii()
            && let Ok(text) = std::str::from_utf8(raw_body)
            && self.signed(escape(text).as_bytes(), &tag)
        {
            return Ok(VerifiedBody(raw_body));
        }
        Err(SignatureError::Mismatch)
    }

    fn signed(&self, body: &[u8], tag: &[u8; 32]) -> bool {
        self.keys.iter().any(|key| hmac::verify(key, body, tag).is_ok())
    }
}

/// Exactly `sha256=` and 64 hexadecimal digits.
fn parse_header(header: &[u8]) -> Option<[u8; 32]> {
    let digits = header.strip_prefix(b"sha256=")?;
    let mut tag = [0; 32];
    hex::decode_to_slice(digits, &mut tag).ok()?;
    Some(tag)
}

/// Writes all beyond ASCII as `\uxxxx`, in UTF-16 units and lower case.
fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len() * 2);
    let mut units = [0; 2];
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                // Writing into a string does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// The word that the operator typed into Meta's dashboard, so that Meta can prove itself when it sets the webhook up.
#[derive(Clone)]
pub struct VerifyToken {
    key: hmac::Key,
    tag: hmac::Tag,
}

impl fmt::Debug for VerifyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyToken(hidden)")
    }
}

impl VerifyToken {
    /// Takes the token; surrounding white space is not part of it.
    pub fn new(token: &str) -> Result<Self, InvalidSecret> {
        let token = token.trim().as_bytes();
        if token.is_empty() {
            return Err(InvalidSecret::Blank);
        }
        // Comparing MACs instead of tokens takes the same time whatever length and start the other token has.
        let key = hmac::Key::new(hmac::HMAC_SHA256, token);
        let tag = hmac::sign(&key, token);
        Ok(Self { key, tag })
    }

    fn is(&self, token: &str) -> bool {
        hmac::verify(&self.key, token.as_bytes(), self.tag.as_ref()).is_ok()
    }
}

/// Why a handshake is refused: answer 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// `hub.mode` is not `subscribe`.
    #[error("hub.mode is not subscribe")]
    Mode,
    /// `hub.verify_token` is missing or another.
    #[error("hub.verify_token is not the one in the configuration")]
    Token,
    /// `hub.challenge` is missing, too long, or not printable ASCII.
    #[error("hub.challenge is missing or unfit")]
    Challenge,
}

/// Characters of a challenge; Meta sends about ten digits.
const CHALLENGE_BYTES_MAX: usize = 256;

/// Answers Meta's verification request (`hub.mode`, `hub.verify_token`, `hub.challenge`, in any order): on success the
/// challenge is the body of the 200, as `text/plain`.
pub fn handshake<'a>(
    expected: &VerifyToken,
    mode: Option<&str>,
    token: Option<&str>,
    challenge: Option<&'a str>,
) -> Result<&'a str, HandshakeError> {
    if mode != Some("subscribe") {
        return Err(HandshakeError::Mode);
    }
    if !token.is_some_and(|token| expected.is(token)) {
        return Err(HandshakeError::Token);
    }
    challenge
        .filter(|text| (1..=CHALLENGE_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or(HandshakeError::Challenge)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const HEADER: &[u8] = b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    /// As Meta sends it: escapes stand in the bytes.
    const ESCAPED: &[u8] = br#"{"text":{"body":"\u00e4\u00f6\u00e5 https:\/\/x"}}"#;
    const ESCAPED_HEADER: &[u8] = b"sha256=d30fb6016c32f8a39cbdc9a231d011aaf87508090fff492e2b794930d8c15790";

    fn verify(secrets: &[&str], body: &[u8], header: &[u8]) -> Result<(), SignatureError> {
        AppSecrets::new(secrets.iter().copied()).unwrap().verify(body, Some(header)).map(|_| ())
    }

    fn header(secret: &str, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        format!("sha256={}", hex::encode(hmac::sign(&key, body)))
    }

    #[test]
    fn known_vectors() {
        assert_eq!(verify(&[SECRET], BODY, HEADER), Ok(()));
        assert_eq!(verify(&["app-secret"], ESCAPED, ESCAPED_HEADER), Ok(()));
        let verified = AppSecrets::new([SECRET]).unwrap();
        assert_eq!(verified.verify(BODY, Some(HEADER)).unwrap().bytes(), BODY);
    }

    #[test]
    fn hexadecimal_digits_of_either_case() {
        let upper = String::from_utf8(HEADER[7..].to_vec()).unwrap().to_uppercase();
        assert_eq!(verify(&[SECRET], BODY, format!("sha256={upper}").as_bytes()), Ok(()));
    }

    #[test]
    fn any_of_the_active_secrets() {
        for secrets in [[SECRET, "other"], ["other", SECRET]] {
            assert_eq!(verify(&secrets, BODY, HEADER), Ok(()));
        }
        assert_eq!(verify(&["other", "another"], BODY, HEADER), Err(SignatureError::Mismatch));
    }

    #[test]
    fn one_changed_bit_anywhere_is_refused() {
        for at in 0..BODY.len() {
            let mut body = BODY.to_vec();
            body[at] ^= 1;
            assert_eq!(verify(&[SECRET], &body, HEADER), Err(SignatureError::Mismatch));
        }
        for at in 7..HEADER.len() {
            let mut header = HEADER.to_vec();
            header[at] = if header[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(verify(&[SECRET], BODY, &header), Err(SignatureError::Mismatch));
        }
    }

    #[test]
    fn malformed_headers_are_refused() {
        let digits = &HEADER[7..];
        let bad: Vec<Vec<u8>> = vec![
            b"".to_vec(),
            b"sha256=".to_vec(),
            digits.to_vec(),
            [b"sha1=".as_slice(), digits].concat(),
            [b"SHA256=".as_slice(), digits].concat(),
            [b"sha256= ".as_slice(), digits].concat(),
            [HEADER, b" "].concat(),
            [HEADER, b"00"].concat(),
            [b"sha256=".as_slice(), &digits[1..]].concat(),
            [b"sha256=".as_slice(), &digits[2..]].concat(),
            [b"sha256=zz".as_slice(), &digits[2..]].concat(),
            [b"sha256=\xff\xfe".as_slice(), &digits[2..]].concat(),
        ];
        for header in bad {
            assert_eq!(verify(&[SECRET], BODY, &header), Err(SignatureError::Malformed), "{}", header.escape_ascii());
        }
        let secrets = AppSecrets::new([SECRET]).unwrap();
        assert_eq!(secrets.verify(BODY, None).unwrap_err(), SignatureError::Missing);
    }

    #[test]
    fn a_body_written_anew_is_refused() {
        // The same document without its escapes: the slashes differ, so even the escaped form does not fit.
        let rewritten = "{\"text\":{\"body\":\"äöå https://x\"}}".as_bytes();
        assert_eq!(header("app-secret", rewritten), "sha256=328fe0b705ac2fa957a4b8324d99b684c4a5a7df3c14540e2dd93b0e196a4f5a");
        assert_eq!(verify(&["app-secret"], rewritten, ESCAPED_HEADER), Err(SignatureError::Mismatch));
    }

    #[test]
    fn the_escaped_form_counts_where_only_escapes_were_undone() {
        let body = r#"{"text":{"body":"ä😀 x"}}"#.as_bytes();
        let signed = header("s", br#"{"text":{"body":"\u00e4\ud83d\ude00 x"}}"#);
        let secrets = AppSecrets::new(["s"]).unwrap();
        assert!(secrets.verify(body, Some(signed.as_bytes())).is_ok());
        let strict = secrets.clone().try_escaped_form(false);
        assert_eq!(strict.verify(body, Some(signed.as_bytes())).unwrap_err(), SignatureError::Mismatch);
        let broken = [body, b"\xff"].concat();
        assert_eq!(secrets.verify(&broken, Some(signed.as_bytes())).unwrap_err(), SignatureError::Mismatch);
    }

    #[test]
    fn blank_secrets_are_refused() {
        assert_eq!(AppSecrets::new([]).unwrap_err(), InvalidSecret::None);
        assert_eq!(AppSecrets::new([SECRET, " "]).unwrap_err(), InvalidSecret::Blank);
        assert_eq!(VerifyToken::new("\n").unwrap_err(), InvalidSecret::Blank);
        assert_eq!(verify(&["It's a Secret to Everybody\n"], BODY, HEADER), Ok(()));
    }

    #[test]
    fn secrets_stay_hidden() {
        let shown = format!("{:?} {:?}", AppSecrets::new([SECRET]).unwrap(), VerifyToken::new("tok-en").unwrap());
        assert!(!shown.contains("Everybody") && !shown.contains("tok-en"), "{shown}");
    }

    #[test]
    fn the_handshake() {
        let token = VerifyToken::new("tok-en").unwrap();
        let answer = |mode, given, challenge| handshake(&token, mode, given, challenge);
        assert_eq!(answer(Some("subscribe"), Some("tok-en"), Some("1158201444")), Ok("1158201444"));
        assert_eq!(answer(Some("unsubscribe"), Some("tok-en"), Some("1")), Err(HandshakeError::Mode));
        assert_eq!(answer(None, Some("tok-en"), Some("1")), Err(HandshakeError::Mode));
        for wrong in [None, Some(""), Some("tok-e"), Some("tok-enn"), Some("TOK-EN")] {
            assert_eq!(answer(Some("subscribe"), wrong, Some("1")), Err(HandshakeError::Token));
        }
        for unfit in [None, Some(""), Some("a b"), Some("<ä>"), Some(&*"1".repeat(257))] {
            assert_eq!(answer(Some("subscribe"), Some("tok-en"), unfit), Err(HandshakeError::Challenge));
        }
    }
}

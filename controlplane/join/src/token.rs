//! Tokens: what a machine that joins shows. `ID.SECRET.PIN`: the id names the token and is no secret, the
//! secret proves that its holder may join, the pin says which authority the cluster has.
//!
//! The cluster keeps a token as a Secret of a type of its own, with a hash of the secret alone. The secret has
//! 128 random bits, so that one hash is enough: there is nothing to guess.

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::Pin;

/// How a token lies in the cluster.
pub mod secret {
    /// Where.
    pub const NAMESPACE: &str = "kube-system";
    /// `type` of the Secret.
    pub const TYPE: &str = "sheave.io/join-token";
    /// Its name is this and the token's id.
    pub const NAME_PREFIX: &str = "join-token-";
    /// Hash of the secret, in base64.
    pub const HASH: &str = "hash";
    /// Seconds from the Secret's creation, by the clock of the server, during which the token is accepted.
    pub const TTL: &str = "ttl-seconds";
    /// For people.
    pub const DESCRIPTION: &str = "description";
    /// `true`: the first machine that joins uses it up.
    pub const SINGLE_USE: &str = "single-use";
}

/// Separates the hash from anything else that may be hashed.
const HASH_PURPOSE: &[u8] = b"sheave join token 1\0";
const ID_LEN: usize = 6;
/// Neither capitals nor signs: it becomes part of a Secret's name.
const ID_LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// A token as its holder has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    id: String,
    secret: String,
    /// Pin of the authority of the cluster to join.
    pub authority: Pin,
}

/// Why a text is no token.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Something is missing.
    #[error(
        "three parts with dots between them are expected: paste the whole line that `sheave token create` printed"
    )]
    Parts,
    /// The part that names it.
    #[error(
        "its first part must be 6 letters and digits: paste the whole line that `sheave token create` printed"
    )]
    Id,
    /// The part that proves.
    #[error(
        "its second part must be 22 letters, digits, '-' and '_': paste the whole line that `sheave token create` printed"
    )]
    Secret,
    /// The part that names the authority.
    #[error(
        "its third part must be 43 letters, digits, '-' and '_': paste the whole line that `sheave token create` printed"
    )]
    Pin,
}

impl Token {
    /// A new one, for a cluster with this authority.
    pub fn generate(authority: Pin) -> Self {
        let letter = |byte: u8| char::from(ID_LETTERS[usize::from(byte) % ID_LETTERS.len()]);
        let id = rand::random::<[u8; ID_LEN]>().map(letter).into_iter().collect();
        let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
        Self { id, secret, authority }
    }

    /// What it is called.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is sent to the server, once it is known to be the right one.
    pub fn proof(&self) -> String {
        format!("{}.{}", self.id, self.secret)
    }

    /// The Secret in which the cluster keeps it.
    pub fn to_secret(&self, description: &Description) -> Value {
        let data = |text: &str| Value::from(STANDARD.encode(text));
        let Description { ttl, text, single_use } = description;
        let mut object = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": secret::TYPE,
            "metadata": {
                "name": format!("{}{}", secret::NAME_PREFIX, self.id),
                "namespace": secret::NAMESPACE,
            },
            "data": {
                (secret::HASH): data(&STANDARD.encode(hash(&self.id, &self.secret))),
                (secret::TTL): data(&ttl.as_secs().to_string()),
            },
        });
        if !text.is_empty() {
            object["data"][secret::DESCRIPTION] = data(text);
        }
        if *single_use {
            object["data"][secret::SINGLE_USE] = data("true");
        }
        object
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.id, self.secret, self.authority)
    }
}

/// Never shows the secret.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("id", &self.id).finish_non_exhaustive()
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let parts: Vec<&str> = text.trim().split('.').collect();
        let [id, secret, pin] = parts[..] else { return Err(TokenError::Parts) };
        if !is_id(id) {
            return Err(TokenError::Id);
        }
        match URL_SAFE_NO_PAD.decode(secret) {
            Ok(bytes) if bytes.len() == 16 => {}
            _ => return Err(TokenError::Secret),
        }
        let authority = pin.parse().map_err(|_| TokenError::Pin)?;
        Ok(Self { id: id.to_owned(), secret: secret.to_owned(), authority })
    }
}

/// True for what can be a token's id.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == ID_LEN && text.bytes().all(|byte| ID_LETTERS.contains(&byte))
}

/// What its maker says of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// How long it is accepted.
    pub ttl: Duration,
    /// For people.
    pub text: String,
    /// The first machine that joins uses it up.
    pub single_use: bool,
}

/// A token as the cluster keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What it is called.
    pub id: String,
    /// What its maker said.
    pub description: Description,
    hash: Vec<u8>,
}

impl Stored {
    /// Reads a Secret; `None` for one that is no token, or a damaged one.
    pub fn from_secret(object: &Value) -> Option<Self> {
        let data = |field: &str| {
            let bytes = STANDARD.decode(object["data"][field].as_str()?).ok()?;
            String::from_utf8(bytes).ok()
        };
        let name = object["metadata"]["name"].as_str()?;
        let id = name.strip_prefix(secret::NAME_PREFIX).filter(|id| is_id(id))?;
        if object["type"] != secret::TYPE {
            return None;
        }
        let description = Description {
            ttl: Duration::from_secs(data(secret::TTL)?.trim().parse().ok()?),
            text: data(secret::DESCRIPTION).unwrap_or_default(),
            single_use: data(secret::SINGLE_USE).is_some_and(|text| text.trim() == "true"),
        };
        let hash = STANDARD.decode(data(secret::HASH)?.trim()).ok()?;
        Some(Self { id: id.to_owned(), description, hash })
    }

    /// True when this proof is of this token. Takes as long whatever is wrong with it.
    pub fn is_proved_by(&self, proof: &str) -> bool {
        let (id, secret) = proof.split_once('.').unwrap_or_default();
        are_equal(&hash(id, secret), &self.hash)
    }
}

/// The id in a proof, and by it the Secret's name; `None` for what is no proof.
pub fn id_of_proof(proof: &str) -> Option<&str> {
    proof.split_once('.').map(|(id, _)| id).filter(|id| is_id(id))
}

fn hash(id: &str, secret: &str) -> [u8; 32] {
    let text = Sha256::new().chain_update(HASH_PURPOSE).chain_update(id).chain_update(".");
    text.chain_update(secret).finalize().into()
}

/// Looks at every byte, so that the time taken says nothing of where they differ.
fn are_equal(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let difference =
        one.iter().zip(other).fold(0, |difference, (a, b)| black_box(difference | (a ^ b)));
    black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token::generate(Pin::of_public_key(b"a key"))
    }

    #[test]
    fn a_token_is_one_word_and_reads_back() {
        let token = token();
        let text = token.to_string();
        assert_eq!(text.len(), 6 + 1 + 22 + 1 + 43);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)), "{text}");
        assert_eq!(text.parse::<Token>().unwrap(), token);
        assert_eq!(format!(" {text}\n").parse::<Token>().unwrap(), token, "as it is pasted");
        assert!(!format!("{token:?}").contains(&token.secret), "never in a log");
        assert_ne!(token.proof(), super::tests::token().proof());
    }

    #[test]
    fn what_is_wrong_with_a_text_is_said() {
        let good = token().to_string();
        let parts: Vec<&str> = good.split('.').collect();
        for (text, expected) in [
            (String::new(), TokenError::Parts),
            (parts[..2].join("."), TokenError::Parts),
            (format!("ABCDEF.{}.{}", parts[1], parts[2]), TokenError::Id),
            (format!("{}.{}.{}", parts[0], &parts[1][1..], parts[2]), TokenError::Secret),
            (format!("{}.{}.{}", parts[0], parts[1], &parts[2][1..]), TokenError::Pin),
        ] {
            assert_eq!(text.parse::<Token>().unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn at_rest_nothing_can_be_used_to_join() {
        let token = token();
        let description =
            Description { ttl: Duration::from_secs(60), text: "rack 7".into(), single_use: true };
        let secret = token.to_secret(&description);
        let decoded: String = secret["data"]
            .as_object()
            .unwrap()
            .values()
            .map(|v| String::from_utf8(STANDARD.decode(v.as_str().unwrap()).unwrap()).unwrap())
            .collect();
        assert!(!secret.to_string().contains(&token.secret) && !decoded.contains(&token.secret));
        let stored = Stored::from_secret(&secret).unwrap();
        assert_eq!((&stored.id, &stored.description), (&token.id, &description));
        assert!(stored.is_proved_by(&token.proof()));
        let other = super::tests::token();
        for wrong in [
            other.proof(),
            format!("{}.{}", token.id, other.secret),
            format!("{}.", token.id),
            String::new(),
            format!("{}x", token.proof()),
        ] {
            assert!(!stored.is_proved_by(&wrong), "{wrong}");
        }
    }

    #[test]
    fn other_secrets_and_damaged_ones_are_no_tokens() {
        let secret = token().to_secret(&Description::default());
        assert!(Stored::from_secret(&secret).is_some());
        for (path, value) in [
            ("/type", json!("Opaque")),
            ("/metadata/name", json!("join-token-")),
            ("/data/hash", json!("!")),
            ("/data/ttl-seconds", json!(STANDARD.encode("soon"))),
        ] {
            let mut secret = secret.clone();
            *secret.pointer_mut(path).unwrap() = value;
            assert_eq!(Stored::from_secret(&secret), None, "{path}");
        }
    }
}

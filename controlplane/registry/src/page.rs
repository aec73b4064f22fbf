//! The tokens that continue a list.
//!
//! A token holds the revision of the first page and the last key sent. The pages together are the
//! state at that revision, as long as the changes since then are held; then a token without a
//! revision goes on with the state as it is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sheave_api::{ObjectKey, Status};
use sheave_store::Revision;

/// Where the next page begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    /// `None`: whatever is the state then.
    #[serde(rename = "rv")]
    pub(crate) revision: Option<Revision>,
    /// The last key of the page before.
    #[serde(rename = "after")]
    pub(crate) after: ObjectKey,
}

impl Token {
    pub(crate) fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).expect("numbers and strings"))
    }

    pub(crate) fn decode(text: &str) -> Result<Self, Status> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(|| {
            Status::bad_request("continue key is not valid: begin a new list without it")
        })
    }

    /// 410 with a token that goes on all the same, on whatever the state is then.
    pub(crate) fn expired(self) -> Status {
        let inconsistent = Self { revision: None, after: self.after };
        let mut status = Status::expired(
            "The provided continue parameter is too old to display a consistent list result. You can \
             start a new list without the continue parameter, or use the continue token in this response \
             to retrieve the remainder of the results. Continuing with the provided token results in an \
             inconsistent list - objects that were created, modified, or deleted between the time the \
             first chunk was returned and now may show up in the list.",
        );
        status.continue_token = Some(inconsistent.encode());
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_back() {
        let token = Token { revision: Some(7), after: ObjectKey::new("a", "b") };
        assert_eq!(Token::decode(&token.encode()).unwrap(), token);
        assert_eq!(Token::decode("nonsense").unwrap_err().code, 400);
        let expired = token.expired();
        let rest = Token::decode(&expired.continue_token.unwrap()).unwrap();
        assert_eq!(rest, Token { revision: None, after: ObjectKey::new("a", "b") });
    }
}

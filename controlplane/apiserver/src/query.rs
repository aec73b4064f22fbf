//! The query part of a URL, and the values Kubernetes puts there.

use axum::extract::Query as UrlEncoded;
use http::Uri;
use sheave_api::Status;

/// Parameters in the order in which they were sent; names may repeat.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// # Errors
    /// 400 when the query is not `application/x-www-form-urlencoded`.
    pub(crate) fn parse(uri: &Uri) -> Result<Self, Status> {
        UrlEncoded::<Vec<(String, String)>>::try_from_uri(uri)
            .map(|UrlEncoded(pairs)| Self(pairs))
            .map_err(|error| Status::bad_request(format!("invalid query: {error}")))
    }

    /// The first value of a parameter; an empty value counts as none, as in Kubernetes.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// All values of a parameter.
    pub(crate) fn all<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// True for `true`, `1` and for a parameter without a value; Kubernetes reads anything but `false`
    /// and `0` as true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.all(name).next().is_some_and(|value| !matches!(value, "false" | "0"))
    }

    /// Like [`Self::flag`], telling apart what was not sent.
    pub(crate) fn optional_flag(&self, name: &str) -> Option<bool> {
        self.all(name).next().map(|_| self.flag(name))
    }

    /// # Errors
    /// 400 when the value is no number.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, Status> {
        self.get(name)
            .map(|value| {
                value.parse().map_err(|_| {
                    Status::bad_request(format!(
                        "invalid value for query parameter {name}: {value:?} is not an integer"
                    ))
                })
            })
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(&format!("/x?{text}").parse().unwrap()).unwrap()
    }

    #[test]
    fn values() {
        let query = query("command=sh&command=-c&stdin=true&tty&watch=0&limit=500&empty=");
        assert_eq!(query.all("command").collect::<Vec<_>>(), ["sh", "-c"]);
        assert!(
            query.flag("stdin") && query.flag("tty") && !query.flag("watch") && !query.flag("none")
        );
        assert_eq!(query.integer("limit").unwrap(), Some(500));
        assert_eq!(query.get("empty"), None);
    }

    #[test]
    fn a_word_is_no_number() {
        let error = query("limit=many").integer("limit").unwrap_err();
        assert_eq!(error.code, 400);
        assert!(error.message.contains("limit"), "{}", error.message);
    }
}

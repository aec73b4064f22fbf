//! Who may see which path that is no object. Pure. Objects are authorized by the registry.

use sheave_api::Status;
use sheave_registry::Identity;

/// What everybody with a certificate may read: the shape of the API tells nothing about its content.
pub(crate) const OPEN_TO_ALL: [&str; 7] =
    ["/api", "/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz"];

/// # Errors
/// 403, worded as Kubernetes words it.
pub(crate) fn authorize_path(identity: &Identity, path: &str) -> Result<(), Status> {
    let open = OPEN_TO_ALL.iter().any(|open| {
        path.strip_prefix(open).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if open || identity.is_admin() {
        return Ok(());
    }
    let user = &identity.user;
    Err(Status::forbidden(format!("forbidden: User {user:?} cannot get path {path:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_see_the_shape_of_the_api_only() {
        let jane = Identity::new("jane", ["staff".to_owned()]);
        for open in ["/apis/apps/v1", "/openapi/v3", "/api", "/version"] {
            assert_eq!(authorize_path(&jane, open), Ok(()), "{open}");
        }
        for closed in ["/metrics", "/apiserver", "/"] {
            assert_eq!(authorize_path(&jane, closed).unwrap_err().code, 403, "{closed}");
        }
        assert_eq!(
            authorize_path(&jane, "/metrics").unwrap_err().message,
            "forbidden: User \"jane\" cannot get path \"/metrics\""
        );
    }

    #[test]
    fn admins_see_everything() {
        let admin = Identity::new("root", ["system:masters".to_owned()]);
        assert_eq!(authorize_path(&admin, "/metrics"), Ok(()));
    }
}

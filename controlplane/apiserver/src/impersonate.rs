//! `kubectl --as`: an admin asks as if he were somebody else. Pure.
//!
//! Ignoring these headers would do with an admin's power what was asked to be done without it.

use http::HeaderMap;
use sheave_api::Status;
use sheave_registry::Identity;

use crate::identity::AUTHENTICATED_GROUP;

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA_PREFIX: &str = "impersonate-extra-";

/// The identity that the request is to be answered as.
///
/// # Errors
/// 403 for those who are no admins, 400 for headers that name no user.
pub(crate) fn effective(identity: Identity, headers: &HeaderMap) -> Result<Identity, Status> {
    let is_asked = headers.keys().any(|name| {
        [USER, GROUP, UID].contains(&name.as_str()) || name.as_str().starts_with(EXTRA_PREFIX)
    });
    if !is_asked {
        return Ok(identity);
    }
    let user = values(headers, USER).next().unwrap_or_default();
    if user.is_empty() {
        return Err(Status::bad_request(format!(
            "{GROUP}, {UID} and {EXTRA_PREFIX}* are only allowed together with {USER}"
        )));
    }
    if !identity.is_admin() {
        return Err(Status::forbidden(format!(
            "users \"{user}\" is forbidden: User \"{}\" cannot impersonate resource \"users\" in API \
             group \"\" at the cluster scope",
            identity.user
        )));
    }
    let groups = values(headers, GROUP).chain([AUTHENTICATED_GROUP]).map(str::to_owned);
    Ok(Identity::new(user, groups))
}

fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn admin() -> Identity {
        Identity::new("root", ["system:masters".to_owned()])
    }

    #[test]
    fn an_admin_becomes_somebody_without_his_power() {
        let asked = headers(&[(USER, "jane"), (GROUP, "staff")]);
        let jane = effective(admin(), &asked).unwrap();
        assert_eq!((jane.user.as_str(), jane.is_admin()), ("jane", false));
        assert_eq!(jane.groups, ["staff", AUTHENTICATED_GROUP]);
        assert_eq!(effective(admin(), &HeaderMap::new()), Ok(admin()));
    }

    #[test]
    fn nobody_else_may_and_a_user_must_be_named() {
        let jane = Identity::new("jane", ["staff".to_owned()]);
        let asked = headers(&[(USER, "root"), (GROUP, "system:masters")]);
        assert_eq!(effective(jane.clone(), &asked).unwrap_err().code, 403);
        let group_only = headers(&[(GROUP, "system:masters")]);
        assert_eq!(effective(jane, &group_only).unwrap_err().code, 400);
        assert_eq!(effective(admin(), &headers(&[(UID, "1")])).unwrap_err().code, 400);
    }
}

//! get and list: from memory, as new as the client asks.

use serde_json::Value;
use sheave_api::field::Path;
use sheave_api::kinds::scale;
use sheave_api::{FieldErrors, Kind, ObjectKey, Status};
use sheave_client::Stored;
use sheave_store::Revision;

use crate::cache::{Filter, Page};
use crate::page::Token;
use crate::registry::FRESH_TIMEOUT;
use crate::{
    Action, Identity, ListOptions, ListResult, Registry, ResourceVersion, ResourceVersionMatch,
    Target,
};

/// Which state a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Newest,
    NotOlderThan(Revision),
    Exactly(Revision),
    Continued(Token),
}

impl Registry {
    /// One object, or what its `scale` or `status` shows.
    pub async fn get(
        &self,
        who: &Identity,
        target: Target<'_>,
        version: ResourceVersion,
    ) -> Result<Stored, Status> {
        let Target { kind, key, subresource } = target;
        let action = Action::on("get", kind, &key.namespace, &key.name).at(subresource);
        self.authorize(who, &action)?;
        if let ResourceVersion::At(revision) = version {
            self.wait_for(revision).await?;
        }
        let entry = self
            .cache()
            .get(kind, key)
            .ok_or_else(|| Status::not_found(&kind.group_resource(), &key.name))?;
        if subresource != Some("scale") {
            return Ok(entry.stored());
        }
        let scale: Value = scale::of(kind, &entry.value())
            .ok_or_else(|| Status::not_found(&kind.group_resource(), &key.name))?;
        Ok(Stored { json: scale.to_string().into(), ..entry.stored() })
    }

    /// The objects of a kind, in one namespace or all.
    pub async fn list(
        &self,
        who: &Identity,
        kind: &'static Kind,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<ListResult, Status> {
        let action = Action::on("list", kind, namespace.unwrap_or_default(), "");
        self.authorize_selected(who, &action, &options.field_selector)?;
        kind.check_field_selector(&options.field_selector)?;
        let filter = Filter {
            kind,
            namespace: namespace.map(str::to_owned),
            labels: options.label_selector.clone(),
            fields: options.field_selector.clone(),
        };
        self.list_state(&filter, wanted_state(options)?, options.limit).await
    }

    async fn list_state(
        &self,
        filter: &Filter,
        state: State,
        limit: usize,
    ) -> Result<ListResult, Status> {
        let (start, revision) = match state {
            State::Newest => return Ok(self.newest(filter, None, limit)),
            State::NotOlderThan(revision) => {
                self.wait_for(revision).await?;
                return Ok(self.newest(filter, None, limit));
            }
            State::Continued(Token { revision: None, after }) => {
                return Ok(self.newest(filter, Some(&after), limit));
            }
            State::Exactly(revision) => {
                self.wait_for(revision).await?;
                (None, revision)
            }
            State::Continued(Token { revision: Some(revision), after }) => (Some(after), revision),
        };
        let refused = |oldest| match &start {
            None => expired(revision, oldest),
            Some(after) => Token { revision: None, after: after.clone() }.expired(),
        };
        if revision > self.revision() {
            return Err(refused(self.revision()));
        }
        let collection = self.cache().of(filter.kind);
        let page = collection.page_at(revision, filter, start.as_ref(), limit);
        Ok(result(page.map_err(|too_old| refused(too_old.oldest))?, revision, filter))
    }

    fn newest(&self, filter: &Filter, start: Option<&ObjectKey>, limit: usize) -> ListResult {
        // The state holds every change up to `now`, and none after the later of both.
        let now = self.revision();
        let (page, last) = self.cache().of(filter.kind).page(filter, start, limit);
        result(page, last.max(now), filter)
    }

    /// Waits for the cache, or says 504 as Kubernetes does.
    async fn wait_for(&self, revision: Revision) -> Result<(), Status> {
        if self.cache().reach(revision, FRESH_TIMEOUT).await {
            return Ok(());
        }
        let mut status = Status::new(
            504,
            "Timeout",
            format!(
                "Timeout: Too large resource version: {revision}, current: {}",
                self.revision()
            ),
        );
        status.details = serde_json::json!({
            "causes": [{
                "reason": "ResourceVersionTooLarge",
                "message": "Too large resource version",
            }],
            "retryAfterSeconds": 1,
        });
        Err(status)
    }
}

fn result(page: Page, revision: Revision, filter: &Filter) -> ListResult {
    let after = page.entries.last().filter(|_| page.more).map(|last| last.key.clone());
    let token = after.map(|after| Token { revision: Some(revision), after }.encode());
    let counted = page.more && filter.is_unselective();
    ListResult {
        items: page.entries.iter().map(|entry| entry.stored()).collect(),
        revision,
        continue_token: token,
        remaining: counted.then_some(page.remaining as u64),
    }
}

/// What the options say about how new the list must be (Kubernetes API concepts, "resource
/// versions").
fn wanted_state(options: &ListOptions) -> Result<State, Status> {
    use ResourceVersionMatch::{Exact, NotOlderThan};
    let continues = !options.continue_token.is_empty();
    check_match(options, continues)?;
    if continues {
        if matches!(options.resource_version, ResourceVersion::At(_)) {
            return Err(Status::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        return Token::decode(&options.continue_token).map(State::Continued);
    }
    Ok(match (options.resource_version, options.resource_version_match) {
        (ResourceVersion::Unset | ResourceVersion::Any, _) => State::Newest,
        (ResourceVersion::At(revision), Some(Exact)) => State::Exactly(revision),
        (ResourceVersion::At(revision), Some(NotOlderThan)) => State::NotOlderThan(revision),
        // The rule from before there was a match parameter.
        (ResourceVersion::At(revision), None) if options.limit > 0 => State::Exactly(revision),
        (ResourceVersion::At(revision), None) => State::NotOlderThan(revision),
    })
}

fn check_match(options: &ListOptions, continues: bool) -> Result<(), Status> {
    let Some(wanted) = options.resource_version_match else { return Ok(()) };
    let path = Path::root("resourceVersionMatch");
    let mut errors = FieldErrors::new();
    if continues {
        errors.forbidden(&path, "resourceVersionMatch is forbidden when continue is provided");
    }
    match options.resource_version {
        ResourceVersion::Unset => errors.forbidden(
            &path,
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        ResourceVersion::Any if wanted == ResourceVersionMatch::Exact => errors.forbidden(
            &path,
            "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
        ),
        _ => {}
    }
    invalid_options(errors)
}

/// 422 about the options, if anything is wrong with them.
pub(crate) fn invalid_options(errors: FieldErrors) -> Result<(), Status> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(errors.into_status("meta.k8s.io", "ListOptions", ""))
}

/// 410, as Kubernetes words it.
pub(crate) fn expired(revision: Revision, oldest: Revision) -> Status {
    Status::expired(format!("too old resource version: {revision} ({oldest})"))
}

//! list: selectors, pages, and how new a list is.

use sheave_api::resource::{CONFIG_MAPS, PODS};
use sheave_api::selector::{FieldSelector, LabelSelector};
use sheave_registry::ResourceVersionMatch;

use super::*;

fn page(limit: usize, continue_token: Option<String>) -> ListOptions {
    let continue_token = continue_token.unwrap_or_default();
    ListOptions { limit, continue_token, ..ListOptions::default() }
}

#[tokio::test]
async fn selectors_narrow_a_list() {
    let cluster = Cluster::start().await;
    for name in ["a", "b", "c"] {
        cluster.create(&PODS, pod(name)).await.unwrap();
    }
    cluster.bind("b", "one").await.unwrap();
    let by_field = |text: &str| ListOptions {
        field_selector: FieldSelector::parse(text).unwrap(),
        ..ListOptions::default()
    };
    let bound = cluster.list(&PODS, by_field("spec.nodeName=one")).await.unwrap();
    assert_eq!(names(&bound), ["b"]);
    let unbound = cluster.list(&PODS, by_field("spec.nodeName!=one")).await.unwrap();
    assert_eq!(names(&unbound), ["a", "c"]);
    assert_eq!(names(&cluster.list(&PODS, by_field("metadata.name=c")).await.unwrap()), ["c"]);
    assert!(cluster.list(&PODS, by_field("metadata.name=x")).await.unwrap().items.is_empty());
    let status = cluster.list(&PODS, by_field("spec.foo=x")).await.unwrap_err();
    assert_eq!(status.message, "field label not supported: spec.foo");
    for (name, app) in [("d", "web"), ("e", "db"), ("f", "web")] {
        cluster.create(&CONFIG_MAPS, labelled(name, app)).await.unwrap();
    }
    for (selector, expected) in [
        ("app=web", vec!["d", "f"]),
        ("app in (web,db)", vec!["d", "e", "f"]),
        ("app!=web", vec!["e"]),
        ("!app", vec![]),
    ] {
        let options = ListOptions {
            label_selector: LabelSelector::parse(selector).unwrap(),
            ..ListOptions::default()
        };
        assert_eq!(names(&cluster.list(&CONFIG_MAPS, options).await.unwrap()), expected);
    }
}

/// The pages of a list are the state at its first page, whatever happens in between.
#[tokio::test]
async fn pages_are_one_consistent_list() {
    let cluster = Cluster::start().await;
    for n in 0..25 {
        cluster.create(&CONFIG_MAPS, config_map(&format!("c{n:02}"))).await.unwrap();
    }
    let before = cluster.list(&CONFIG_MAPS, ListOptions::default()).await.unwrap();
    let mut pages = vec![cluster.list(&CONFIG_MAPS, page(4, None)).await.unwrap()];
    let mut change = 0;
    while let Some(token) = pages.last().unwrap().continue_token.clone() {
        cluster.delete(&CONFIG_MAPS, &format!("c{:02}", 24 - change)).await.unwrap();
        cluster.create(&CONFIG_MAPS, config_map(&format!("c{:02}x", 10 + change))).await.unwrap();
        let name = format!("c{:02}", 12 + change);
        let edit = |object: &mut Value| object["data"]["key"] = "changed".into();
        cluster.edit(&CONFIG_MAPS, None, &name, edit).await.unwrap();
        change += 1;
        pages.push(cluster.list(&CONFIG_MAPS, page(4, Some(token))).await.unwrap());
    }
    assert_eq!(pages[0].remaining, Some(21));
    assert_eq!(pages.last().unwrap().remaining, None);
    assert!(pages.iter().all(|page| page.revision == before.revision));
    let paged: Vec<_> = pages.iter().flat_map(|page| &page.items).map(|i| &i.json).collect();
    let whole: Vec<_> = before.items.iter().map(|item| &item.json).collect();
    assert_eq!(paged, whole);
}

#[tokio::test]
async fn an_expired_token_comes_with_one_that_goes_on() {
    let cluster = Cluster::start().await;
    for n in 0..6 {
        cluster.create(&CONFIG_MAPS, config_map(&format!("c{n}"))).await.unwrap();
    }
    let first = cluster.list(&CONFIG_MAPS, page(2, None)).await.unwrap();
    cluster.create(&CONFIG_MAPS, config_map("c9")).await.unwrap();
    // The history begins anew, after the token's revision.
    let cluster = cluster.restart(RegistryConfig::default()).await;
    let status = cluster.list(&CONFIG_MAPS, page(2, first.continue_token)).await.unwrap_err();
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    let fresh = status.to_object()["metadata"]["continue"].as_str().unwrap().to_owned();
    let rest = cluster.list(&CONFIG_MAPS, page(0, Some(fresh))).await.unwrap();
    assert_eq!(names(&rest), ["c2", "c3", "c4", "c5", "c9"]);
}

#[tokio::test]
async fn a_list_is_as_new_as_it_is_asked_to_be() {
    let cluster = Cluster::start().await;
    let a = cluster.create(&CONFIG_MAPS, config_map("a")).await.unwrap();
    let b = cluster.create(&CONFIG_MAPS, config_map("b")).await.unwrap();
    let at = |revision, resource_version_match| ListOptions {
        resource_version: ResourceVersion::At(revision),
        resource_version_match,
        ..ListOptions::default()
    };
    let exact = Some(ResourceVersionMatch::Exact);
    let list = cluster.list(&CONFIG_MAPS, at(revision(&a), exact)).await.unwrap();
    assert_eq!((names(&list), list.revision), (vec!["a"], revision(&a)));
    let newer = Some(ResourceVersionMatch::NotOlderThan);
    let list = cluster.list(&CONFIG_MAPS, at(revision(&a), newer)).await.unwrap();
    assert_eq!((names(&list), list.revision), (vec!["a", "b"], revision(&b)));
    let only_match = ListOptions { resource_version_match: exact, ..ListOptions::default() };
    assert_eq!(cluster.list(&CONFIG_MAPS, only_match).await.unwrap_err().code, 422);
    let continued = ListOptions { continue_token: "x".to_owned(), ..at(revision(&a), None) };
    assert_eq!(cluster.list(&CONFIG_MAPS, continued).await.unwrap_err().code, 400);
    let cluster = cluster.restart(RegistryConfig::default()).await;
    let status = cluster.list(&CONFIG_MAPS, at(1, exact)).await.unwrap_err();
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    assert!(status.message.starts_with("too old resource version: 1 ("), "{}", status.message);
}

#[tokio::test]
async fn a_revision_from_the_future_is_waited_for_and_then_refused() {
    let cluster = Cluster::start().await;
    tokio::time::pause();
    let key = key(&CONFIG_MAPS, "a");
    let target = Target { kind: kind(&CONFIG_MAPS), key: &key, subresource: None };
    let future = ResourceVersion::At(1_000_000);
    let status = cluster.registry.get(&admin(), target, future).await.unwrap_err();
    assert_eq!((status.code, status.reason.as_str()), (504, "Timeout"));
    assert!(status.message.contains("Too large resource version: 1000000, current: "));
    assert_eq!(status.details["causes"][0]["reason"], "ResourceVersionTooLarge");
}
